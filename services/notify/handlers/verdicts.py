"""Verdicts in, notices out: what `arbitration.verdicts` brings, in the transaction that stores the positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.appeals import closing
from services.notify.domain.findings import (
    Cause,
    Seen,
    advance,
    contradicts,
    is_newer,
    telling_of,
    void_of,
)
from services.notify.domain.telling import Telling, Void
from services.notify.handlers.batch import Batch
from services.notify.handlers.reading import Reader, subject_of
from services.notify.handlers.teller import Teller, is_queued
from services.notify.settings import NotifySettings
from services.notify.store import reminders
from services.notify.store import seen as told
from shared import metrics
from shared.bus.dead_letters import DeadLetter, record_dead_letters
from shared.bus.records import Record
from shared.bus.waking import Waking
from shared.clock import Clock
from shared.events.outputs import VerdictData, decode_verdict

VERDICTS_TOPIC = "arbitration.verdicts"
VERDICT_TYPE = "verdict.issued"
INSURER_RULE = "YD-05"

log = structlog.get_logger(__name__)

_past = metrics.counter(
    "verdicts_past", "Verdicts that came after a higher version and were ignored.", "verdicts"
)
_conflicts = metrics.counter(
    "notify_verdict_conflicts", "Verdicts that came twice in one version with different findings.", "verdicts"
)


class VerdictHandler:
    """Makes the notices that new versions of verdicts give cause to."""

    def __init__(
        self,
        settings: NotifySettings,
        clock: Clock,
        teller: Teller,
        *,
        published: Callable[[], None],
        queued: Callable[[], None],
    ) -> None:
        """`published` is called when records may be in the outbox, `queued` when notices may wait to be sent."""
        self._appeal_days = settings.appeal_days
        self._appeal_reminder = timedelta(hours=settings.appeal_reminder_hours)
        self._insurer = settings.desk_insurer
        self._zone = ZoneInfo(settings.time_zone)
        self._clock = clock
        self._teller = teller
        self._published, self._queued = Waking(published), Waking(queued)
        self._reader = Reader((VERDICT_TYPE,), decode_verdict, subject_of)

    async def handle(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Store and publish the notices for `records`; what is no verdict becomes a dead letter."""
        letters: list[DeadLetter] = []
        verdicts = [(r, verdict) for r in records if (verdict := self._reader.read(r, letters)) is not None]
        # The first version without findings changes nothing, whatever came before: the bulk of all verdicts.
        telling = [(r, v) for r, v in verdicts if v.findings or v.version > 1]
        if telling:
            subjects = {subject_of(verdict) for _, verdict in telling}
            seen = await told.seen_of(connection, subjects)
            batch = self._compose(telling, seen, letters, self._clock.now())
            await told.save_seen(connection, {subject: seen[subject] for subject in sorted(batch.changed)})
            await reminders.drop(connection, batch.dropped)
            await reminders.plan(connection, batch.planned.values())
            if is_queued(await self._teller.tell(connection, batch.tellings, self._clock.now())):
                self._queued.stored(records)
        await record_dead_letters(connection, letters, self._clock.now())
        if telling or letters:
            self._published.stored(records)

    def committed(self, partitions: Sequence[int]) -> None:
        """What was stored may be published and sent now."""
        self._published.committed(partitions)
        self._queued.committed(partitions)

    def assigned(self, partitions: Sequence[int]) -> None:
        """Nothing is kept in memory between batches."""

    def _compose(
        self,
        telling: Sequence[tuple[Record, VerdictData]],
        seen: dict[str, Seen],
        letters: list[DeadLetter],
        now: datetime,
    ) -> Batch:
        """What is to be told now and later, and the subjects whose entry of `seen` has moved on."""
        batch = Batch()
        for record, verdict in telling:
            subject = subject_of(verdict)
            before = seen.get(subject, Seen())
            if not is_newer(before, verdict):
                if contradicts(before, verdict):
                    letters.append(self._conflict(record, verdict))
                else:
                    _past.inc()
                continue
            seen[subject], causes = advance(before, verdict, appeal_days=self._appeal_days, zone=self._zone)
            batch.changed.add(subject)
            planned, void = closing(
                causes, verdict, partition=record.partition, now=now, lead=self._appeal_reminder
            )
            batch.take(verdict.network, verdict.waybill, void, planned)
            for cause in causes:
                batch.tellings += self._told(cause, verdict, record.partition)
        return batch

    def _told(self, cause: Cause, verdict: VerdictData, partition: int) -> Iterable[Telling | Void]:
        told_now = [telling_of(cause, verdict.network, verdict.waybill, partition)]
        if cause.finding.rule == INSURER_RULE and cause.site == cause.finding.site:
            told_now.append(insurer_telling(told_now[0], cause, self._insurer))
        void = void_of(cause, verdict.network, verdict.waybill)
        for telling in told_now:
            if void:
                yield replace(void, site=telling.site)
            yield telling

    def _conflict(self, record: Record, verdict: VerdictData) -> DeadLetter:
        subject = subject_of(verdict)
        _conflicts.inc()
        log.error("verdict_conflict", subject=subject, version=verdict.version, digest=verdict.digest)
        return DeadLetter(
            record,
            "version_conflict",
            f"Version {verdict.version} of {subject} came twice with different findings; the first stands. "
            "Two deciders wrote for one waybill, or a topic was restored from an old copy: compare it with "
            "the versions that arbitration shows.",
        )


def insurer_telling(told: Telling, cause: Cause, insurer: str) -> Telling:
    """What the insurer desk is told of an insurer's track: the same finding, as it stands now (YD-05)."""
    return replace(
        told,
        occasion="insurer_informed",
        site=insurer,
        due_at=None,
        values={"finding": cause.finding, "before": cause.before},
    )
