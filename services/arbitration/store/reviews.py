"""Due reviews: which waybill is to be decided when.

Rows are only ever inserted; whoever takes some deletes exactly the rows it read, by their physical address. That is
safe because only the holder of the partition's epoch deletes, rows of each priority in one loop, and no row is ever updated.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from asyncpg import Connection
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.bus.backlog_api import COUNTED_MAX

RETRY: Final = 0
"""A person asked to try a parked waybill again."""
AT_ONCE: Final = 1
"""Complaints, reports, what asks for a decision, events on a waybill that has a case."""
FACTS: Final = 2
"""An exemption that concerns the case became known, at the moment `due_at`, or was withdrawn."""
QUIET: Final = 3
"""Ex officio, once the waybill has been quiet for the `settle` time."""
TIMED: Final = 4
"""A term ends, or nothing was heard of a parcel for long."""
PROJECT: Final = 5
"""A projection is rebuilt: the stream is replayed with the verdict that was last issued, no version is made."""

WINDOW: Final = 6
"""A parcel may stay where it is for too long: needed only while it does."""
ASKED: Final = (RETRY, AT_ONCE)
"""Somebody waits for what comes of these."""
EX_OFFICIO: Final = (FACTS, QUIET, TIMED, WINDOW, PROJECT)
PRESSING: Final = ASKED + EX_OFFICIO
"""Which reviews come first: complaints before terms."""

ReviewRow = tuple[int, int, datetime, datetime, str]
"""`(partition, priority, due_at, since, subject)`."""
_COLUMNS = ("partition", "priority", "due_at", "since", "subject")
_PRIORITIES = (
    f"(VALUES {', '.join(f'({n}, {place})' for place, n in enumerate(PRESSING))}) AS p(priority, place)"
)


class Review(NamedTuple):
    """A due review as read. `address`: where its row is."""

    address: str
    partition: int
    priority: int
    due_at: datetime
    since: datetime
    subject: str

    def outranks(self, other: Review) -> bool:
        """Whether it is the more pressing reason to look."""
        return PRESSING.index(self.priority) < PRESSING.index(other.priority)


async def insert(connection: Connection, rows: Sequence[ReviewRow]) -> None:
    """Add reviews in one COPY."""
    if rows:
        await connection.copy_records_to_table("reviews", records=rows, columns=_COLUMNS)


async def insert_of_cases(connection: Connection, subjects: Sequence[str], now: datetime) -> bool:
    """Have those of `subjects` that have a verdict looked at now; whether there are such."""
    done: str = await connection.execute(
        "INSERT INTO reviews (partition, priority, due_at, since, subject)"
        " SELECT partition, $2, $3, $3, subject FROM cases WHERE subject = ANY($1::text[])",
        subjects,
        AT_ONCE,
        now,
    )
    return done != "INSERT 0 0"


async def due(
    connection: Connection,
    partitions: Sequence[int],
    priorities: Sequence[int],
    until: datetime,
    limit: int,
    *,
    without: Sequence[str] = (),
) -> list[Review]:
    """Up to `limit` reviews of `priorities` due by `until`: in the order of these, then the earliest first.

    `without`: waybills that are left out.
    """
    rows = await connection.fetch(
        "SELECT r.ctid::text, r.partition, p.priority, r.due_at, r.since, r.subject"
        " FROM unnest($1::smallint[]) AS n(partition)"
        " CROSS JOIN unnest($2::smallint[]) WITH ORDINALITY AS p(priority, place)"
        " CROSS JOIN LATERAL (SELECT ctid, * FROM reviews WHERE partition = n.partition AND priority = p.priority"
        " AND due_at <= $3 AND subject <> ALL($5::text[]) ORDER BY due_at LIMIT $4) AS r"
        " ORDER BY p.place, r.due_at LIMIT $4",
        partitions,
        priorities,
        until,
        limit,
        without,
    )
    return [Review(*row) for row in rows]


async def any_asked(connection: Connection, partitions: Sequence[int], until: datetime) -> bool:
    """Whether a look is still to be made that an event or a person asked for by `until`."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM reviews WHERE partition = ANY($1::smallint[])"
        " AND priority = ANY($2::smallint[]) AND due_at <= $3)",
        partitions,
        ASKED,
        until,
    )
    return found


async def delete(connection: Connection, addresses: Sequence[str]) -> None:
    """Delete exactly the rows read."""
    await connection.execute("DELETE FROM reviews WHERE ctid = ANY($1::text[]::tid[])", addresses)


async def waiting(connection: AsyncConnection, now: datetime) -> dict[str, int | datetime | None]:
    """Due reviews, up to `COUNTED_MAX` a partition and priority, since when the oldest waits, and waybills parked."""
    found = await connection.execute(_WAITING, {"now": now, "most": COUNTED_MAX})
    return dict(found.mappings().one())


_WAITING = text(
    "SELECT count(due_at) AS due_reviews, min(due_at) AS due_reviews_since,"
    " (SELECT count(*) FROM (SELECT FROM parked LIMIT :most) AS p) AS parked,"
    " (SELECT min(parked_at) FROM parked) AS parked_since"
    f" FROM (SELECT DISTINCT partition FROM partition_positions) AS n CROSS JOIN {_PRIORITIES}"
    " CROSS JOIN LATERAL (SELECT due_at FROM reviews WHERE partition = n.partition AND priority = p.priority"
    " AND due_at <= :now ORDER BY due_at LIMIT :most) AS r"
)
