"""Wiring of penalties: `python -m services.penalties.main`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import text

from services.penalties.api import router
from services.penalties.handlers import VERDICTS_TOPIC, VerdictHandler
from services.penalties.settings import PenaltiesSettings
from shared import log
from shared.bus import dead_letter_api
from shared.bus.outbox import OutboxRelay
from shared.bus.producer import Producer
from shared.bus.runner import TRANSIENT, ConsumerRunner, RunnerLimits
from shared.clock import Clock
from shared.db import create_engine, migrate
from shared.health import Check
from shared.http.app import create_app, request_stop, serve
from shared.registries import Registries

SERVICE = "penalties"
_MIGRATE_RETRY_S = 1.0


class Penalties:
    """The parts of the service and how they start and stop together."""

    def __init__(self, settings: PenaltiesSettings) -> None:
        self.settings = settings
        self.clock = Clock(settings.clock_file)
        self.engine = create_engine(settings)
        self.registries = Registries(settings, self.clock)
        self.producer = Producer(settings)
        self.relay = OutboxRelay(self.engine, self.producer, poll_interval_ms=settings.outbox_poll_ms)
        self.runner = ConsumerRunner(
            settings,
            self.engine,
            topics=(VERDICTS_TOPIC,),
            group=SERVICE,
            handler=VerdictHandler(self.clock, self.relay.wake),
            limits=RunnerLimits(batch_records_max=settings.batch_records_max),
        )
        self._migrated = False

    def app(self) -> FastAPI:
        """The application; its lifespan runs everything else."""
        return create_app(
            SERVICE,
            settings=self.settings,
            readiness=self.readiness,
            routers=[
                router(self.engine, self.clock, self.settings, SERVICE),
                dead_letter_api.router(self.engine, self.relay, self.clock),
            ],
            lifespan=self._lifespan,
            keys=self.registries.ring,
        )

    async def readiness(self) -> Mapping[str, Check]:
        """Database, broker, consumer with its lag in records, and outbox."""
        lag = sum(self.runner.lag().values())
        trouble = self.runner.trouble
        return {
            "database": await self._database(),
            "broker": self.registries.check(),
            "consumer": Check(trouble is None, trouble or "", {"lag": lag}),
            "outbox": Check(self.relay.trouble is None, self.relay.trouble or ""),
        }

    async def _database(self) -> Check:
        try:
            async with self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except TRANSIENT as error:
            detail = f"The database does not answer ({type(error).__name__}): look at DATABASE_URL."
            return Check(False, detail)
        return Check(self._migrated, "" if self._migrated else "The schema is being migrated.")

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        async with self.registries:
            work = asyncio.create_task(self._work(app), name=SERVICE)
            try:
                yield
            finally:
                self.runner.stop()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(
                        asyncio.gather(work, return_exceptions=True), self.settings.shutdown_timeout_ms / 1000
                    )
                await self.producer.close()
                await self.engine.dispose()

    async def _work(self, app: FastAPI) -> None:
        """Consume until the runner stops; the relay stops with it. A failure stops the service."""
        relaying: asyncio.Task[None] | None = None
        try:
            await self._migrate()
            relaying = asyncio.create_task(self.relay.run())
            consuming = asyncio.create_task(self.runner.run())
            done, _ = await asyncio.wait([consuming, relaying], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if self.runner.failure is not None:
                raise self.runner.failure
        except Exception as error:  # noqa: BLE001 - whatever ends the work must end the process, not leave a deaf one
            log.get(__name__).error("penalties_failed", exc_info=error)
            request_stop(app, error)
        finally:
            if relaying is not None:
                relaying.cancel()
                await asyncio.gather(relaying, return_exceptions=True)

    async def _migrate(self) -> None:
        """Bring the schema up to date, waiting for the database where it is away."""
        while not self._migrated:
            try:
                await migrate(self.engine, SERVICE)
                self._migrated = True
            except TRANSIENT as error:
                log.get(__name__).warning("database_away", error=repr(error))
                await asyncio.sleep(_MIGRATE_RETRY_S)


def main() -> None:
    """Run the service until SIGTERM."""
    settings = PenaltiesSettings()
    log.configure(SERVICE, settings.instance, settings.log_level)
    serve(Penalties(settings).app(), settings)


if __name__ == "__main__":
    main()
