"""A service that consumes: its parts, and how they start, fail and stop together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request, Response
from sqlalchemy import text

from shared import log
from shared.bus import backlog_api, dead_letter_api
from shared.bus.backlog_api import Figures
from shared.bus.outbox import OutboxRelay
from shared.bus.producer import Producer
from shared.bus.runner import ConsumerRunner
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.clock import Clock
from shared.db import DATABASE_ERRORS, create_engine, cut_off, is_away, migrate, reader
from shared.health import Check
from shared.http.app import create_app, request_stop
from shared.http.problems import Problem
from shared.registries import Registries
from shared.settings import ServiceSettings

_RETRY_S = 1.0
_DATABASE_TIMEOUT_S = 2.0
"""Shorter than a whole readiness check may take, so that the check can say which part hangs."""

Task = Callable[[], Coroutine[object, object, None]]


class ConsumingService:
    """Database, broker, registries, outbox and one consumer, as every consuming service has them.

    A service makes one, gives it a runner and what is to run beside it (`consume`), and serves `app(routers)`.
    """

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        *,
        sites: bool = False,
        exemptions: bool = False,
        outbox_poll_ms: int = 1_000,
    ) -> None:
        self.name = name
        self.settings = settings
        self.clock = Clock(settings.clock_file)
        self.engine = create_engine(settings)
        self.registries = Registries(settings, self.clock, sites=sites, exemptions=exemptions)
        self.producer = Producer(settings)
        self.relay = OutboxRelay(self.engine, self.producer, poll_interval_ms=outbox_poll_ms)
        self._runner: ConsumerRunner | None = None
        self._prepare: Sequence[Task] = ()
        self._beside: Sequence[Task] = ()
        self._migrated = False
        self._consuming = False
        self._asked: asyncio.Task[None] | None = None

    def consume(
        self, runner: ConsumerRunner, *, prepare: Sequence[Task] = (), beside: Sequence[Task] = ()
    ) -> None:
        """Run `prepare` one after the other once database and registries are there, then `runner` with `beside`."""
        self._runner = runner
        self._prepare = prepare
        self._beside = beside

    def app(self, routers: Sequence[APIRouter], figures: Figures | None = None) -> FastAPI:
        """The application with `routers`, the dead letters and the backlog; its lifespan runs everything else.

        `figures`: what the backlog shows of the service's own tables.
        """
        app = create_app(
            self.name,
            settings=self.settings,
            readiness=self._readiness,
            routers=[
                *routers,
                dead_letter_api.router(self.engine, self.relay, self.clock),
                backlog_api.router(self.engine, self._consumer, figures),
            ],
            lifespan=self._lifespan,
            keys=self.registries.ring,
        )
        for kind in (*DATABASE_ERRORS, OSError):
            app.add_exception_handler(kind, _database_failed)
        return app

    def _consumer(self) -> ConsumerRunner:
        assert self._runner is not None
        return self._runner

    async def _readiness(self) -> Mapping[str, Check]:
        """Database, broker, the consumer with its lag in records, and the outbox."""
        assert self._runner is not None
        trouble = self._runner.trouble
        return {
            "database": await self._database(),
            "broker": self.registries.check(),
            "consumer": Check(trouble is None, trouble or "", {"lag": sum(self._runner.lag().values())}),
            "outbox": Check(self.relay.trouble is None, self.relay.trouble or ""),
        }

    async def _database(self) -> Check:
        # A question to a database that hangs is left waiting, one at a time: giving it up takes longer than this check.
        asked = self._asked if self._asked is not None else asyncio.create_task(self._ask_database())
        self._asked = asked
        done, _ = await asyncio.wait({asked}, timeout=_DATABASE_TIMEOUT_S)
        if not done:
            return Check(False, f"The database has not answered for {_DATABASE_TIMEOUT_S:g} s: it hangs.")
        self._asked = None
        try:
            asked.result()
        except TRANSIENT as error:
            wrong = f"The database does not answer ({type(error).__name__}): see that it runs, look at DATABASE_URL."
            return Check(False, wrong)
        return Check(self._migrated, "" if self._migrated else "The schema is being migrated.")

    async def _ask_database(self) -> None:
        async with reader(self.engine) as connection:
            await connection.execute(text("SELECT 1"))

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        assert self._runner is not None
        async with self.registries:
            work = asyncio.create_task(self._work(app, self._runner), name=self.name)
            try:
                yield
            finally:
                self._runner.stop()
                if not self._consuming:
                    work.cancel()
                timeout_s = self.settings.shutdown_timeout_ms / 1000
                await asyncio.wait({work}, timeout=timeout_s)
                if not work.done():
                    # What is cancelled rolls back first, and a database that hangs would be waited for.
                    work.cancel()
                    cut_off(self.engine)
                await self.producer.close()
                if self._asked is not None:
                    self._asked.cancel()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_DATABASE_TIMEOUT_S):
                        await self.engine.dispose()
                cut_off(self.engine)

    async def _work(self, app: FastAPI, runner: ConsumerRunner) -> None:
        """Consume until the runner stops; what runs beside it stops with it. A defect stops the service.

        A consumer that stopped itself leaves the service up: `/readyz` says why, and people can still read.
        """
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._patiently(lambda: migrate(self.engine, self.name))
            self._migrated = True
            await self.registries.wait_loaded()
            for step in self._prepare:
                await self._patiently(step)
            tasks = [asyncio.create_task(task()) for task in (self.relay.run, *self._beside)]
            for task in tasks:
                # These never end by themselves: when one fails, consuming stops too.
                task.add_done_callback(lambda _: runner.stop())
            self._consuming = True
            await runner.run()
            if runner.failure is not None:
                await app.state.stopping.wait()
            for task in tasks:
                if task.cancelled():
                    raise RuntimeError(f"{task.get_coro()!r} was cancelled by itself.")
                if task.done():
                    task.result()
        except Exception as error:  # noqa: BLE001 - whatever ends the work must end the process, not leave a deaf one
            log.get(__name__).error("service_failed", service=self.name, exc_info=error)
            request_stop(app, error)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _patiently(self, step: Task) -> None:
        """Do `step`, waiting for a database or broker that is away."""
        while True:
            try:
                await step()
            except TRANSIENT as error:
                unless_cancelled(error)
                log.get(__name__).warning("start_waits", service=self.name, error=repr(error))
                # The machine's time: a moved clock must not hurry a database.
                await asyncio.sleep(_RETRY_S)
            else:
                return


async def _database_failed(_request: Request, error: Exception) -> Response:
    """503 where the database is away; what else went wrong with it is a defect and answered as one."""
    if not is_away(error):
        raise error
    return Problem(
        503,
        "Database away",
        "The service cannot reach its database at present; /readyz tells when it can. Nothing was changed: try again.",
        headers={"Retry-After": "2"},
    ).response()
