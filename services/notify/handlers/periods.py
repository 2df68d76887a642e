"""Closed months in, jobs out: what `penalties.periods` brings, in the transaction that stores the positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.handlers.reports import MONTH_CLOSED
from services.notify.store import jobs
from services.notify.store.jobs import NewJob
from shared.bus.dead_letters import DeadLetter, record_dead_letters
from shared.bus.records import Record
from shared.clock import Clock
from shared.events.outputs import PeriodData, decode_period
from shared.registry import is_network

PERIODS_TOPIC = "penalties.periods"
PERIOD_TYPE = "period.closed"


class PeriodHandler:
    """Plans what is told of a closed month; the figures are asked for later (`shared.bus.records.BatchHandler`)."""

    def __init__(self, clock: Clock, *, wake: Callable[[], None]) -> None:
        """`wake` is called when jobs may have been stored."""
        self._clock = clock
        self._wake = wake

    async def handle(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Store a job for each closed month; what is none becomes a dead letter."""
        letters: list[DeadLetter] = []
        closed = [period for record in records if (period := _read(record, letters))]
        await jobs.plan(
            connection,
            [
                NewJob(
                    kind=MONTH_CLOSED,
                    network=one.network,
                    period=one.period,
                    due_at=one.closed_at,
                    content=msgspec.json.encode(one),
                )
                for one in closed
            ],
        )
        await record_dead_letters(connection, letters, self._clock.now())

    def committed(self, partitions: Sequence[int]) -> None:
        """Jobs may be there to be done."""
        self._wake()

    def assigned(self, partitions: Sequence[int]) -> None:
        """Nothing is kept in memory between batches."""


def _read(record: Record, letters: list[DeadLetter]) -> PeriodData | None:
    try:
        event, period = decode_period(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        detail = f"The record is no closed month of the wire contract: {error}"
        letters.append(DeadLetter(record, "malformed", detail))
        return None
    subject = f"{period.network}/{period.period}"
    if event.type != PERIOD_TYPE:
        detail = f"This topic carries {PERIOD_TYPE} only, not {event.type[:64]}."
        letters.append(DeadLetter(record, "unknown_type", detail))
        return None
    if event.subject != subject or record.key != subject.encode() or not is_network(period.network):
        detail = "The record's key, the event's subject and its data name different months, or none."
        letters.append(DeadLetter(record, "wrong_subject", detail))
        return None
    return period
