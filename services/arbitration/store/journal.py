"""The journal: every accepted event, bytes unchanged. Raw asyncpg, because this is the hot path.

A row holds the events of one waybill in one batch, joined by commas, so that a whole stream is read back as the text
of one JSON array. Rows are never changed; identical copies are told apart when a stream is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from asyncpg import Connection
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

JournalRow = tuple[date, str, datetime | None, bytes]
"""`(month, subject, broker_at, events)`."""

_COLUMNS = ("month", "subject", "broker_at", "events")


class Stored(NamedTuple):
    """Events of one waybill that share what is known of their recording: `[` + `events` + `]` is a JSON array."""

    broker_at: datetime | None
    events: bytes


async def driver(connection: AsyncConnection) -> Connection:
    """The asyncpg connection below `connection`, inside its transaction."""
    raw = await connection.get_raw_connection()
    found: Connection = raw.driver_connection
    return found


async def append(connection: Connection, rows: Sequence[JournalRow]) -> None:
    """Append rows in one COPY."""
    await connection.copy_records_to_table("journal", records=rows, columns=_COLUMNS)


async def read(connection: Connection, subjects: Sequence[str]) -> dict[str, list[Stored]]:
    """The streams of `subjects`, one or a few pieces each; a waybill never heard of is absent."""
    rows = await connection.fetch(
        "SELECT subject, broker_at, string_agg(events, ',') FROM journal"
        " WHERE subject = ANY($1::text[]) GROUP BY subject, broker_at",
        subjects,
    )
    streams: dict[str, list[Stored]] = {}
    for subject, broker_at, events in rows:
        streams.setdefault(subject, []).append(Stored(broker_at, events))
    return streams


async def ensure_months(engine: AsyncEngine, months: Iterable[date]) -> None:
    """Create the partitions of `months` (first days) where they are missing."""
    for month in months:
        following = next_month(month)
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('journal months'))"))
            await connection.execute(
                text(
                    f"CREATE TABLE IF NOT EXISTS journal_{month:%Y_%m} PARTITION OF journal"
                    f" FOR VALUES FROM ('{month}') TO ('{following}') WITH (toast_tuple_target = 8160)"
                )
            )


def next_month(month: date) -> date:
    """The first day of the month after that of `month`."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
