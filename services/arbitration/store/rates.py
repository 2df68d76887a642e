"""What a month's rates are worked out of: tickets and parcels in the live generation of the scorecards."""

from __future__ import annotations

from datetime import date, datetime

import msgspec
from asyncpg import Connection

from services.arbitration.domain.rates import Exchanged
from services.arbitration.store import reviews
from services.arbitration.store.facts import Statement
from shared.bus.positions import LOCK_ALL

_LIVE = "(SELECT live FROM projections WHERE name = 'scorecards')"
_TICKETS = " UNION ALL ".join(
    f"SELECT network, site, day, amount FROM {table} WHERE generation = {_LIVE} AND measure = 'tickets'"
    for table in ("scorecards", "scorecard_changes")
)
_EXCHANGED = " UNION ALL ".join(
    f"SELECT origin, collected_in, delivery, delivered_in, amount FROM {table}"
    f" WHERE generation = {_LIVE} AND network = $1 AND (collected_in = $2 OR delivered_in = $2)"
    for table in ("exchanges", "exchange_changes")
)


async def unfixed_months(driver: Connection) -> list[tuple[str, date]]:
    """`(network, first day)` of the months that have tickets and no rates yet."""
    rows = await driver.fetch(
        f"SELECT network, month FROM (SELECT network, date_trunc('month', day)::date AS month FROM ({_TICKETS}) AS t"
        " GROUP BY network, month HAVING sum(amount) > 0) AS m WHERE NOT EXISTS (SELECT FROM facts AS f"
        " WHERE f.kind = 'rates' AND f.network = m.network AND f.id = to_char(m.month, 'YYYY-MM'))"
        " ORDER BY network, month"
    )
    return [(row[0], row[1]) for row in rows]


async def tickets(driver: Connection, network: str, month: date) -> dict[str, int]:
    """The tickets of a month that count, by the site that they are about."""
    rows = await driver.fetch(
        f"SELECT site, sum(amount)::bigint FROM ({_TICKETS}) AS t WHERE network = $1 AND day >= $2"
        " AND day < $2::date + interval '1 month' GROUP BY site HAVING sum(amount) > 0",
        network,
        month,
    )
    return {row[0]: row[1] for row in rows}


async def exchanged(driver: Connection, network: str, month: date) -> list[Exchanged]:
    """The parcels collected or delivered in a month."""
    rows = await driver.fetch(
        f"SELECT origin, collected_in, delivery, delivered_in, sum(amount)::bigint FROM ({_EXCHANGED}) AS e"
        " GROUP BY origin, collected_in, delivery, delivered_in HAVING sum(amount) > 0",
        network,
        month,
    )
    return [Exchanged(*row) for row in rows]


async def is_behind(driver: Connection, since: datetime) -> bool:
    """Whether some waybill has waited for its decision since before `since`: what is counted is not complete."""
    found: bool = await driver.fetchval(
        "SELECT EXISTS (SELECT FROM reviews WHERE priority <> ALL($1::smallint[]) AND due_at < $2)",
        [reviews.TIMED, reviews.WINDOW],
        since,
    )
    return found


async def keep(driver: Connection, statement: Statement) -> None:
    """Keep a month's rates, and have every case of the network looked at that has a provisional finding, frozen or not."""
    await driver.execute(LOCK_ALL)
    await driver.execute(
        "INSERT INTO facts (kind, network, id, known_at, record) VALUES ($1, $2, $3, $4, $5)",
        *statement[:-1],
        msgspec.json.encode(statement.record).decode(),
    )
    await driver.execute(
        "INSERT INTO reviews (partition, priority, due_at, since, subject)"
        " SELECT partition, $1, $2, $2, subject FROM cases WHERE subject IN (SELECT subject FROM findings"
        " WHERE rule = 'ZT-10' AND state IN ('provisional', 'frozen') AND subject >= $3 AND subject < $4)",
        reviews.FACTS,
        statement.known_at,
        f"{statement.network}/",
        f"{statement.network}0",
    )


async def alone(driver: Connection) -> bool:
    """Whether this transaction is the only one, of all copies, that fixes rates; until it ends."""
    found: bool = await driver.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('rates'))")
    return found
