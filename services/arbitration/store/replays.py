"""Replays: jobs and their results. Whoever holds the lock of a job's row moves it on, in one transaction a chunk.

The lock ends with its transaction, and that with its holder: a chunk is counted whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import bindparam

from services.arbitration.domain import Difference, Overrides
from shared.db import reader

_UNFINISHED: Final = "state IN ('waiting', 'running')"
_NUMBERS: Final = (
    "findings_before",
    "findings_after",
    "added",
    "removed",
    "changed",
    "charged_before_fen",
    "charged_after_fen",
    "awarded_before_fen",
    "awarded_after_fen",
)
_CREATION_LOCK: Final = "hashtext('replays')"


class Asked(NamedTuple):
    """A replay as it is asked for. `judged_by`: the code and the rulebooks that it was checked against."""

    id: UUID
    network: str
    decided_from: datetime
    decided_to: datetime
    judged_at: datetime
    rulebook: dict[str, dict[str, int]]
    judged_by: str
    created_at: datetime
    created_by: str


class Job(NamedTuple):
    """An unfinished replay as far as it has come: `passed_subject` is the last case it has passed."""

    id: UUID
    network: str
    decided_from: datetime
    judged_at: datetime
    rulebook: Overrides
    judged_by: str
    started_at: datetime | None
    passed_subject: str | None


class TooManyReplays(Exception):
    """As many replays as may be wait or run."""


async def create(engine: AsyncEngine, asked: Asked, unfinished_max: int, kept_max: int) -> dict[str, Any]:
    """Keep a replay that is to be made and forget the oldest finished ones; return the one that stands under its id.

    Raises TooManyReplays.
    """
    async with engine.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_CREATION_LOCK})"))
        if (known := await _find(connection, asked.id)) is not None:
            return known
        waiting = await connection.scalar(text(f"SELECT count(*) FROM replays WHERE {_UNFINISHED}"))
        if waiting >= unfinished_max:
            raise TooManyReplays
        columns = ", ".join(Asked._fields)
        values = ", ".join(f":{name}" for name in Asked._fields)
        insert = text(f"INSERT INTO replays ({columns}, state) VALUES ({values}, 'waiting')")
        await connection.execute(insert.bindparams(bindparam("rulebook", type_=JSONB)), asked._asdict())
        await connection.execute(
            text(
                f"DELETE FROM replays WHERE NOT {_UNFINISHED} AND id NOT IN"
                " (SELECT id FROM replays ORDER BY created_at DESC, id DESC LIMIT :kept)"
            ),
            {"kept": kept_max},
        )
        created = await _find(connection, asked.id)
        assert created is not None
        return created


async def find(engine: AsyncEngine, replay_id: UUID) -> dict[str, Any] | None:
    """One replay, None where there is none."""
    async with reader(engine) as connection:
        return await _find(connection, replay_id)


async def _find(connection: AsyncConnection, replay_id: UUID) -> dict[str, Any] | None:
    rows = await connection.execute(text("SELECT * FROM replays WHERE id = :id"), {"id": replay_id})
    found = rows.mappings().one_or_none()
    return dict(found) if found is not None else None


async def page(
    engine: AsyncEngine, network: str | None, before: tuple[datetime, UUID] | None, limit: int
) -> list[dict[str, Any]]:
    """Replays, newest first, made before the position `before`."""
    query = text(
        "SELECT * FROM replays WHERE (CAST(:network AS text) IS NULL OR network = :network)"
        " AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid)))"
        " ORDER BY created_at DESC, id DESC LIMIT :limit"
    )
    at, replay_id = before or (None, None)
    async with reader(engine) as connection:
        rows = await connection.execute(
            query, {"network": network, "at": at, "id": replay_id, "limit": limit}
        )
        return [dict(row) for row in rows.mappings()]


async def differing_rows(
    engine: AsyncEngine, replay_id: UUID, after: tuple[str, str], limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` rows in which anything differs, by rule and site, after the position `after`."""
    query = text(
        "SELECT * FROM replay_rows WHERE replay_id = :id AND example IS NOT NULL"
        " AND (rule, site) > (:rule, :site) ORDER BY rule, site LIMIT :limit"
    )
    async with reader(engine) as connection:
        rows = await connection.execute(
            query, {"id": replay_id, "rule": after[0], "site": after[1], "limit": limit}
        )
        return [dict(row) for row in rows.mappings()]


async def sums(engine: AsyncEngine, replay_id: UUID) -> dict[str, int]:
    """The sums over all rows of a replay, differing or not."""
    columns = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in _NUMBERS)
    async with reader(engine) as connection:
        rows = await connection.execute(
            text(f"SELECT {columns} FROM replay_rows WHERE replay_id = :id"), {"id": replay_id}
        )
        return {name: int(value) for name, value in rows.mappings().one().items()}


async def cancel(engine: AsyncEngine, replay_id: UUID, now: datetime) -> None:
    """Stop an unfinished replay after the chunk in hand; what it has found stays."""
    await _finish(engine, replay_id, "cancelled", None, now)


async def fail(engine: AsyncEngine, replay_id: UUID, error: str, now: datetime) -> None:
    """End an unfinished replay that cannot go on."""
    await _finish(engine, replay_id, "failed", error, now)


async def _finish(engine: AsyncEngine, replay_id: UUID, state: str, error: str | None, now: datetime) -> None:
    query = text(
        "UPDATE replays SET state = :state, error = :error, finished_at = :now"
        f" WHERE id = :id AND {_UNFINISHED}"
    )
    async with engine.begin() as connection:
        await connection.execute(query, {"id": replay_id, "state": state, "error": error, "now": now})


