"""Parcels on their way, as of the last look at each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from asyncpg import Connection
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.projections.looked import Looked
from services.arbitration.projections.silences import parcel_of
from services.arbitration.store import journal
from services.arbitration.store.generations import forget_rows
from services.arbitration.store.journal import Stored
from shared.db import reader


class Silences:
    """The projection `silences`."""

    name = "silences"

    async def keep(self, driver: Connection, generation: int, looked: Sequence[Looked]) -> None:
        """Keep the parcels that are on their way, and no others."""
        parcels = [(one, parcel_of(one.known, one.custody)) for one in looked]
        ended = [one.subject for one, parcel in parcels if parcel is None]
        if ended:
            await driver.execute(
                "DELETE FROM parcels WHERE generation = $1 AND subject = ANY($2::text[])", generation, ended
            )
        rows = [(one.subject, one.network, *parcel) for one, parcel in parcels if parcel is not None]
        if rows:
            await driver.execute(
                "INSERT INTO parcels (generation, subject, network, site, towards, last_recorded_at)"
                " SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])"
                " ON CONFLICT (generation, subject) DO UPDATE SET site = excluded.site,"
                " towards = excluded.towards, last_recorded_at = excluded.last_recorded_at",
                generation,
                *map(list, zip(*rows, strict=True)),
            )

    async def forget(self, driver: Connection, generation: int, rows_max: int) -> bool:
        """Delete up to `rows_max` rows."""
        return await forget_rows(driver, "parcels", generation, rows_max)


class Asked(NamedTuple):
    """Which parcels are listed: of a network or site (None does not filter), not heard of since `since`."""

    network: str | None
    site: str | None
    since: datetime


class Candidate(NamedTuple):
    """A parcel that was silent when it was last looked at, and its stream as it is now."""

    subject: str
    last_recorded_at: datetime
    pieces: list[Stored]


async def candidates(
    engine: AsyncEngine, asked: Asked, after: tuple[datetime, str] | None, limit: int
) -> list[Candidate]:
    """Up to `limit` parcels after (moment, subject), the longest silent first, each with its stream."""
    query = text(
        "SELECT subject, last_recorded_at FROM parcels"
        " WHERE generation = (SELECT live FROM projections WHERE name = 'silences')"
        " AND (CAST(:network AS text) IS NULL OR network = :network)"
        " AND (CAST(:site AS text) IS NULL OR site = :site) AND last_recorded_at < :since"
        " AND (CAST(:after AS timestamptz) IS NULL OR (last_recorded_at, subject) > (:after, :subject))"
        " ORDER BY last_recorded_at, subject LIMIT :limit"
    )
    moment, subject = after or (None, "")
    values = asked._asdict() | {"after": moment, "subject": subject, "limit": limit}
    async with reader(engine) as connection:
        await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
        found = [tuple(row) for row in await connection.execute(query, values)]
        streams = await journal.read(await journal.driver(connection), [subject for subject, _ in found])
    return [Candidate(subject, last, streams.get(subject, [])) for subject, last in found]
