"""The registers: where waybills stand as of the last look, and the streams of those that a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from asyncpg import Connection
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.projections.looked import Looked
from services.arbitration.projections.registers import Register, concerns, places
from services.arbitration.rules.localtime import date_of
from services.arbitration.store import journal
from services.arbitration.store.generations import forget_rows
from services.arbitration.store.journal import Stored
from shared.db import reader

_COLUMNS = ("generation", "subject", "network", "register", "site", "own", "day", "closed")


class Registers:
    """The projection `registers`."""

    name = "registers"

    async def keep(self, driver: Connection, generation: int, looked: Sequence[Looked]) -> None:
        """Replace where these waybills stand."""
        concerned = [one for one in looked if concerns(one)]
        if not concerned:
            return
        await driver.execute(
            "DELETE FROM registers WHERE generation = $1 AND subject = ANY($2::text[])",
            generation,
            [one.subject for one in concerned],
        )
        rows = [
            (generation, one.subject, one.network, *place[:3], date_of(place.day), _date(place.closed))
            for one in concerned
            for place in places(one)
        ]
        if rows:
            await driver.copy_records_to_table("registers", records=rows, columns=_COLUMNS)

    async def forget(self, driver: Connection, generation: int, rows_max: int) -> bool:
        """Delete up to `rows_max` rows."""
        return await forget_rows(driver, "registers", generation, rows_max)


def _date(day: int | None) -> date | None:
    return None if day is None else date_of(day)


class Asked(NamedTuple):
    """Which page is read; None does not filter. Both days are included; `open_on`: what was open when that day ended."""

    register: Register
    network: str | None
    site: str | None
    first: date | None
    last: date | None
    open_on: date | None


class Standing(NamedTuple):
    """A waybill that stood on the page when it was last looked at, and its stream as it is now."""

    day: date
    subject: str
    pieces: list[Stored]


async def standing(
    engine: AsyncEngine, asked: Asked, after: tuple[date, str] | None, limit: int
) -> list[Standing]:
    """Up to `limit` waybills of a page after (day, subject), in that order, each with its stream."""
    mine = "own" if asked.site is None else "site = :site"
    query = text(
        "SELECT DISTINCT day, subject FROM registers"
        " WHERE generation = (SELECT live FROM projections WHERE name = 'registers') AND register = :register"
        f" AND (CAST(:network AS text) IS NULL OR network = :network) AND {mine}"
        " AND (CAST(:first AS date) IS NULL OR day >= :first) AND (CAST(:last AS date) IS NULL OR day <= :last)"
        " AND (CAST(:open_on AS date) IS NULL OR (day <= :open_on AND (closed IS NULL OR closed > :open_on)))"
        " AND (CAST(:after AS date) IS NULL OR (day, subject) > (:after, :subject))"
        " ORDER BY day, subject LIMIT :limit"
    )
    day, subject = after or (None, "")
    values = asked._asdict() | {"after": day, "subject": subject, "limit": limit}
    if asked.site is None:
        del values["site"]
    async with reader(engine) as connection:
        await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
        found = [tuple(row) for row in await connection.execute(query, values)]
        streams = await journal.read(await journal.driver(connection), [subject for _, subject in found])
    return [Standing(day, subject, streams.get(subject, [])) for day, subject in found]
