"""Sums over the whole of a network's books: trial balance, also of a past moment, and headquarters' month."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from services.penalties.domain import BY_HAND, ZONE, month_of
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