async def any_unfinished(engine: AsyncEngine) -> bool:
    """Whether there is anything to work on, whoever does."""
    async with engine.connect() as connection:
        return bool(await connection.scalar(text(f"SELECT EXISTS (SELECT FROM replays WHERE {_UNFINISHED})")))


async def claim(connection: AsyncConnection) -> Job | None:
    """The oldest unfinished replay that nobody else works on, locked until the end of the transaction."""
    columns = ", ".join(Job._fields)
    rows = await connection.execute(
        text(
            f"SELECT {columns} FROM replays WHERE {_UNFINISHED} ORDER BY created_at, id LIMIT 1"
            " FOR UPDATE SKIP LOCKED"
        )
    )
    row = rows.one_or_none()
    return None if row is None else Job(*row)


async def start(connection: AsyncConnection, job: Job, now: datetime) -> None:
    """Note that work on `job` begins, and how many cases it is going to pass."""
    await connection.execute(
        text(
            "UPDATE replays SET state = 'running', started_at = :now, cases ="
            " (SELECT count(*) FROM cases WHERE subject > :first AND subject < :last) WHERE id = :id"
        ),
        {"id": job.id, "now": now, "first": f"{job.network}/", "last": f"{job.network}0"},
    )


async def walk(connection: AsyncConnection, job: Job, limit: int) -> list[tuple[str, bool]]:
    """The next `limit` cases by subject; of each whether the replay is about it.

    It is where the last version decided by `judged_at` was decided from `decided_from` on: a choice that no later
    verdict changes.
    """
    rows = await connection.execute(
        text(
            "SELECT subject, CASE WHEN decided_at <= :judged_at THEN decided_at >= :decided_from"
            " ELSE EXISTS (SELECT FROM superseded AS s WHERE s.subject = c.subject"
            " AND s.decided_at BETWEEN :decided_from AND :judged_at) END"
            " FROM cases AS c WHERE subject > :after AND subject < :last"
            " ORDER BY subject LIMIT :limit"
        ),
        {
            "after": job.passed_subject or f"{job.network}/",
            # '0' follows '/' in the C collation: up to it there is nothing but the network's subjects.
            "last": f"{job.network}0",
            "judged_at": job.judged_at,
            "decided_from": job.decided_from,
            "limit": limit,
        },
    )
    return [(subject, chosen) for subject, chosen in rows]


async def versions(
    connection: AsyncConnection, subjects: Sequence[str], until: datetime
) -> dict[str, list[bytes]]:
    """The verdict versions of `subjects` decided by `until`, as JSON, oldest first."""
    rows = await connection.execute(
        text(
            "SELECT subject, verdict FROM (SELECT subject, version, decided_at, verdict FROM cases UNION ALL"
            " SELECT subject, version, decided_at, verdict FROM superseded) AS v"
            " WHERE subject = ANY(:subjects) AND decided_at <= :until ORDER BY subject, version"
        ),
        {"subjects": list(subjects), "until": until},
    )
    found: dict[str, list[bytes]] = {}
    for subject, verdict in rows:
        found.setdefault(subject, []).append(verdict)
    return found


async def advance(
    connection: AsyncConnection,
    job: Job,
    found: Difference,
    passed: int,
    passed_subject: str | None,
    finished_at: datetime | None,
) -> int:
    """Add a chunk's result to the job, `passed` cases up to `passed_subject`; return how many rows the result has."""
    await connection.execute(
        text(
            "UPDATE replays SET passed = passed + :passed, passed_subject = coalesce(:subject, passed_subject),"
            " judged = judged + :judged, not_judged = not_judged + :not_judged, changed = changed + :changed,"
            " baselines_differing = baselines_differing + :differing, finished_at = :finished_at,"
            " state = CASE WHEN CAST(:finished_at AS timestamptz) IS NULL THEN 'running' ELSE 'done' END"
            " WHERE id = :id"
        ),
        {
            "id": job.id,
            "passed": passed,
            "subject": passed_subject,
            "judged": found.judged,
            "not_judged": found.not_judged,
            "changed": found.changed,
            "differing": found.baselines_differing,
            "finished_at": finished_at,
        },
    )
    if found.rows:
        await connection.execute(_ADD_ROW, list(_row_values(job, found)))
    count = text("SELECT count(*) FROM replay_rows WHERE replay_id = :id")
    return int(await connection.scalar(count, {"id": job.id}))


_ADD_ROW: Final = text(
    f"INSERT INTO replay_rows AS r (replay_id, rule, site, {', '.join(_NUMBERS)}, example)"
    f" VALUES (:id, :rule, :site, {', '.join(f':{name}' for name in _NUMBERS)}, :example)"
    " ON CONFLICT (replay_id, rule, site) DO UPDATE SET"
    f" {', '.join(f'{name} = r.{name} + excluded.{name}' for name in _NUMBERS)},"
    " example = coalesce(r.example, excluded.example)"
)


def _row_values(job: Job, found: Difference) -> Any:
    for (rule, site), tally in found.rows.items():
        before, after = tally.before, tally.after
        yield {
            "id": job.id,
            "rule": rule,
            "site": site or "",
            "findings_before": before.findings,
            "findings_after": after.findings,
            "added": tally.added,
            "removed": tally.removed,
            "changed": tally.changed,
            "charged_before_fen": before.charged_fen,
            "charged_after_fen": after.charged_fen,
            "awarded_before_fen": before.awarded_fen,
            "awarded_after_fen": after.awarded_fen,
            "example": tally.example,
        }
