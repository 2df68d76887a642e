"""Every statement on the reports to be made and on when the next ones fall due."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, LargeBinary, Text, Uuid, delete, func, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.timetable import REPORT_KINDS, ReportKind
from services.notify.store.tables import array_of, jobs, schedules
from shared.ids import stable_id

_ERROR_CHARACTERS_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A report to be made: of a network, or of one site of it. `content` is JSON that the job's kind knows."""

    kind: str
    network: str
    period: str
    due_at: datetime
    site: str | None = None
    content: bytes = b"{}"

    @property
    def job_id(self) -> UUID:
        """One for ever: a job that is planned twice is one."""
        return stable_id("job", self.kind, self.network, self.site or "-", self.period)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(NewJob):
    """A job that a worker has taken for the `attempts`-th time."""

    attempts: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many jobs wait, and since when the one that waits longest; None where none does."""

    count: int
    oldest_due_at: datetime | None


# -- jobs ---------------------------------------------------------------------------------------------------------


async def plan(connection: AsyncConnection, new: Sequence[NewJob]) -> None:
    """Store jobs; one that waits already stays as it is."""
    if new:
        columns: dict[str, list[Any]] = {name: [getattr(one, name) for one in new] for name in _PLANNED}
        await connection.execute(_PLAN, columns)


async def take(connection: AsyncConnection, now: datetime, until: datetime, limit: int) -> list[Job]:
    """Take up to `limit` jobs that are due. Nobody else takes them before `until`."""
    due = (
        select(jobs.c.job_id)
        .where(jobs.c.next_try_at <= now)
        .order_by(jobs.c.next_try_at, jobs.c.job_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    taken = await connection.execute(
        update(jobs)
        .where(jobs.c.job_id.in_(select(due.c.job_id)))
        .values(next_try_at=until, attempts=jobs.c.attempts + 1)
        .returning(jobs)
    )
    return [_job(row) for row in taken]


async def renew(connection: AsyncConnection, job: Job, until: datetime) -> bool:
    """Keep a job until `until`; False where it is no longer ours."""
    return (await connection.execute(update(jobs).where(*_ours(job)).values(next_try_at=until))).rowcount == 1


async def finish(connection: AsyncConnection, job: Job) -> bool:
    """Take a job away; False where it is no longer ours: another worker took it, or a newer report its place."""
    return (await connection.execute(delete(jobs).where(*_ours(job)))).rowcount == 1


async def put_off(connection: AsyncConnection, job: Job, until: datetime, error: str) -> None:
    """Try a job again at `until`, unless another worker has taken it."""
    values = {"next_try_at": until, "last_error": error[:_ERROR_CHARACTERS_MAX]}
    await connection.execute(update(jobs).where(*_ours(job)).values(values))


async def supersede(connection: AsyncConnection, kind: ReportKind, network: str, period: str) -> None:
    """Take away what still waits of the kind's earlier periods."""
    await connection.execute(
        delete(jobs).where(jobs.c.kind == kind, jobs.c.network == network, jobs.c.period < period)
    )


async def waiting(connection: AsyncConnection) -> Waiting:
    """How much is left to do."""
    count, oldest = (await connection.execute(select(func.count(), func.min(jobs.c.due_at)))).one()
    return Waiting(count, oldest)


async def page(
    connection: AsyncConnection, network: str | None, *, after: tuple[Any, ...] | None, limit: int
) -> list[Any]:
    """Up to `limit` rows of jobs, the one that fell due first foremost, after the position (due_at, job_id)."""
    query = select(jobs).order_by(jobs.c.due_at, jobs.c.job_id).limit(limit)
    if network is not None:
        query = query.where(jobs.c.network == network)
    if after is not None:
        query = query.where(tuple_(jobs.c.due_at, jobs.c.job_id) > tuple_(*map(literal, after)))
    return list(await connection.execute(query))


# -- schedules ----------------------------------------------------------------------------------------------------


async def begin_schedules(
    connection: AsyncConnection, networks: Collection[str], next_at: dict[ReportKind, datetime]
) -> None:
    """Give networks that have none their first moments."""
    values = [
        {"network": network, "kind": kind, "next_at": next_at[kind]}
        for network in sorted(networks)
        for kind in REPORT_KINDS
    ]
    await connection.execute(insert(schedules).values(values).on_conflict_do_nothing())


async def due_schedules(connection: AsyncConnection, now: datetime) -> list[Any]:
    """The schedules that have fallen due, locked; those that another worker works on are left out."""
    query = select(schedules).where(schedules.c.next_at <= now).with_for_update(skip_locked=True)
    return list(await connection.execute(query))


async def move_schedule(
    connection: AsyncConnection, network: str, kind: ReportKind, next_at: datetime
) -> None:
    """Say when the next report falls due."""
    await connection.execute(
        update(schedules)
        .where(schedules.c.network == network, schedules.c.kind == kind)
        .values(next_at=next_at)
    )


def _ours(job: Job) -> tuple[Any, ...]:
    return jobs.c.job_id == job.job_id, jobs.c.attempts == job.attempts


def _job(row: Any) -> Job:
    return Job(**{name: getattr(row, name) for name in (*_PLANNED, "attempts") if name != "job_id"})


_PLANNED = {
    "job_id": Uuid,
    **dict.fromkeys(("kind", "network", "site", "period"), Text),
    "content": LargeBinary,
    "due_at": DateTime(timezone=True),
}
_PLAN = text(
    f"""INSERT INTO jobs ({", ".join(_PLANNED)}, next_try_at, attempts)
        SELECT {", ".join(_PLANNED)}, due_at, 0
        FROM unnest({", ".join(f":{name}" for name in _PLANNED)}) AS new ({", ".join(_PLANNED)})
        ON CONFLICT (job_id) DO NOTHING"""
).bindparams(*(array_of(name, kind) for name, kind in _PLANNED.items()))
