"""What people order: a command is carried out once, however often it is sent; an adjustment is an entry booked by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.penalties.chain import Chains, Link, beginning
from services.penalties.closing import closed_through
from services.penalties.domain import BY_HAND, NO_WAYBILL, month_of, open_period
from services.penalties.handlers import POSTINGS_TOPIC, posting
from services.penalties.store import CLOSING_LOCK, Booking, adjustments, chains, commands, save
from shared.bus.outbox import enqueue
from shared.errors import FaultlineError
from shared.events.outputs import Account, Entry
from shared.ids import stable_id

Answer = tuple[int, bytes]
"""Status and body of an HTTP answer."""

_encode = msgspec.json.Encoder(order="sorted").encode


class OtherInput(FaultlineError):
    """The same Idempotency-Key came with another input."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The Idempotency-Key {key!r} was used for another command.",
            cause="a key names one command for ever.",
            remedy="send the first command again as it was, or this one with a new key.",
        )


class PeriodClosed(FaultlineError):
    """Something was to be booked in a period that is final."""

    def __init__(self, period: str, last: str) -> None:
        super().__init__(
            f"{period} is closed: nothing can be booked in it. Nothing was booked.",
            cause=f"periods are final up to {last}.",
            remedy="leave the period out to book in the present one, and say in the reason what it belongs to.",
        )


@dataclass(frozen=True, slots=True)
class Command:
    """Who sent what. `key` None: the command is carried out each time, and must itself be harmless then."""

    owner: str
    key: str | None
    name: str
    input: Mapping[str, Any]
    at: datetime

    def input_hash(self) -> bytes:
        """SHA-256 over the command and its input."""
        return hashlib.sha256(_encode([self.name, self.input])).digest()


async def once(
    connection: AsyncConnection, command: Command, work: Callable[[], Awaitable[tuple[int, Any]]]
) -> Answer:
    """Do `work` unless `command` was carried out before; its first answer either way.

    In the transaction of `connection`: what fails leaves no trace, and a copy that comes meanwhile waits for the first.
    Raises OtherInput where the key was used for something else.
    """
    if command.key is None:
        status, members = await work()
        return status, _encode(members)
    row = (commands.c.owner == command.owner) & (commands.c.key == command.key)
    begun = await connection.execute(
        insert(commands)
        .values(owner=command.owner, key=command.key, input_hash=command.input_hash(), at=command.at)
        .on_conflict_do_nothing()
    )
    if not begun.rowcount:
        known = (await connection.execute(select(commands).where(row))).one()
        if known.input_hash != command.input_hash():
            raise OtherInput(command.key)
        return known.status, known.answer
    status, members = await work()
    answer = _encode(members)
    await connection.execute(update(commands).where(row).values(status=status, answer=answer))
    return status, answer


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What is to be booked by hand; `period` None: in the present month."""

    adjustment_id: str
    network: str
    debit: Account
    credit: Account
    amount_fen: int
    reason: str
    period: str | None


async def propose(
    connection: AsyncConnection, adjustment: Adjustment, *, at: datetime, by: str, book_at_once: bool
) -> dict[str, Any]:
    """Store an adjustment and, where no second person is needed, book it. Raises PeriodClosed."""
    await _open_period(connection, adjustment, at)
    await connection.execute(
        insert(adjustments).values(
            adjustment_id=adjustment.adjustment_id,
            network=adjustment.network,
            debit_account=adjustment.debit.account,
            debit_site=adjustment.debit.site,
            credit_account=adjustment.credit.account,
            credit_site=adjustment.credit.site,
            amount_fen=adjustment.amount_fen,
            reason=adjustment.reason,
            period=adjustment.period,
            proposed_by=by,
            proposed_at=at,
        )
    )
    if book_at_once:
        await _book(connection, adjustment, at)
    return shown(await _row(connection, adjustment.adjustment_id))


async def approve(
    connection: AsyncConnection, adjustment_id: str, *, at: datetime, by: str
) -> dict[str, Any]:
    """Book a proposed adjustment, approved by a second person. Raises PeriodClosed."""
    row = await _row(connection, adjustment_id)
    await connection.execute(
        update(adjustments)
        .where(adjustments.c.adjustment_id == adjustment_id)
        .values(approved_by=by, approved_at=at)
    )
    await _book(connection, _adjustment(row), at)
    return shown(await _row(connection, adjustment_id))


async def locked(connection: AsyncConnection, network: str, adjustment_id: str) -> dict[str, Any] | None:
    """An adjustment of a network, which nobody else can approve until this transaction ends; None where there is none."""
    query = (
        select(adjustments)
        .where(adjustments.c.adjustment_id == adjustment_id, adjustments.c.network == network)
        .with_for_update()
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else shown(row)


async def listed(
    connection: AsyncConnection, network: str, *, after: tuple[datetime, str] | None, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` adjustments of a network, oldest first."""
    place = adjustments.c.proposed_at, adjustments.c.adjustment_id
    query = select(adjustments).where(adjustments.c.network == network).order_by(*place).limit(limit)
    if after is not None:
        values = (literal(value, column.type) for value, column in zip(after, place, strict=True))
        query = query.where(tuple_(*place) > tuple_(*values))
    return [shown(row) for row in await connection.execute(query)]


