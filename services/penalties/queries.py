"""Reading the ledger, and closing its periods: the statements behind the HTTP routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, and_, func, literal, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.penalties.domain import FROZEN_ACCOUNTS, SETTLED
from services.penalties.store import CLOSING_LOCK, balances, entries, entry_of, period_closes
from shared.bus.tables import partition_positions
from shared.events.outputs import Entry


class Balance(NamedTuple):
    """What a site owes, in fen: on its open accounts and, while appeals run, on its frozen one. Negative: it is owed.

    What it has paid to customers itself (`settled`) it no longer owes.
    """

    open_fen: int
    frozen_fen: int


class Place(NamedTuple):
    """An entry's place in the list of a site's entries."""

    period: str
    posted_at: datetime
    waybill: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of a site's entries are wanted; None: whichever."""

    period: str | None = None
    rule: str | None = None
    waybill: str | None = None
    from_: datetime | None = None
    to: datetime | None = None


class Closing(NamedTuple):
    """A closed period: when and by whom, its turnover in fen, and the cut by verdict offsets."""

    network: str
    period: str
    closed_at: datetime
    closed_by: str
    cut: Mapping[str, int]
    debits_fen: int
    credits_fen: int


async def balance(
    connection: AsyncConnection,
    network: str,
    site: str,
    *,
    before: str | None = None,
    through: str | None = None,
) -> Balance:
    """What `site` owes: over all periods, or those before `before`, or those through `through`."""
    owed = func.sum(balances.c.debits_fen - balances.c.credits_fen)
    query = (
        select(balances.c.account, owed)
        .where(balances.c.network == network, balances.c.site == site)
        .group_by(balances.c.account)
    )
    if before is not None:
        query = query.where(balances.c.period < before)
    if through is not None:
        query = query.where(balances.c.period <= through)
    open_fen = frozen_fen = 0
    for account, fen in await connection.execute(query):
        if account in FROZEN_ACCOUNTS:
            frozen_fen += int(fen)
        elif account != SETTLED:
            open_fen += int(fen)
    return Balance(open_fen, frozen_fen)


async def entries_of_site(
    connection: AsyncConnection, network: str, site: str, wanted: Filter, *, after: Place | None, limit: int
) -> list[tuple[Place, Entry]]:
    """Up to `limit` entries that have `site` on either side, with their places, those after `after`.

    They come by period and moment, those of a waybill in booking order.
    """
    owing = and_(entries.c.network == network, entries.c.debit_site == site)
    owed = and_(
        entries.c.network == network,
        entries.c.credit_site == site,
        entries.c.debit_site.is_distinct_from(site),
    )
    # Each side has an index in this order, so that each part reads no more than a page.
    parts = [
        _ordered(select(entries).where(side, *_conditions(wanted, after)), limit) for side in (owing, owed)
    ]
    union = parts[0].union_all(parts[1]).subquery()
    query = select(union).order_by(*(union.c[name] for name in Place._fields)).limit(limit)
    return [
        (Place(*(getattr(row, name) for name in Place._fields)), entry_of(row))
        for row in await connection.execute(query)
    ]


async def entries_of_waybill(
    connection: AsyncConnection, network: str, waybill: str, *, site: str | None, after: int, limit: int
) -> list[tuple[int, Entry]]:
    """Up to `limit` entries of a waybill with their ordinals, in booking order; only those of `site` where given."""
    query = (
        select(entries)
        .where(entries.c.network == network, entries.c.waybill == waybill, entries.c.ordinal > after)
        .order_by(entries.c.ordinal)
        .limit(limit)
    )
    if site is not None:
        query = query.where(or_(entries.c.debit_site == site, entries.c.credit_site == site))
    return [(row.ordinal, entry_of(row)) for row in await connection.execute(query)]


async def trial_balance(
    connection: AsyncConnection, network: str, *, period: str | None = None
) -> tuple[int, int]:
    """Debits and credits of all accounts of a network in fen, over all periods or in one."""
    query = select(
        func.coalesce(func.sum(balances.c.debits_fen), 0), func.coalesce(func.sum(balances.c.credits_fen), 0)
    ).where(balances.c.network == network)
    if period is not None:
        query = query.where(balances.c.period == period)
    debits_fen, credits_fen = (await connection.execute(query)).one()
    return int(debits_fen), int(credits_fen)


async def closing(connection: AsyncConnection, network: str, period: str) -> Closing | None:
    """The close of a period, None where it is open."""
    row: Row[Any] | None = (
        await connection.execute(
            select(period_closes).where(period_closes.c.network == network, period_closes.c.period == period)
        )
    ).one_or_none()
    if row is None:
        return None
    debits_fen, credits_fen = await trial_balance(connection, network, period=period)
    return Closing(network, period, row.closed_at, row.closed_by, row.cut, debits_fen, credits_fen)


async def close(
    connection: AsyncConnection, group: str, network: str, period: str, *, at: datetime, by: str, wait_ms: int
) -> Closing:
    """Close a period, once: a second close changes nothing and returns the first.

    Waits up to `wait_ms` for the bookings in hand, and none begins until this transaction ends; so the positions read
    here divide the verdicts exactly into those before and those after the close. Raises DBAPIError on a time-out.
    """
    await connection.execute(text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": f"{wait_ms}ms"})
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CLOSING_LOCK})
    positions = await connection.execute(
        select(partition_positions.c.partition, partition_positions.c.positions).where(
            partition_positions.c.consumer_group == group
        )
    )
    cut = {str(partition): offsets[0] for partition, offsets in positions}
    await connection.execute(
        insert(period_closes)
        .values(network=network, period=period, closed_at=at, closed_by=by, cut=cut)
        .on_conflict_do_nothing()
    )
    closed = await closing(connection, network, period)
    assert closed is not None
    return closed


def _conditions(wanted: Filter, after: Place | None) -> list[ColumnElement[bool]]:
    conditions = [
        entries.c[name] == value
        for name, value in (("period", wanted.period), ("rule", wanted.rule), ("waybill", wanted.waybill))
        if value is not None
    ]
    if wanted.from_ is not None:
        conditions.append(entries.c.posted_at >= wanted.from_)
    if wanted.to is not None:
        conditions.append(entries.c.posted_at < wanted.to)
    if after is not None:
        columns = [entries.c[name] for name in Place._fields]
        place = [literal(value, column.type) for value, column in zip(after, columns, strict=True)]
        conditions.append(tuple_(*columns) > tuple_(*place))
    return conditions


def _ordered(query: Select[Any], limit: int) -> Select[Any]:
    return query.order_by(*(entries.c[name] for name in Place._fields)).limit(limit)
