"""Generations of projections: which one is read, which one is being built beside it, which one is to be deleted.

Both are written by every decision. Starting and switching lock the rows of all partitions, as every writing transaction
locks its own: no decision is under way that saw the generations before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple, Protocol

from asyncpg import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.projections.looked import Looked
from services.arbitration.store import journal, reviews
from shared.bus.positions import LOCK_ALL


class Projection(Protocol):
    """Tables that are kept from looks at waybills."""

    @property
    def name(self) -> str:
        """As in the table `projections`."""

    async def keep(self, driver: Connection, generation: int, looked: Sequence[Looked]) -> None:
        """Replace what `generation` holds of these waybills, each of which occurs once."""

    async def forget(self, driver: Connection, generation: int, rows_max: int) -> bool:
        """Delete up to `rows_max` rows a table of a generation that nobody reads; True where some were left."""


class Generations(NamedTuple):
    """A projection's generations. `planned_until`: the last waybill whose look is planned, None once all are.

    `waybills`: looks planned by the rebuild so far.
    """

    name: str
    live: int
    building: int | None
    planned_until: str | None
    started_at: datetime | None
    waybills: int
    retired: int | None


_SELECT = f"SELECT {', '.join(Generations._fields)} FROM projections"
_DONE = "NOT EXISTS (SELECT FROM reviews WHERE priority = $1)"


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """A transaction of the driver's own: SQLAlchemy begins one only with a statement of its own."""
    async with engine.connect() as connection:
        driver = await journal.driver(connection)
        async with driver.transaction():
            yield driver


async def generations(driver: Connection) -> dict[str, Generations]:
    """All projections by name."""
    return {row[0]: Generations(*row) for row in await driver.fetch(f"{_SELECT} ORDER BY name")}


async def start(driver: Connection, name: str, now: datetime) -> bool:
    """Begin a generation beside the live one; False where one is being built or an old one still deleted."""
    await driver.execute(LOCK_ALL)
    started = await driver.fetchval(
        "UPDATE projections SET building = live + 1, planned_until = '', started_at = $2, waybills = 0"
        " WHERE name = $1 AND building IS NULL AND retired IS NULL RETURNING true",
        name,
        now,
    )
    return bool(started)


async def subjects_after(driver: Connection, subject: str, limit: int) -> list[str]:
    """The next waybills of the journal, in order."""
    rows = await driver.fetch(
        "SELECT DISTINCT subject FROM journal WHERE subject > $1 ORDER BY subject LIMIT $2", subject, limit
    )
    return [row[0] for row in rows]


async def plan(
    driver: Connection, name: str, looks: Iterable[tuple[int, str]], until: str | None, now: datetime
) -> None:
    """Insert a PROJECT review for each `(partition, subject)`; `until`: the last of them, None where no waybill is left."""
    rows = [(partition, reviews.PROJECT, now, now, subject) for partition, subject in looks]
    await reviews.insert(driver, rows)
    await driver.execute(
        "UPDATE projections SET planned_until = $2, waybills = waybills + $3 WHERE name = $1",
        name,
        until,
        len(rows),
    )


async def looks_left(driver: Connection, most: int | None = None) -> int:
    """PROJECT reviews that wait, counted up to `most`."""
    found: int = await driver.fetchval(
        "SELECT count(*) FROM (SELECT FROM reviews WHERE priority = $1 LIMIT $2) AS r", reviews.PROJECT, most
    )
    return found


async def switch(driver: Connection, name: str) -> int | None:
    """Read the new generation once every waybill was looked at; returns it, None where some were not."""
    if not await driver.fetchval(f"SELECT {_DONE}", reviews.PROJECT):
        return None
    await driver.execute(LOCK_ALL)
    switched: int | None = await driver.fetchval(
        "UPDATE projections SET retired = live, live = building, building = NULL"
        f" WHERE name = $2 AND building IS NOT NULL AND planned_until IS NULL AND {_DONE} RETURNING live",
        reviews.PROJECT,
        name,
    )
    return switched


async def forgotten(driver: Connection, name: str) -> None:
    """Nothing of the retired generation is left."""
    await driver.execute("UPDATE projections SET retired = NULL WHERE name = $1", name)


async def alone(driver: Connection) -> bool:
    """Whether this transaction is the only one at the upkeep, of all copies; until it ends."""
    found: bool = await driver.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('projections'))")
    return found


async def forget_rows(driver: Connection, table: str, generation: int, rows_max: int) -> bool:
    """Delete up to `rows_max` of a generation's rows from `table`; True where some may be left."""
    done: str = await driver.execute(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE generation = $1 LIMIT $2))",
        generation,
        rows_max,
    )
    return done == f"DELETE {rows_max}"
