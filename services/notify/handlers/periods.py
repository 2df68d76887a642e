"""Closed months in, jobs out: what `penalties.periods` brings, in the transaction that stores the positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.handlers.reading import Reader
from services.notify.handlers.reports import MONTH_CLOSED
from services.notify.store import jobs
from services.notify.store.jobs import NewJob
from shared.bus.dead_letters import DeadLetter, record_dead_letters
from shared.bus.records import Record
from shared.bus.waking import Waking
from shared.clock import Clock
from shared.events.outputs import PeriodData, decode_period

PERIODS_TOPIC = "penalties.periods"
PERIOD_TYPE = "period.closed"


class PeriodHandler:
    """Plans what is told of a closed month; the figures are asked for later (`shared.bus.records.BatchHandler`)."""

    def __init__(self, clock: Clock, *, wake: Callable[[], None]) -> None:
        """`wake` is called when jobs may have been stored."""
        self._clock = clock
        self._waking = Waking(wake)
        self._reader = Reader((PERIOD_TYPE,), decode_period, _subject_of)

    async def handle(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Store a job for each closed month; what is none becomes a dead letter."""
        letters: list[DeadLetter] = []
        closed = [period for record in records if (period := self._reader.read(record, letters))]
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
        self._waking.stored(records)

    def committed(self, partitions: Sequence[int]) -> None:
        """Jobs may be there to be done."""
        self._waking.committed(partitions)

    def assigned(self, partitions: Sequence[int]) -> None:
        """Nothing is kept in memory between batches."""


def _subject_of(closed: PeriodData) -> str:
    return f"{closed.network}/{closed.period}"
