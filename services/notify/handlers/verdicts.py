"""Verdicts in, notices out: what `arbitration.verdicts` brings, in the transaction that stores the positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.findings import Seen, advance, contradicts, is_newer, telling_of
from services.notify.domain.telling import Telling
from services.notify.handlers.teller import Teller
from services.notify.settings import NotifySettings
from services.notify.store import seen as told
from shared import metrics
from shared.bus.dead_letters import DeadLetter, Fuse, record_dead_letters
from shared.bus.records import Record
from shared.clock import Clock
from shared.events.outputs import VerdictData, decode_verdict

VERDICTS_TOPIC = "arbitration.verdicts"
VERDICT_TYPE = "verdict.issued"

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
        self, settings: NotifySettings, clock: Clock, teller: Teller, *, wake: Callable[[], None]
    ) -> None:
        self._appeal_days = settings.appeal_days
        self._zone = ZoneInfo(settings.time_zone)
        self._clock = clock
        self._teller = teller
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
            new, changed = self._compose(telling, seen, letters)
            await told.save_seen(connection, {subject: seen[subject] for subject in sorted(changed)})
            await self._teller.tell(connection, new, self._clock.now())
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

    def _compose(
        self, telling: Sequence[tuple[Record, VerdictData]], seen: dict[str, Seen], letters: list[DeadLetter]
    ) -> tuple[list[Telling], set[str]]:
        """What is to be told, and the subjects whose entry of `seen` has moved on."""
        new: list[Telling] = []
        changed: set[str] = set()
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
            new += [telling_of(cause, verdict.network, verdict.waybill, record.partition) for cause in causes]
        return new, changed

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
