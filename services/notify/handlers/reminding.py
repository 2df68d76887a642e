"""What falls due is said: a loop beside the consumer, on the stored moments, in any number of copies.

A reminder waits until its partition's topics have been read to the ends that they had when it fell due: after an outage a
site must not be reminded of what it has done meanwhile. An escalation waits too until arbitration has said that the duties of
its partition are complete: while that service is behind, nobody is told of a term that was kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notify.domain.sayings import bundled, by_bundle, telling
from services.notify.domain.telling import Telling, Void
from services.notify.handlers.directory import Directory
from services.notify.handlers.teller import Teller
from services.notify.settings import NotifySettings
from services.notify.store import reminders
from shared import metrics
from shared.bus import positions
from shared.bus.positions import Fenced
from shared.bus.runner import ConsumerRunner
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.clock import Clock
from shared.db import reader

log = structlog.get_logger(__name__)

_said = metrics.counter("reminders_said", "Reminders and escalations that fell due and were said.", "notices")


class Reminding:
    """Says what is due; `run` beside a consumer, in each copy."""

    def __init__(
        self,
        settings: NotifySettings,
        engine: AsyncEngine,
        clock: Clock,
        teller: Teller,
        directory: Directory,
        read_up_to: ReadUpTo,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._teller = teller
        self._directory = directory
        self._wake = wake
        self._read = read_up_to

    async def run(self) -> None:
        """Say what falls due until cancelled; while broker or database is away it waits."""
        while True:
            try:
                while await self._say_some():
                    self._wake()
            except Fenced:
                pass  # The consumer is not connected at present: what has been read is not known.
            except TRANSIENT as error:
                unless_cancelled(error)
                log.warning("reminders_wait", error=f"{type(error).__name__}: {error}")
            # The machine's time: a moved clock is noticed at the next look.
            await asyncio.sleep(self._settings.reminder_poll_ms / 1000)

    async def _say_some(self) -> bool:
        """Say a part of what is due, in one transaction; False where nothing is."""
        async with reader(self._engine) as connection:
            if not await reminders.any_due(connection, self._clock.now()):
                return False
        ready = await self._read.moments()
        if not ready:
            return False
        async with self._engine.begin() as connection:
            return await self._say(connection, ready, self._clock.now())

    async def _say(self, connection: AsyncConnection, ready: Mapping[int, datetime], now: datetime) -> bool:
        settings = self._settings
        due = await reminders.take_single(connection, ready, limit=settings.reminder_rows)
        if not due:
            together = whole(ready, settings.partitions, timedelta(minutes=settings.reminder_bundle_minutes))
            due = await reminders.take_bundles(connection, together, now, limit=settings.reminder_bundle_rows)
        alive = [saying for saying in due if saying.until is None or now <= saying.until]
        tellings: list[Telling | Void] = []
        for saying in alive:
            if saying.bundle is None:
                tellings += [telling(saying, site) for site in self._directory.hearers(saying)]
        for bundle in by_bundle(alive).values():
            for site in self._directory.hearers(bundle[0]):
                tellings.append(bundled(bundle, site, listed_max=settings.reminder_listed_max))
        await self._teller.tell(connection, tellings, now)
        _said.inc(len(alive))
        return bool(due)


def whole(ready: Mapping[int, datetime], partitions: int, patience: timedelta) -> dict[int, datetime]:
    """The moments of `ready` for bundles, which span partitions: the least of all, so that none is torn.

    A partition that is behind by more than `patience` holds up nobody else.
    """
    least = min(ready.values()) if len(ready) == partitions else None
    return {
        number: moment - patience if least is None else max(least, moment - patience)
        for number, moment in ready.items()
    }


class ReadUpTo:
    """Up to which moment each partition's topics are known to have been read, by whichever copy."""

    def __init__(
        self,
        settings: NotifySettings,
        engine: AsyncEngine,
        clock: Clock,
        runner: ConsumerRunner,
        topics: Sequence[str],
    ) -> None:
        self._partitions = range(settings.partitions)
        self._group = settings.consumer_group
        self._engine = engine
        self._clock = clock
        self._runner = runner
        self._topics = topics
        self._asked: dict[int, tuple[datetime, list[int]]] = {}
        self._moments: dict[int, datetime] = {}

    async def moments(self) -> Mapping[int, datetime]:
        """For each partition the last moment at whose ends of the topics the stored positions have arrived."""
        missing = [number for number in self._partitions if number not in self._asked]
        if missing:
            moment = self._clock.now()
            ends = await self._runner.high_watermarks(missing)
            for number in missing:
                own = [ends[TopicPartition(topic, number)] for topic in self._topics]
                self._asked[number] = (moment, own)
        async with reader(self._engine) as connection:
            stored = await positions.of_group(connection, self._group)
        for number in stored.keys() & self._asked.keys():
            moment, own = self._asked[number]
            if all(at >= end for at, end in zip(stored[number], own, strict=True)):
                self._moments[number] = moment
                del self._asked[number]
        return self._moments
