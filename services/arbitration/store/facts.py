"""Facts as they became known: never changed, so that a verdict of a past moment can be computed again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from asyncpg import Connection
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import bindparam

from services.arbitration.store import reviews
from services.arbitration.store.complaints import LIVE
from shared.bus.positions import LOCK_ALL

DATED: Final = frozenset({"exemption", "rates"})
"""Kinds of statements that have cases looked at again."""


class Statement(NamedTuple):
    """What was said of a site, an exemption or a month's rates, and since when it is known."""

    kind: str
    network: str
    id: str
    known_at: datetime
    record: dict[str, Any]


async def read_all(engine: AsyncEngine) -> list[Statement]:
    """Every statement kept."""
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT kind, network, id, known_at, record FROM facts"))
        return [Statement(*row) for row in rows]


async def keep(engine: AsyncEngine, statement: Statement) -> None:
    """Keep a statement once; a new one about an exemption asks for a look at every case that it may concern."""
    query = text(
        "INSERT INTO facts (kind, network, id, known_at, record) VALUES (:kind, :network, :id, :known_at, :record)"
        " ON CONFLICT DO NOTHING RETURNING 1"
    ).bindparams(bindparam("record", type_=JSONB))
    async with engine.begin() as connection:
        fresh = (await connection.execute(query, statement._asdict())).one_or_none()
        if fresh is not None and statement.kind == "exemption":
            await connection.execute(text(LOCK_ALL))
            await _review_concerned(connection, statement)


async def count_dated(driver: Connection) -> int:
    """How many statements are kept of the kinds that have cases looked at again.

    Who keeps one locks all partitions before it looks for the cases that it concerns: a decision is seen by it, or sees it.
    """
    found: int = await driver.fetchval("SELECT count(*) FROM facts WHERE kind = ANY($1)", sorted(DATED))
    return found


_AT_EXEMPTED = (
    "({site} = ANY(CAST(:sites AS text[])) OR {site} IN (SELECT s.id FROM facts AS s WHERE s.kind = 'site'"
    " AND s.network = :network AND (CAST(:province AS text) IS NOT NULL OR CAST(:city AS text) IS NOT NULL)"
    " AND (CAST(:province AS text) IS NULL OR s.record ->> 'province' = :province)"
    " AND (CAST(:city AS text) IS NULL OR s.record ->> 'city' = :city)))"
)


async def _review_concerned(connection: AsyncConnection, statement: Statement) -> None:
    """Have every case looked at with a finding or a running term of a complaint on an exempted site, and every one that
    the exemption touched."""
    record = statement.record
    await connection.execute(
        text(
            "INSERT INTO reviews (partition, priority, due_at, since, subject)"
            " SELECT c.partition, :priority, :at, :at, c.subject FROM cases AS c"
            " WHERE c.subject >= :first AND c.subject < :last AND (EXISTS (SELECT FROM findings AS f"
            f" WHERE f.subject = c.subject AND {_AT_EXEMPTED.format(site='f.site')})"
            f" OR EXISTS (SELECT FROM complaints AS p WHERE p.subject = c.subject AND p.{LIVE}"
            f" AND p.first_settled_at IS NULL AND {_AT_EXEMPTED.format(site='p.responsible_site')})"
            " OR EXISTS (SELECT FROM exempted AS e WHERE e.subject = c.subject AND e.exemption_id = :id))"
        ),
        {
            "priority": reviews.FACTS,
            "at": statement.known_at,
            "first": f"{statement.network}/",
            "last": f"{statement.network}0",
            "network": statement.network,
            "sites": record.get("sites") or [],
            "province": record.get("province"),
            "city": record.get("city"),
            "id": statement.id,
        },
    )
