"""Duties in, notices and reminders out: what `arbitration.duties` brings, in the transaction of its positions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.duties import Limits, advance
from services.notify.domain.sayings import telling
from services.notify.handlers.batch import Batch
from services.notify.handlers.directory import Directory
from services.notify.handlers.reading import Reader, subject_of
from services.notify.handlers.teller import Teller, is_queued
from services.notify.settings import NotifySettings
from services.notify.store import completeness, reminders
from services.notify.store import seen as told
from services.notify.store.seen import SeenDuties
from shared import metrics
from shared.bus.dead_letters import DeadLetter, record_dead_letters
from shared.bus.records import Record
from shared.bus.waking import Waking
from shared.clock import Clock
from shared.events.duties import CHANGED, COMPLETE, CompleteData, DutiesData, decode_duties
from shared.events.outputs import NoticeData

DUTIES_TOPIC = "arbitration.duties"

_forwarding = metrics.histogram(
    "complaint_forwarding_seconds",
    "From a complaint's opening to the notice of it to the responsible site (SD-01: within 1 hour).",
    "seconds",
    buckets=(1, 2, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 7_200, 86_400),
)
_past = metrics.counter(
    "duties_past", "Lists of duties that came after a higher revision and were ignored.", "records"
)


class DutyHandler:
    """Tells what is new among the duties of waybills, and plans what is to be said later."""

    def __init__(
        self,
        settings: NotifySettings,
        clock: Clock,
        teller: Teller,
        directory: Directory,
        *,
        published: Callable[[], None],
        queued: Callable[[], None],
    ) -> None:
        """`published` is called when records may be in the outbox, `queued` when notices may wait to be sent."""
        self._limits = limits_of(settings)
        self._slice = settings.notice_slice
        self._clock = clock
        self._teller = teller
        self._directory = directory
        self._published, self._queued = Waking(published), Waking(queued)
        self._reader = Reader((CHANGED, COMPLETE), decode_duties, _subject_of)

    async def handle(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Store what `records` give cause to say now and later; what is no list of duties becomes a dead letter."""
        letters: list[DeadLetter] = []
        changes: list[tuple[Record, DutiesData]] = []
        complete: dict[int, datetime] = {}
        for record in records:
            data = self._reader.read(record, letters)
            if isinstance(data, DutiesData):
                changes.append((record, data))
            elif data is not None and data.partition == record.partition:
                # Elsewhere it would not stand behind the lists that it is about.
                until = data.complete_until
                complete[data.partition] = max(until, complete.get(data.partition, until))
        if changes and is_queued(await self._take(connection, changes)):
            self._queued.stored(records)
        await completeness.advance(connection, complete)
        await record_dead_letters(connection, letters, self._clock.now())
        if changes or letters:
            self._published.stored(records)

    def committed(self, partitions: Sequence[int]) -> None:
        """What was stored may be published and sent now."""
        self._published.committed(partitions)
        self._queued.committed(partitions)

    def assigned(self, partitions: Sequence[int]) -> None:
        """Nothing is kept in memory between batches."""

    async def _take(
        self, connection: AsyncConnection, changes: Sequence[tuple[Record, DutiesData]]
    ) -> list[NoticeData]:
        """Store what `changes` give cause to say; returns the notices of now."""
        now = self._clock.now()
        seen = await told.duties_of(connection, {subject_of(data) for _, data in changes})
        batch = Batch()
        opened: dict[str, datetime] = {}
        for number, (record, data) in enumerate(changes, 1):
            if number % self._slice == 0:
                # Heartbeats share this event loop.
                await asyncio.sleep(0)
            subject = subject_of(data)
            known = seen.get(subject, SeenDuties())
            if data.revision <= known.revision:
                _past.inc()
                continue
            step = advance(known.duties, data, partition=record.partition, now=now, limits=self._limits)
            seen[subject] = SeenDuties(data.revision, data.duties)
            batch.changed.add(subject)
            batch.take(data.network, data.waybill, step.drop, step.plan)
            for saying in step.say:
                for site in self._directory.hearers(saying):
                    said = telling(saying, site)
                    batch.tellings.append(said)
                    if saying.occasion == "complaint_opened" and saying.site:
                        opened[said.notice_id("in_app")] = saying.mark
        await told.save_duties(connection, {subject: seen[subject] for subject in sorted(batch.changed)})
        await reminders.drop(connection, batch.dropped)
        await reminders.plan(connection, batch.planned.values())
        added = await self._teller.tell(connection, batch.tellings, now)
        _measure(added, opened)
        return added


def _subject_of(data: DutiesData | CompleteData) -> str:
    return f"partition/{data.partition}" if isinstance(data, CompleteData) else subject_of(data)


def _measure(added: Sequence[NoticeData], opened: dict[str, datetime]) -> None:
    for notice in added:
        if notice.notice_id in opened:
            _forwarding.observe((notice.created_at - opened[notice.notice_id]).total_seconds())


def limits_of(settings: NotifySettings) -> Limits:
    """What the operator has chosen."""
    return Limits(
        leads={kind: timedelta(hours=hours) for kind, hours in settings.remind_hours.items()},
        news_within=timedelta(hours=settings.escalate_within_hours),
        bundling=timedelta(minutes=settings.reminder_bundle_minutes),
    )
