"""Scorecards: each waybill's tally, the differences it made, and the sums they are folded into."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, Literal, NamedTuple

from asyncpg import Connection
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.projections.looked import Looked
from services.arbitration.projections.scorecards import LOSS_RULES, Sums, pack, tally, unpack
from services.arbitration.store.generations import forget_rows
from shared.db import reader

Group = Literal["site", "rule", "day"]

_SCORES: Final = ("network", "site", "day", "rule", "measure")
_EXCHANGES: Final = ("network", "origin", "collected_in", "delivery", "delivered_in")
_FOLDED: Final = (
    ("scorecard_changes", "scorecards", _SCORES),
    ("exchange_changes", "exchanges", _EXCHANGES),
)


class Scorecards:
    """The projection `scorecards`."""

    name = "scorecards"

    async def keep(self, driver: Connection, generation: int, looked: Sequence[Looked]) -> None:
        """Replace the waybills' tallies and append the differences, added up over all of them."""
        rows = await driver.fetch(
            "SELECT subject, tally FROM tallies WHERE generation = $1 AND subject = ANY($2::text[])",
            generation,
            [one.subject for one in looked],
        )
        before: dict[str, bytes] = dict(rows)
        sums = Sums()
        fresh: list[tuple[int, str, bytes]] = []
        changed: list[tuple[int, str, bytes]] = []
        for one in looked:
            after = tally(one)
            packed, known = pack(after), before.get(one.subject)
            if packed == known:
                continue
            sums.replace(one.network, unpack(known) if known is not None else None, after)
            (fresh if known is None else changed).append((generation, one.subject, packed))
        if fresh:
            await driver.copy_records_to_table("tallies", records=fresh)
        if changed:
            await driver.execute(
                "UPDATE tallies AS t SET tally = n.tally FROM unnest($1::text[], $2::bytea[]) AS n(subject, tally)"
                " WHERE t.generation = $3 AND t.subject = n.subject",
                [subject for _, subject, _ in changed],
                [packed for _, _, packed in changed],
                generation,
            )
        await _append(driver, "scorecard_changes", [(generation, *row) for row in sums.scores()])
        await _append(driver, "exchange_changes", [(generation, *row) for row in sums.exchanges()])

    async def forget(self, driver: Connection, generation: int, rows_max: int) -> bool:
        """Delete up to `rows_max` rows a table."""
        tables = ("tallies", *(table for pair in _FOLDED for table in pair[:2]))
        return any([await forget_rows(driver, table, generation, rows_max) for table in tables])


async def fold(driver: Connection, rows_max: int) -> bool:
    """Move up to `rows_max` differences a table into the sums; True where more may be left. One at a time."""
    more = False
    for changes, sums, columns in _FOLDED:
        key = ", ".join(("generation", *columns))
        moved = await driver.fetchval(
            f"WITH gone AS (DELETE FROM {changes} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {changes} LIMIT $1))"
            f" RETURNING {key}, amount), folded AS (INSERT INTO {sums} ({key}, amount)"
            f" SELECT {key}, sum(amount) FROM gone GROUP BY {key} ON CONFLICT ({key}) DO UPDATE"
            f" SET amount = {sums}.amount + excluded.amount) SELECT count(*) FROM gone",
            rows_max,
        )
        more = more or moved == rows_max
    return more


class Asked(NamedTuple):
    """Which scores are added up; None does not filter. Both days are included."""

    group: Group
    network: str | None
    site: str | None
    first: date | None
    last: date | None
    silent_since: datetime


_WHERE: Final = (
    "(CAST(:network AS text) IS NULL OR network = :network) AND (CAST(:site AS text) IS NULL OR site = :site)"
)
_ADDED_UP: Final = f"""
    SELECT network, {{key}} AS key, {{sums}}
    FROM (SELECT network, site, day, rule, measure, amount FROM scorecards WHERE generation = {{live}}
        UNION ALL
        SELECT network, site, day, rule, measure, amount FROM scorecard_changes WHERE generation = {{live}}) AS s
    WHERE {_WHERE} AND (CAST(:first AS date) IS NULL OR day >= :first)
    AND (CAST(:last AS date) IS NULL OR day <= :last) {{only}} GROUP BY network, key"""
_SILENT: Final = f"""
    SELECT network, site AS key, count(*) AS silent_parcels FROM parcels
    WHERE generation = (SELECT live FROM projections WHERE name = 'silences')
    AND last_recorded_at < :silent_since AND {_WHERE} GROUP BY network, site"""
MEASURES: Final = ("parcels", "findings", "amount_fen", "late", "complaints", "escalations")
_LIVE: Final = "(SELECT live FROM projections WHERE name = 'scorecards')"


async def read(
    engine: AsyncEngine, asked: Asked, after: tuple[str, str] | None, limit: int
) -> Sequence[dict[str, Any]]:
    """Up to `limit` sums by network and site, rule or day after (network, key), each measure of MEASURES.

    Also `losses`, findings of LOSS_RULES; by site also `silent_parcels` as of the last looks.
    """
    sums = ", ".join(
        f"coalesce(sum(amount) FILTER (WHERE measure = '{measure}'), 0) AS {measure}" for measure in MEASURES
    )
    sums += (
        ", coalesce(sum(amount) FILTER (WHERE measure = 'findings' AND rule = ANY(:loss_rules)), 0) AS losses"
    )
    key = "day::text" if asked.group == "day" else asked.group
    only = "AND rule <> ''" if asked.group == "rule" else ""
    scored = _ADDED_UP.format(key=key, sums=sums, live=_LIVE, only=only)
    silent = _SILENT if asked.group == "site" else "SELECT NULL AS network, NULL AS key, 0 AS silent_parcels"
    columns = (*MEASURES, "losses", "silent_parcels")
    shown = ", ".join(f"coalesce({measure}, 0) AS {measure}" for measure in columns)
    query = text(
        f"WITH scored AS ({scored}), silent AS ({silent})"
        f" SELECT network, key, {shown} FROM scored FULL JOIN silent USING (network, key)"
        ' WHERE key IS NOT NULL AND (network, key) > (:after_network, :after_key COLLATE "C")'
        f" AND ({' OR '.join(f'coalesce({name}, 0) <> 0' for name in (*MEASURES, 'silent_parcels'))})"
        ' ORDER BY network COLLATE "C", key COLLATE "C" LIMIT :limit'
    )
    network, last = after or ("", "")
    values = asked._asdict() | {"after_network": network, "after_key": last, "limit": limit}
    values["loss_rules"] = sorted(LOSS_RULES)
    del values["group"]
    async with reader(engine) as connection:
        rows = await connection.execute(query, values)
        return [dict(row) for row in rows.mappings()]


async def _append(driver: Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        await driver.copy_records_to_table(table, records=rows)
