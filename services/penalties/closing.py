"""Closing periods: made final once, cut by the verdicts' offsets, sealed with the chains' newest links."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.penalties.chain import shown_digest
from services.penalties.handlers import SOURCE
from services.penalties.store import CLOSING_LOCK, chains, period_closes
from services.penalties.totals import turnover
from shared.bus.outbox import enqueue
from shared.bus.tables import partition_positions
from shared.events.outputs import OutputEvent, PeriodData
from shared.ids import stable_id

PERIODS_TOPIC = "penalties.periods"
CLOSED_TYPE = "period.closed"


class Closing(NamedTuple):
    """A closed period: when and by whom, the cut by verdict offsets, its turnover in fen, and the chains' links then."""

    network: str
    period: str
    closed_at: datetime
    closed_by: str
    cut: Mapping[str, int]
    debits_fen: int
    credits_fen: int
    seals: Mapping[str, Mapping[str, Any]]


async def closed_through(connection: AsyncConnection, network: str) -> str:
    """The last closed month of a network, which closes those before it too; empty where none is."""
    query = select(func.max(period_closes.c.period)).where(period_closes.c.network == network)
    return (await connection.execute(query)).scalar_one() or ""


async def closing(connection: AsyncConnection, network: str, period: str) -> Closing | None:
    """The close of a period, None where it was not closed itself."""
    query = select(period_closes).where(period_closes.c.network == network, period_closes.c.period == period)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    sums = await turnover(connection, network, period=period)
    return Closing(
        network,
        period,
        row.closed_at,
        row.closed_by,
        row.cut,
        sum(one.debits_fen for one in sums),
        sum(one.credits_fen for one in sums),
        row.seals,
    )


async def close(
    connection: AsyncConnection, group: str, network: str, period: str, *, at: datetime, by: str, wait_ms: int
) -> Closing:
    """Close a period and publish that, once: a second close changes and publishes nothing and returns the first.

    Waits up to `wait_ms` for the bookings in hand, and none begins until this transaction ends; so the positions read
    here divide the verdicts exactly into those before and those after the close. Raises DBAPIError on a time-out.
    """
    await limit_waits(connection, wait_ms)
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CLOSING_LOCK})
    positions = await connection.execute(
        select(partition_positions.c.partition, partition_positions.c.positions).where(
            partition_positions.c.consumer_group == group
        )
    )
    cut = {str(partition): offsets[0] for partition, offsets in positions}
    links = await connection.execute(select(chains).where(chains.c.network == network))
    seals = {str(row.partition): {"position": row.position, "hash": shown_digest(row.hash)} for row in links}
    fresh = await connection.execute(
        insert(period_closes)
        .values(network=network, period=period, closed_at=at, closed_by=by, cut=cut, seals=seals)
        .on_conflict_do_nothing()
    )
    closed = await closing(connection, network, period)
    assert closed is not None
    if fresh.rowcount:
        await enqueue(connection, PERIODS_TOPIC, None, [closed_event(closed)])
    return closed


def closed_event(closed: Closing) -> tuple[bytes, bytes]:
    """Key and value of the `period.closed` record of a close."""
    subject = f"{closed.network}/{closed.period}"
    data = PeriodData(**{name: getattr(closed, name) for name in PeriodData.__struct_fields__})
    event = OutputEvent(
        id=str(stable_id("period", closed.network, closed.period)),
        source=SOURCE,
        type=CLOSED_TYPE,
        subject=subject,
        time=closed.closed_at,
        data=msgspec.Raw(_encode(data)),
    )
    return subject.encode(), _encode(event)


async def limit_waits(connection: AsyncConnection, wait_ms: int) -> None:
    """Let this transaction wait for no lock longer than `wait_ms`."""
    await connection.execute(text("SELECT set_config('lock_timeout', :wait, true)"), {"wait": f"{wait_ms}ms"})


_encode = msgspec.json.Encoder().encode
