"""The job loop: plans what falls due, takes what is to be done, and stores what came of it, once whatever happens.

A worker takes a job for some time, renewed while it works, reads what it needs without a transaction, and tells in the
transaction that takes the job away. Who died or hung has lost it to another: only whoever took a job last may finish it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notify.domain.timetable import REPORT_KINDS, Timetable
from services.notify.handlers.reports import Outcome, Reports
from services.notify.handlers.teller import Teller
from services.notify.settings import NotifySettings
from services.notify.store import jobs as store
from services.notify.store.attachments import attach
from services.notify.store.jobs import Job, NewJob
from shared import metrics
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.bus.waiting import wait_at_most
from shared.clock import Clock
from shared.http.peers import PeerError
from shared.registry import Registry, SiteRecord

log = structlog.get_logger(__name__)

_RENEWALS = 3
"""Renewals that fit into a lease: one may fail."""

_done = metrics.counter("report_jobs_done", "Reports made and told, by kind.", "count", ["kind"])
_failed = metrics.counter(
    "report_jobs_failed",
    "Attempts to make a report that failed, by kind; each is tried again.",
    "count",
    ["kind"],
)
_waiting = metrics.gauge("report_jobs_waiting", "Reports that are to be made.", "count")
_lag = metrics.gauge(
    "report_jobs_lag_seconds", "How long ago the oldest report that still waits fell due.", "seconds"
)


class JobWorker:
    """Makes the reports. Any number of copies share the work."""

    def __init__(
        self,
        settings: NotifySettings,
        engine: AsyncEngine,
        clock: Clock,
        reports: Reports,
        teller: Teller,
        sites: Registry[SiteRecord],
        *,
        wake: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._timetable = Timetable(
            zone=ZoneInfo(settings.time_zone),
            bulletin_weekday=settings.bulletin_weekday,
            bulletin_time=settings.bulletin_time,
            monthly_working_day=settings.monthly_report_working_day,
            monthly_time=settings.monthly_report_time,
            silent_time=settings.silent_time,
        )
        self._reports = reports
        self._teller = teller
        self._stored = wake
        self._wanted = asyncio.Event()
        self._networks: set[str] = set()
        self._scheduled: set[str] = set()
        sites.subscribe(lambda _, record: self._networks.add(record.network) if record else None)

    def wake(self) -> None:
        """Look now: a job may have been stored."""
        self._wanted.set()

    async def run(self) -> None:
        """Plan and work until cancelled. What fails is tried again."""
        async with self._reports:
            while True:
                self._wanted.clear()
                try:
                    await self._plan()
                    if await self._work_some():
                        continue
                except TRANSIENT as error:
                    unless_cancelled(error)
                    log.warning("reports_wait", error=repr(error))
                # The machine's time: so a move of the clock is noticed soon.
                await wait_at_most(self._wanted, self._settings.job_poll_ms / 1000)

    async def _plan(self) -> None:
        """Make jobs of what has fallen due, and say when it does next. A new network begins with what comes next."""
        now = self._clock.now()
        async with self._engine.begin() as connection:
            if fresh := self._networks - self._scheduled:
                first = {kind: self._timetable.next_after(kind, now) for kind in REPORT_KINDS}
                await store.begin_schedules(connection, fresh, first)
            for row in await store.due_schedules(connection, now):
                rounds = self._timetable.rounds(row.kind, row.next_at, now)
                if row.kind != "monthly_report":
                    await store.supersede(connection, row.kind, row.network, rounds[-1].period)
                planned = [
                    NewJob(kind=row.kind, network=row.network, period=one.period, due_at=one.due_at)
                    for one in rounds
                ]
                await store.plan(connection, planned)
                next_at = self._timetable.next_after(row.kind, now)
                await store.move_schedule(connection, row.network, row.kind, next_at)
            left = await store.waiting(connection)
        self._scheduled |= fresh
        _waiting.set(left.count)
        lag = now - left.oldest_due_at if left.oldest_due_at else timedelta(0)
        _lag.set(max(0.0, lag.total_seconds()))

    async def _work_some(self) -> bool:
        """Take some jobs and do them; False where nothing is due."""
        now = self._clock.now()
        until = now + timedelta(seconds=self._settings.job_lease_s)
        async with self._engine.begin() as connection:
            taken = await store.take(connection, now, until, self._settings.jobs_at_once)
        await asyncio.gather(*(self._work(job) for job in taken))
        return bool(taken)

    async def _work(self, job: Job) -> None:
        # What it asks of other services stands in their logs under this id.
        structlog.contextvars.bind_contextvars(request_id=f"job-{job.job_id}")
        try:
            if await self._make(job):
                _done.labels(job.kind).inc()
                self._stored()
        except Exception as error:  # noqa: BLE001 - what keeps one report from being made must not keep the others
            unless_cancelled(error)
            await self._put_off(job, error)

    async def _make(self, job: Job) -> bool:
        """Make a report and tell it; False where it is no longer ours."""
        working = asyncio.create_task(self._reports.carry_out(job))
        try:
            while not (await asyncio.wait({working}, timeout=self._settings.job_lease_s / _RENEWALS))[0]:
                if not await self._renew(job):
                    return False
            outcome = working.result()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        async with self._engine.begin() as connection:
            if not await store.finish(connection, job):
                return False
            await self._store(connection, outcome)
        return True

    async def _renew(self, job: Job) -> bool:
        """Keep a job for as long again; False where it is no longer ours."""
        until = self._clock.now() + timedelta(seconds=self._settings.job_lease_s)
        try:
            async with self._engine.begin() as connection:
                return await store.renew(connection, job, until)
        except TRANSIENT as error:
            # Tried again before the lease ends; whether it is still ours is asked once more at the end.
            unless_cancelled(error)
            return True

    async def _store(self, connection: AsyncConnection, outcome: Outcome) -> None:
        await store.plan(connection, outcome.jobs)
        if outcome.tellings:
            told = await self._teller.tell(connection, outcome.tellings, self._clock.now())
            for notice in told:
                if (file := outcome.attachment) is not None and notice.channel == "email":
                    notice_id = UUID(notice.notice_id)
                    await attach(connection, notice_id, file.name, file.media_type, file.content)

    async def _put_off(self, job: Job, error: Exception) -> None:
        """Try again after a wait that doubles up to a limit, less a random part so that not all come back at once."""
        _failed.labels(job.kind).inc()
        known = isinstance(error, (PeerError, *TRANSIENT))
        where = {"kind": job.kind, "network": job.network, "site": job.site, "attempts": job.attempts}
        log.warning("report_put_off", **where, error=repr(error), exc_info=None if known else error)
        longest_s = self._settings.job_retry_max_s
        wait_s = min(longest_s, self._settings.job_retry_s * 2 ** min(job.attempts - 1, 32))
        until = self._clock.now() + timedelta(seconds=wait_s * random.uniform(0.5, 1))
        try:
            async with self._engine.begin() as connection:
                await store.put_off(connection, job, until, str(error))
        except TRANSIENT as away:
            # Nobody can note it now; another takes the job when the lease ends.
            unless_cancelled(away)
