"""Verdicts in, notices out: what `arbitration.verdicts` brings, in the transaction that stores the positions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.findings import Cause, Seen, advance, contradicts, is_newer
from services.notify.settings import NotifySettings
from services.notify.store import notices
from services.notify.store import seen as told
from services.notify.texts import Language, Texts
from shared import metrics
from shared.bus.dead_letters import DeadLetter, Fuse, record_dead_letters
from shared.bus.outbox import enqueue
from shared.bus.records import Record
from shared.clock import Clock
from shared.events.outputs import NoticeData, OutputEvent, VerdictData, decode_verdict
from shared.ids import stable_id

VERDICTS_TOPIC = "arbitration.verdicts"
NOTICES_TOPIC = "notify.notices"
SOURCE = "/services/notify"
VERDICT_TYPE = "verdict.issued"

log = structlog.get_logger(__name__)

LanguageOf = Callable[[str, str], Language]
"""The language of (network, site)."""

_made = metrics.counter("notices_made", "Notices made, by occasion.", "notices", ["occasion"])
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
        texts: Texts,
        language_of: LanguageOf,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._appeal_days = settings.appeal_days
        self._zone = ZoneInfo(settings.time_zone)
        self._slice = settings.notice_slice
        self._clock = clock
        self._texts = texts
        self._language_of = language_of
        self._wake = wake
        self._fuse = Fuse()

    async def handle(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Store and publish the notices for `records`; what is no verdict becomes a dead letter."""
        letters: list[DeadLetter] = []
        verdicts = [pair for record in records if (pair := self._read(record, letters))]
        # The first version without findings changes nothing, whatever came before: the bulk of all verdicts.
        telling = [(r, v) for r, v in verdicts if v.findings or v.version > 1]
        if telling:
            subjects = {subject_of(verdict) for _, verdict in telling}
            seen = await told.seen_of(connection, subjects)
            new, changed = await self._compose(telling, seen, letters)
            await told.save_seen(connection, {subject: seen[subject] for subject in sorted(changed)})
            await self._publish(connection, new)
        await record_dead_letters(connection, letters, self._clock.now())

    def committed(self, partitions: Sequence[int]) -> None:
        """What was stored may be published now."""
        self._wake()

    def assigned(self, partitions: Sequence[int]) -> None:
        """Nothing is kept in memory between batches."""

    def _read(self, record: Record, letters: list[DeadLetter]) -> tuple[Record, VerdictData] | None:
        try:
            verdict = verdict_of(record)
        except NotAVerdict as refusal:
            letters.append(DeadLetter(record, refusal.reason, str(refusal)))
            # All verdicts have one publisher: the waybill tells one bad record from a version that reads none.
            self._fuse.bad((record.key or b"?").decode(errors="replace"), record)
            return None
        self._fuse.good()
        return record, verdict

    async def _compose(
        self, telling: Sequence[tuple[Record, VerdictData]], seen: dict[str, Seen], letters: list[DeadLetter]
    ) -> tuple[list[tuple[int, NoticeData]], set[str]]:
        """The notices with their partition numbers, and the subjects whose entry of `seen` has moved on."""
        new: list[tuple[int, NoticeData]] = []
        changed: set[str] = set()
        now = self._clock.now()
        rendered = 0
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
            changed.add(subject)
            for cause in causes:
                # A microsecond apart, so that lists show the notices of one batch in the order of their versions.
                created_at = now + timedelta(microseconds=len(new))
                new.append((record.partition, self._notice(cause, verdict, created_at)))
            # Rendering is the only work here that takes long: heartbeats share this event loop.
            if len(new) - rendered >= self._slice:
                rendered = len(new)
                await asyncio.sleep(0)
        return new, changed

    def _notice(self, cause: Cause, verdict: VerdictData, created_at: datetime) -> NoticeData:
        language = self._language_of(verdict.network, cause.site)
        words = self._texts.render(cause, network=verdict.network, waybill=verdict.waybill, language=language)
        return NoticeData(
            notice_id=notice_id(
                cause.occasion,
                verdict.network,
                verdict.waybill,
                cause.finding.finding_id,
                cause.version,
                cause.site,
                "in_app",
            ),
            occasion=cause.occasion,
            network=verdict.network,
            site=cause.site,
            waybill=verdict.waybill,
            finding_id=cause.finding.finding_id.replace("\x00", "\ufffd"),
            version=cause.version,
            channel="in_app",
            state="queued",
            language=language,
            title=words.title,
            body=words.body,
            due_at=cause.due_at,
            created_at=created_at,
        )

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

    async def _publish(self, connection: AsyncConnection, new: Sequence[tuple[int, NoticeData]]) -> None:
        """Store the notices; those in the application are delivered with the commit, by being readable."""
        added = await notices.add_delivered(connection, [notice for _, notice in new])
        fresh = {notice.notice_id for notice in added}
        outgoing: dict[int, list[tuple[bytes, bytes]]] = {}
        for partition, notice in new:
            if notice.notice_id in fresh:
                delivered = msgspec.structs.replace(notice, state="delivered")
                events = outgoing.setdefault(partition, [])
                events.append(event_of("notice.queued", notice, notice.created_at))
                events.append(event_of("notice.delivered", delivered, notice.created_at))
                _made.labels(notice.occasion).inc()
        for partition, events in sorted(outgoing.items()):
            await enqueue(connection, NOTICES_TOPIC, partition, events)


class NotAVerdict(Exception):
    """A record that is no `verdict.issued`. `reason` is the short word of its dead letter."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def verdict_of(record: Record) -> VerdictData:
    """The verdict that `record` carries. Raises NotAVerdict."""
    try:
        event, verdict = decode_verdict(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotAVerdict("malformed", f"The record is no verdict of the wire contract: {error}") from None
    subject = subject_of(verdict)
    if event.type != VERDICT_TYPE:
        raise NotAVerdict("unknown_type", f"This topic carries {VERDICT_TYPE} only, not {event.type[:64]}.")
    if event.subject != subject or record.key != subject.encode():
        raise NotAVerdict(
            "wrong_subject", "The record's key, the event's subject and its data name different waybills."
        )
    if "\x00" in subject:
        raise NotAVerdict("malformed", "The subject holds a NUL, which no waybill has.")
    return verdict


def subject_of(verdict: VerdictData) -> str:
    """The subject `{network}/{waybill}` that a verdict is about."""
    return f"{verdict.network}/{verdict.waybill}"


def notice_id(
    occasion: str, network: str, waybill: str, finding_id: str, version: int, site: str, channel: str
) -> str:
    """The id of a notice about a finding: one for each of these, whatever is redelivered (contract.md §4)."""
    return str(stable_id("notice", occasion, network, waybill, finding_id, version, site, channel))


def event_of(
    event_type: Literal["notice.queued", "notice.delivered", "notice.acknowledged"],
    notice: NoticeData,
    time: datetime,
) -> tuple[bytes, bytes]:
    """Key and value of the record that tells of a notice; keyed by the waybill, else by the site."""
    subject = f"{notice.network}/{notice.waybill or notice.site}"
    event = OutputEvent(
        id=str(stable_id("notice-event", event_type, notice.notice_id)),
        source=SOURCE,
        type=event_type,
        subject=subject,
        time=time,
        data=msgspec.Raw(_encode(notice)),
    )
    return subject.encode(), _encode(event)


_encode = msgspec.json.Encoder().encode
