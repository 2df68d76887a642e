"""Sums over the whole of a network's books: trial balance, also of a past moment, headquarters' month, each site's month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from services.penalties.domain import BY_HAND, FROZEN_ACCOUNTS, SETTLED, ZONE, month_of
from services.penalties.store import balances, entries


class Turnover(NamedTuple):
    """Debits and credits of the accounts of one name, in fen."""

    account: str
    debits_fen: int
    credits_fen: int


class AccountMonth(NamedTuple):
    """The accounts of one name in a month: what was owed on them before (debits less credits), and their turnover."""

    account: str
    opening_fen: int
    debits_fen: int
    credits_fen: int

    @property
    def closing_fen(self) -> int:
        """What is owed on them after the month."""
        return self.opening_fen + self.debits_fen - self.credits_fen


class SiteMonth(NamedTuple):
    """A site's month: what it owed before and after, on open accounts and frozen, and in between its open turnover.

    `opening_fen` + `debits_fen` - `credits_fen` = `closing_fen`. `entries` are the lines of its statement.
    """

    site: str
    opening_fen: int
    opening_frozen_fen: int
    debits_fen: int
    credits_fen: int
    closing_fen: int
    closing_frozen_fen: int
    entries: int


async def turnover(
    connection: AsyncConnection, network: str, *, period: str | None = None, as_of: datetime | None = None
) -> list[Turnover]:
    """The turnover of a network's accounts: of all periods, of one, or of what was posted up to `as_of`."""
    if as_of is not None:
        return await _posted_until(connection, network, as_of)
    query = select(balances.c.account, balances.c.debits_fen, balances.c.credits_fen).where(
        balances.c.network == network
    )
    if period is not None:
        query = query.where(balances.c.period == period)
    return await _summed(connection, query)


async def _posted_until(connection: AsyncConnection, network: str, as_of: datetime) -> list[Turnover]:
    """Kept sums for the months before, entries for the rest.

    What a verdict moved stands in the month of its moment, or is marked as belonging to it; so only the entries of that
    one month, those marked and those booked by hand have to be looked at.
    """
    month = month_of(as_of)
    year, number = map(int, month.split("-"))
    begin = datetime(year, number, 1, tzinfo=ZONE).astimezone(UTC)
    before = select(balances.c.account, balances.c.debits_fen, balances.c.credits_fen).where(
        balances.c.network == network, balances.c.period < month, balances.c.partition != BY_HAND
    )
    counted = and_(
        entries.c.network == network,
        entries.c.posted_at <= as_of,
        or_(
            and_(
                entries.c.partition != BY_HAND,
                entries.c.belongs_to.is_(None),
                entries.c.posted_at >= begin,
            ),
            and_(
                entries.c.partition != BY_HAND, entries.c.belongs_to.is_not(None), entries.c.period >= month
            ),
            entries.c.partition == BY_HAND,
        ),
    )
    debited = select(entries.c.debit_account, entries.c.amount_fen, literal(0)).where(counted)
    credited = select(entries.c.credit_account, literal(0), entries.c.amount_fen).where(counted)
    return await _summed(connection, union_all(before, debited, credited))


async def _summed(connection: AsyncConnection, query: Any) -> list[Turnover]:
    rows = query.subquery()
    account, debits, credits_ = rows.c
    found = await connection.execute(
        select(account, func.sum(debits), func.sum(credits_)).group_by(account).order_by(account)
    )
    return [Turnover(name, int(debits_fen), int(credits_fen)) for name, debits_fen, credits_fen in found]


async def month_totals(connection: AsyncConnection, network: str, period: str) -> list[AccountMonth]:
    """Every account of a network in a month, by name."""
    earlier, present = balances.c.period < period, balances.c.period == period
    query: Select[Any] = (
        select(
            balances.c.account,
            func.coalesce(func.sum(balances.c.debits_fen - balances.c.credits_fen).filter(earlier), 0),
            func.coalesce(func.sum(balances.c.debits_fen).filter(present), 0),
            func.coalesce(func.sum(balances.c.credits_fen).filter(present), 0),
        )
        .where(balances.c.network == network, balances.c.period <= period)
        .group_by(balances.c.account)
        .order_by(balances.c.account)
    )
    return [AccountMonth(name, *map(int, sums)) for name, *sums in await connection.execute(query)]


async def site_months(
    connection: AsyncConnection, network: str, period: str, *, after: str, limit: int
) -> list[SiteMonth]:
    """Up to `limit` sites after `after` that have entries in a month or a balance from before, by code."""
    is_frozen = balances.c.account.in_(FROZEN_ACCOUNTS)
    is_open = and_(~is_frozen, balances.c.account != SETTLED)
    earlier, present = balances.c.period < period, balances.c.period == period
    owed = balances.c.debits_fen - balances.c.credits_fen

    def total(value: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.coalesce(func.sum(value).filter(*conditions), 0)

    opening, opening_frozen = total(owed, earlier, is_open), total(owed, earlier, is_frozen)
    query = (
        select(
            balances.c.site,
            opening,
            opening_frozen,
            total(balances.c.debits_fen, present, is_open),
            total(balances.c.credits_fen, present, is_open),
            total(owed, is_open),
            total(owed, is_frozen),
        )
        .where(balances.c.network == network, balances.c.period <= period, balances.c.site > after)
        .group_by(balances.c.site)
        .having(or_(func.bool_or(present), opening != 0, opening_frozen != 0))
        .order_by(balances.c.site)
        .limit(limit)
    )
    found = (await connection.execute(query)).all()
    counts = await _entry_counts(connection, network, period, [site for site, *_ in found])
    return [SiteMonth._make((site, *map(int, sums), counts.get(site, 0))) for site, *sums in found]


async def _entry_counts(
    connection: AsyncConnection, network: str, period: str, sites: Sequence[str]
) -> dict[str, int]:
    """How many entries of a month have each of these sites on either side."""
    of_month = and_(entries.c.network == network, entries.c.period == period)
    debited = select(entries.c.debit_site.label("site")).where(of_month, entries.c.debit_site.in_(sites))
    credited = select(entries.c.credit_site).where(
        of_month,
        entries.c.credit_site.in_(sites),
        entries.c.debit_site.is_distinct_from(entries.c.credit_site),
    )
    sides = union_all(debited, credited).subquery()
    query = select(sides.c.site, func.count().label("lines")).group_by(sides.c.site)
    return {row.site: row.lines for row in await connection.execute(query)}
