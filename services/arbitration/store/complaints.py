"""The complaints with their clocks: kept with every look, listed, and counted for the monthly report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from asyncpg import Connection
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.projections.complaints import ComplaintRow, concerns_desk, rows_of
from services.arbitration.projections.looked import Looked
from shared.db import reader

_COLUMNS = ("generation", "network", "subject", *(name.rstrip("_") for name in ComplaintRow._fields))
LIVE: Final = "generation = (SELECT live FROM projections WHERE name = 'complaints')"
"""Picks the rows that are read."""


class ComplaintClocks:
    """The projection `complaints`."""

    name = "complaints"

    async def keep(self, driver: Connection, generation: int, looked: Sequence[Looked]) -> None:
        """Replace the complaints of these waybills."""
        concerned = [one for one in looked if concerns_desk(one)]
        if not concerned:
            return
        await driver.execute(
            "DELETE FROM complaints WHERE generation = $1 AND subject = ANY($2::text[])",
            generation,
            [one.subject for one in concerned],
        )
        rows = [(generation, one.network, one.subject, *row) for one in concerned for row in rows_of(one)]
        await driver.copy_records_to_table("complaints", records=rows, columns=_COLUMNS)

    async def forget(self, driver: Connection, generation: int, rows_max: int) -> bool:
        """Delete up to `rows_max` rows of a generation that nobody reads; True where some were left."""
        deleted: str = await driver.execute(
            "DELETE FROM complaints WHERE ctid = ANY(ARRAY(SELECT ctid FROM complaints WHERE generation = $1 LIMIT $2))",
            generation,
            rows_max,
        )
        return int(deleted.rpartition(" ")[2]) == rows_max


class Term(NamedTuple):
    """A term of a complaint: the rule, when it ends, and when its duty was done.

    `void_by`: from then on there is nothing left to do, though it was not done in time.
    """

    name: str
    rule: str
    due: str
    done: str
    void_by: str | None = None


TERMS: Final = (
    Term("forwarded", "SD-01", "forward_due_at", "forwarded_at"),
    Term("contacted", "SD-02", "contact_due_at", "contacted_at", void_by="first_settled_at"),
    Term("progress_told", "SD-07", "progress_due_at", "progressed_at"),
    Term("settled", "SD-03", "settle_due_at", "first_settled_at"),
    Term("followed_up", "SD-05", "follow_up_due_at", "followed_up_at"),
)


def is_late(row: RowMapping, term: Term, at: datetime) -> bool:
    """Whether the term was over, by `at`, before its duty was done."""
    due = row[term.due]
    return due is not None and (row[term.done] or at) > due


def is_overdue(row: RowMapping, term: Term, at: datetime) -> bool:
    """Whether the term is over by `at` and its duty still to be done."""
    void = term.void_by is not None and row[term.void_by] is not None
    return row[term.done] is None and not void and is_late(row, term, at)


def _overdue(term: Term) -> str:
    """`is_overdue` as a condition."""
    void = f" AND {term.void_by} IS NULL" if term.void_by is not None else ""
    return f"({term.due} < :at AND {term.done} IS NULL{void})"


# Who was followed up was settled, and who was settled was told: nothing of that is overdue any more.
_ANY_OVERDUE = f"(followed_up_at IS NULL AND ({' OR '.join(_overdue(term) for term in TERMS)}))"


@dataclass(frozen=True)
class ComplaintFilter:
    """Which complaints a list shows; None does not filter. `opened_from` is included, `opened_to` is not."""

    network: str | None = None
    site: str | None = None
    state: str | None = None
    overdue: bool | None = None
    category: str | None = None
    class_: str | None = None
    """`unclassified` for those without a class."""
    major: bool | None = None
    subject: str | None = None
    opened_from: datetime | None = None
    opened_to: datetime | None = None
    queue: str | None = None
    """One of QUEUES."""


QUEUES: Final = {
    "hard": "(major OR reopened > 0 OR flagged_at IS NOT NULL)",
    "claims": "category IN ('loss', 'damage', 'shortage', 'untimely_compensation')",
    "escalated": "escalations > 0",
}
"""The queues that offices keep: hard complaints, claims for compensation, and what was taken to a regulator."""
_CONDITIONS: Final = {
    "network": "network = :network",
    "site": "responsible_site = :site",
    "state": "state = :state",
    "category": "category = :category",
    "class_": "coalesce(class, 'unclassified') = :class_",
    "major": "major = :major",
    "subject": "subject = :subject",
    "opened_from": "opened_at >= :opened_from",
    "opened_to": "opened_at < :opened_to",
}


def _where(asked: ComplaintFilter, at: datetime) -> tuple[list[str], dict[str, Any]]:
    given = {name: value for name in _CONDITIONS if (value := getattr(asked, name)) is not None}
    where = [LIVE, *(_CONDITIONS[name] for name in given)]
    if asked.overdue is not None:
        where.append(_ANY_OVERDUE if asked.overdue else f"{_ANY_OVERDUE} IS NOT TRUE")
        given["at"] = at
    if asked.queue is not None:
        where.append(QUEUES[asked.queue])
    return where, given


Position = tuple[str, datetime, str, str]
"""Network, opening, subject and complaint: the order of a list."""


async def list_complaints(
    engine: AsyncEngine, asked: ComplaintFilter, at: datetime, after: Position | None, limit: int
) -> Sequence[RowMapping]:
    """Up to `limit` complaints after a position, by network and opening. `at`: the moment of reading, a whole second."""
    where, values = _where(asked, at)
    if after is not None:
        where.append(
            "(network, opened_at, subject, complaint_id) > (:a_network, :a_opened, :a_subject, :a_id)"
        )
        values |= dict(zip(("a_network", "a_opened", "a_subject", "a_id"), after, strict=True))
    query = text(
        f"SELECT {', '.join(_COLUMNS[1:])} FROM complaints WHERE {' AND '.join(where)}"
        " ORDER BY network, opened_at, subject, complaint_id LIMIT :limit"
    )
    async with reader(engine) as connection:
        # A plan that fits every filter reads all complaints where the overdue ones are few.
        await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
        return (await connection.execute(query, values | {"limit": limit})).mappings().all()


_GROUPS: Final = {
    "category": "category",
    "class": "coalesce(class, 'unclassified')",
    "channel": "channel",
    "site": "coalesce(responsible_site, '-')",
}


def _kept(term: Term) -> str:
    """How many kept the term, broke it, or still have time."""
    missed = "follow_up_missed" if term.name == "followed_up" else "false"
    return (
        f"count(*) FILTER (WHERE {term.done} <= {term.due} AND NOT {missed}) AS {term.name}_in_time,"
        f" count(*) FILTER (WHERE coalesce({term.done}, :at) > {term.due} OR {missed}) AS {term.name}_late,"
        f" count(*) FILTER (WHERE {term.done} IS NULL AND {term.due} >= :at AND NOT {missed}) AS {term.name}_waiting"
    )


_FIGURES: Final = (
    "SELECT count(*) AS complaints, count(*) FILTER (WHERE closed_at_intake) AS closed_at_intake,"
    " count(*) FILTER (WHERE reopened > 0) AS reopened, count(*) FILTER (WHERE escalations > 0) AS escalated,"
    " count(*) FILTER (WHERE major) AS major, count(first_settled_at) AS settled,"
    " percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP"
    " (ORDER BY extract(epoch FROM first_settled_at - opened_at)::float / 3600) AS hours,"
    f" {', '.join(_kept(term) for term in TERMS)} FROM complaints"
)
_COUNTS: Final = " UNION ALL ".join(
    f"SELECT '{name}' AS kind, {value} AS value, count(*) AS complaints FROM complaints WHERE {{where}} GROUP BY 2"
    for name, value in _GROUPS.items()
)


class Figures(NamedTuple):
    """The monthly report's figures. `counts`: complaints by category, class, channel and site."""

    totals: RowMapping
    counts: dict[str, dict[str, int]]


async def figures(engine: AsyncEngine, asked: ComplaintFilter, at: datetime) -> Figures:
    """Count the complaints that `asked` picks, as of `at`, in one snapshot."""
    where, values = _where(asked, at)
    condition = " AND ".join(where)
    async with reader(engine) as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
        totals = (
            await connection.execute(text(f"{_FIGURES} WHERE {condition}"), values | {"at": at})
        ).mappings()
        rows = await connection.execute(
            text(f"{_COUNTS.format(where=condition)} ORDER BY 1, 3 DESC, 2"), values
        )
        counts: dict[str, dict[str, int]] = {name: {} for name in _GROUPS}
        for kind, value, complaints in rows:
            counts[kind][value] = complaints
    return Figures(totals.one(), counts)
