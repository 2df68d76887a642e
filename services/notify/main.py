"""Wiring of notify: `python -m services.notify.main`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import text

from services.notify.api import router
from services.notify.feed import NoticeFeed
from services.notify.handlers import VERDICTS_TOPIC, VerdictHandler
from services.notify.settings import NotifySettings
from services.notify.texts import Language, Texts
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

SERVICE = "notify"
_MIGRATE_RETRY_S = 1.0


class Notify:
    """The parts of the service and how they start and stop together."""

    def __init__(self, settings: NotifySettings) -> None:
        self.settings = settings
        self.clock = Clock(settings.clock_file)
        self.engine = create_engine(settings)
        self.registries = Registries(settings, self.clock, sites=True)
        self.producer = Producer(settings)
        self.relay = OutboxRelay(self.engine, self.producer, poll_interval_ms=settings.outbox_poll_ms)
        self.feed = NoticeFeed(self.engine, settings)
        texts = Texts(
            evidence_max=settings.notice_evidence_max,
            appeal_days=settings.appeal_days,
            zone_name=settings.time_zone,
        )
        self.runner = ConsumerRunner(
            settings,
            self.engine,
            topics=(VERDICTS_TOPIC,),
            group=SERVICE,
            handler=VerdictHandler(settings, self.clock, texts, self.language_of, wake=self.relay.wake),
            limits=RunnerLimits(batch_records_max=settings.batch_records_max),
        )
        self._migrated = False
        self._consuming = False

    def language_of(self, network: str, site: str) -> Language:
        """The language that the site registry gives, else the setting's."""
        record = self.registries.sites.get(f"{network}/{site}")
        return record.language if record else self.settings.notice_language

    def app(self) -> FastAPI:
        """The application; its lifespan runs everything else."""
        return create_app(
            SERVICE,
            settings=self.settings,
            readiness=self.readiness,
            routers=[
                router(self.engine, self.relay, self.feed, self.clock, self.settings),
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
            return Check(
                False, f"The database does not answer ({type(error).__name__}): look at DATABASE_URL."
            )
        return Check(self._migrated, "" if self._migrated else "The schema is being migrated.")

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        async with self.registries:
            work = asyncio.create_task(self._work(app), name="notify")
            try:
                yield
            finally:
                self.runner.stop()
                if not self._consuming:
                    work.cancel()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(
                        asyncio.gather(work, return_exceptions=True), self.settings.shutdown_timeout_ms / 1000
                    )
                await self.producer.close()
                await self.engine.dispose()

    async def _work(self, app: FastAPI) -> None:
        """Consume until the runner stops; what else runs stops with it. A failure stops the service."""
        beside: list[asyncio.Task[None]] = []
        try:
            await self._migrate()
            await self.registries.wait_loaded()
            beside = [asyncio.create_task(self.relay.run()), asyncio.create_task(self.feed.run())]
            self._consuming = True
            # What runs beside never ends by itself: when it fails, consuming stops too.
            for task in beside:
                task.add_done_callback(lambda _: self.runner.stop())
            await self.runner.run()
            for task in beside:
                if task.done():
                    task.result()
            if self.runner.failure is not None:
                raise self.runner.failure
        except Exception as error:  # noqa: BLE001 - whatever ends the work must end the process, not leave a deaf one
            log.get(__name__).error("notify_failed", exc_info=error)
            request_stop(app, error)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

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
    settings = NotifySettings()
    log.configure(SERVICE, settings.instance, settings.log_level)
    serve(Notify(settings).app(), settings)


if __name__ == "__main__":
    main()
