"""Reading what a site owes, and the entries of a site or a waybill."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.penalties.domain import FROZEN, FROZEN_ACCOUNTS, SETTLED
from services.penalties.store import balances, entries, entry_of
from shared.events.outputs import Entry

Appeal = Literal["none", "pending", "decided"]
"""Whether a finding was appealed against, by whether its money is, or was, frozen."""


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


async def has_account(connection: AsyncConnection, network: str, site: str) -> bool:
    """Whether anything was ever booked on a site."""
    known = select(balances.c.site).where(balances.c.network == network, balances.c.site == site).limit(1)
    return (await connection.execute(known)).one_or_none() is not None


async def appeals(
    connection: AsyncConnection, network: str, waybills: Collection[str], period: str
) -> dict[tuple[str, str], Appeal]:
    """How the appealed findings on these waybills stood at the end of a period, by waybill and finding id."""
    frozen_fen = func.sum(
        case((entries.c.reverses.is_(None), entries.c.amount_fen), else_=-entries.c.amount_fen)
    )
    asked = func.unnest(bindparam("waybills", type_=ARRAY(Text()))).table_valued("waybill").render_derived()
    query = (
        select(entries.c.waybill, entries.c.finding_id, frozen_fen)
        .where(entries.c.network == network, entries.c.period <= period)
        .where(or_(entries.c.debit_account == FROZEN, entries.c.credit_account == FROZEN))
        .where(entries.c.waybill.in_(select(asked.c.waybill)))
        .group_by(entries.c.waybill, entries.c.finding_id)
    )
    found = await connection.execute(query, {"waybills": list(waybills)})
    return {(waybill, finding): "pending" if fen > 0 else "decided" for waybill, finding, fen in found}


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