async def _open_period(connection: AsyncConnection, adjustment: Adjustment, at: datetime) -> str:
    """Where the adjustment is booked; no period can be closed until this transaction ends."""
    await connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": CLOSING_LOCK})
    last = await closed_through(connection, adjustment.network)
    if adjustment.period is not None and adjustment.period <= last:
        raise PeriodClosed(adjustment.period, last)
    return adjustment.period or open_period(month_of(at), [last])


async def _book(connection: AsyncConnection, adjustment: Adjustment, at: datetime) -> None:
    period = await _open_period(connection, adjustment, at)
    key = adjustment.network, BY_HAND
    head = await _locked_head(connection, adjustment.network)
    links = Chains({key: head})
    ordinal = head.position
    entry = links.sealed(
        Entry(
            entry_id=str(stable_id("entry", "adjustment", adjustment.adjustment_id)),
            kind="adjustment",
            posted_at=at,
            period=period,
            network=adjustment.network,
            waybill=NO_WAYBILL,
            finding_id=f"adjustment/{adjustment.adjustment_id}",
            version=1,
            rule="-",
            debit=adjustment.debit,
            credit=adjustment.credit,
            amount_fen=adjustment.amount_fen,
            note=adjustment.reason,
        ),
        *(BY_HAND, ordinal, ordinal),
    )
    await save(connection, {}, [Booking(entry, ordinal, BY_HAND, ordinal)], links.changed)
    await enqueue(connection, POSTINGS_TOPIC, None, [posting(entry)])
    await connection.execute(
        update(adjustments)
        .where(adjustments.c.adjustment_id == adjustment.adjustment_id)
        .values(entry_id=entry.entry_id)
    )


async def _locked_head(connection: AsyncConnection, network: str) -> Link:
    """The newest link of the entries booked by hand, for this transaction alone."""
    first = beginning((network, BY_HAND))
    await connection.execute(
        insert(chains)
        .values(network=network, partition=BY_HAND, position=0, hash=first.digest)
        .on_conflict_do_nothing()
    )
    found = await connection.execute(
        select(chains.c.position, chains.c.hash)
        .where(chains.c.network == network, chains.c.partition == BY_HAND)
        .with_for_update()
    )
    return Link(*found.one())


async def _row(connection: AsyncConnection, adjustment_id: str) -> Row[Any]:
    query = select(adjustments).where(adjustments.c.adjustment_id == adjustment_id)
    return (await connection.execute(query)).one()


def _adjustment(row: Row[Any]) -> Adjustment:
    return Adjustment(
        row.adjustment_id,
        row.network,
        Account(row.debit_account, row.debit_site),
        Account(row.credit_account, row.credit_site),
        row.amount_fen,
        row.reason,
        row.period,
    )


def shown(row: Row[Any]) -> dict[str, Any]:
    """An adjustment as the routes show it."""
    return {
        "adjustment_id": row.adjustment_id,
        "network": row.network,
        "state": "proposed" if row.entry_id is None else "booked",
        "debit": Account(row.debit_account, row.debit_site),
        "credit": Account(row.credit_account, row.credit_site),
        "amount_fen": row.amount_fen,
        "reason": row.reason,
        "period": row.period,
        "proposed_by": row.proposed_by,
        "proposed_at": row.proposed_at,
        "approved_by": row.approved_by,
        "approved_at": row.approved_at,
        "entry_id": row.entry_id,
    }
