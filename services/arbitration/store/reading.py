"""What people ask for: one waybill with all that is known of it, and lists of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.store import cases, journal
from services.arbitration.store.cases import Head
from services.arbitration.store.journal import Stored
from shared.db import reader


class File(NamedTuple):
    """All that is stored of one waybill."""

    pieces: list[Stored]
    head: Head | None
    first_issued: dict[str, datetime]


@dataclass(frozen=True)
class CaseFilter:
    """Which cases a list shows; None does not filter. `decided_from` is included, `decided_to` is not."""

    network: str | None = None
    status: str | None = None
    site: str | None = None
    rule: str | None = None
    decided_from: datetime | None = None
    decided_to: datetime | None = None


async def read_file(engine: AsyncEngine, subject: str, now: datetime) -> File:
    """Journal, newest version and first issues of `subject`, as of `now`, read in one snapshot."""
    async with reader(engine) as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        await connection.execute(text("SELECT 1"))
        driver = await journal.driver(connection)
        pieces = (await journal.read(driver, [subject])).get(subject, [])
        head = (await cases.heads(driver, [subject])).get(subject)
        issued = (await cases.first_issued(driver, [subject], now)).get(subject, {})
    return File(pieces, head, issued)


async def superseded(engine: AsyncEngine, subject: str, before: int | None, limit: int) -> list[bytes]:
    """Older verdict versions of `subject` as JSON, newest first, below version `before`."""
    query = text(
        "SELECT verdict FROM superseded WHERE subject = :subject AND (CAST(:before AS integer) IS NULL"
        " OR version < :before) ORDER BY version DESC LIMIT :limit"
    )
    async with reader(engine) as connection:
        rows = await connection.execute(query, {"subject": subject, "before": before, "limit": limit})
        return [row.verdict for row in rows]


async def versions_until(engine: AsyncEngine, subject: str, moment: datetime) -> list[bytes]:
    """The versions issued up to `moment` as JSON, oldest first."""
    query = text(
        "SELECT verdict FROM (SELECT version, decided_at, verdict FROM cases WHERE subject = :subject"
        " UNION ALL SELECT version, decided_at, verdict FROM superseded WHERE subject = :subject) AS v"
        " WHERE decided_at <= :at ORDER BY version"
    )
    async with reader(engine) as connection:
        rows = await connection.execute(query, {"subject": subject, "at": moment})
        return [row.verdict for row in rows]


Order = Literal["waybill", "decided_at"]
"""How a list of cases is ordered: by network and waybill, or by when each was decided, the longest ago first."""


async def list_cases(
    engine: AsyncEngine, asked: CaseFilter, order: Order, after: Sequence[Any] | None, limit: int
) -> list[Head]:
    """Up to `limit` cases after the `position` of the last one shown, in that order."""
    where, values = _conditions(asked)
    keys = _KEYS[order]
    if after is not None:
        where.append(
            f"({', '.join(f'c.{key}' for key in keys)}) > ({', '.join(f':after_{key}' for key in keys)})"
        )
        values |= {f"after_{key}": value for key, value in zip(keys, after, strict=True)}
    columns = ", ".join(f"c.{column}" for column in Head._fields)
    condition = f"WHERE {' AND '.join(where)}" if where else ""
    by = ", ".join(f"c.{key}" for key in keys)
    query = text(f"SELECT {columns} FROM cases AS c {condition} ORDER BY {by} LIMIT :limit")
    async with reader(engine) as connection:
        # A plan that fits every status and site reads all cases where the one asked for is rare.
        await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
        rows = await connection.execute(query, values | {"limit": limit})
        return [Head(*row) for row in rows]


def position(head: Head, order: Order) -> tuple[Any, ...]:
    """Where a case stands in a list of that order."""
    return tuple(getattr(head, key) for key in _KEYS[order])


_KEYS: Final[dict[Order, tuple[str, ...]]] = {
    "waybill": ("subject",),
    "decided_at": ("decided_at", "subject"),
}


def _conditions(asked: CaseFilter) -> tuple[list[str], dict[str, Any]]:
    where: list[str] = []
    values: dict[str, Any] = {}
    if asked.network is not None:
        # '0' follows '/' in the C collation: the range holds exactly the subjects of the network.
        where.append("c.subject >= :first AND c.subject < :last")
        values |= {"first": f"{asked.network}/", "last": f"{asked.network}0"}
    for name, column, sign in (
        ("status", "status", "="),
        ("decided_from", "decided_at", ">="),
        ("decided_to", "decided_at", "<"),
    ):
        if (value := getattr(asked, name)) is not None:
            where.append(f"c.{column} {sign} :{name}")
            values[name] = value
    finding = [f"f.{name} = :{name}" for name in ("site", "rule") if getattr(asked, name) is not None]
    if finding:
        where.append(
            "EXISTS (SELECT FROM findings AS f WHERE f.subject = c.subject AND f.state <> 'revoked'"
            f" AND {' AND '.join(finding)})"
        )
        values |= {
            name: getattr(asked, name) for name in ("site", "rule") if getattr(asked, name) is not None
        }
    return where, values


async def parked(
    engine: AsyncEngine, network: str | None, after: str | None, limit: int
) -> list[dict[str, Any]]:
    """Waybills that are set aside, by subject, after the subject `after`."""
    query = text(
        "SELECT subject, parked_at, error, attempts FROM parked WHERE subject > :after"
        " AND (CAST(:network AS text) IS NULL OR split_part(subject, '/', 1) = :network)"
        " ORDER BY subject LIMIT :limit"
    )
    async with reader(engine) as connection:
        rows = await connection.execute(query, {"after": after or "", "network": network, "limit": limit})
        return [dict(row) for row in rows.mappings()]
