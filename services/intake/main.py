"""Wiring of intake: `python -m services.intake.main`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.intake import api, dead_letter_api, registry_api
from services.intake.bodies import Room
from services.intake.handlers import Intake
from services.intake.registry_store import RegistryStore
from services.intake.settings import IntakeSettings
from shared import log
from shared.bus.producer import Producer
from shared.clock import Clock
from shared.health import Check
from shared.http.app import create_app, serve
from shared.registries import Registries

SERVICE = "intake"
_PING_TIMEOUT_S = 2.0


class IntakeService:
    """The parts of the service and how they start and stop together."""

    def __init__(self, settings: IntakeSettings) -> None:
        self.settings = settings
        self.clock = Clock(settings.clock_file)
        self.producer = Producer(settings)
        self.registries = Registries(settings, self.clock, sites=True, exemptions=True)
        self.store = RegistryStore(self.producer, self.registries, timeout_ms=settings.delivery_timeout_ms)

    def app(self) -> FastAPI:
        """The application; its lifespan runs everything else."""
        intake = Intake(self.producer, self.clock, self.settings)
        return create_app(
            SERVICE,
            settings=self.settings,
            readiness=self.readiness,
            routers=[
                api.router(intake, Room(self.settings)),
                registry_api.router(self.store, self.clock),
                dead_letter_api.router(self.store, self.clock),
            ],
            lifespan=self._lifespan,
            keys=self.registries.ring,
            unlimited_body_paths=frozenset(("/v1/events",)),
        )

    async def readiness(self) -> Mapping[str, Check]:
        """The broker and the registries, with their lag in records."""
        return {"broker": await self._broker(), **self.registries.checks()}

    async def _broker(self) -> Check:
        try:
            async with asyncio.timeout(_PING_TIMEOUT_S):
                answered = await self.producer.ping()
        except TimeoutError:
            answered = False
        return Check(
            answered, "" if answered else "The broker does not answer: look at KAFKA_BOOTSTRAP_SERVERS."
        )

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        async with self.registries:
            try:
                yield
            finally:
                await self.producer.close()


def application(settings: IntakeSettings) -> FastAPI:
    """The service's application; its lifespan runs everything else."""
    return IntakeService(settings).app()


def main() -> None:
    """Serve until SIGTERM; requests in hand are answered first."""
    settings = IntakeSettings()
    log.configure(SERVICE, settings.instance, settings.log_level)
    serve(application(settings), settings)


if __name__ == "__main__":
    main()
