"""From a decision to a verdict: what is new against the version last issued. Pure; the clock and the store are outside."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from services.arbitration.domain import Conflict, Decision, Facts, Known, Rulebooks, distinct, merge
from services.arbitration.domain.decision import asked, judged
from services.arbitration.projections.duties import Ahead, Outlook, outlook
from services.arbitration.projections.looked import Looked, happened
from services.arbitration.rules.case import Case
from services.arbitration.store.cases import Head
from services.arbitration.store.conflicts import ConflictingCopy
from services.arbitration.stream import Stream
from shared.events import Event, SignatureRecorded
from shared.events.outputs import Finding, OutputEvent, VerdictData
from shared.ids import stable_id

SOURCE: Final = "/services/arbitration"

_encoder = msgspec.json.Encoder()
_verdict = msgspec.json.Decoder(VerdictData)


class Judged(NamedTuple):
    """A verdict version to issue: the new head, its findings, and the record for the topic."""

    head: Head
    findings: list[Finding]
    record: bytes


class Judgement(NamedTuple):
    """What looking at one waybill came to.

    `issued`: a new version. `refreshed`: the same version knows more events now. Neither: nothing to say yet.
    `postponed_to`: the waybill is not quiet yet. `error`: the decision raised. `events`: its stream in order.
    `exemptions`: those of many that may have touched it. `looked`: what projections take from it. `outlook`: its duties,
    where they were asked for.
    """

    subject: str
    partition: int
    issued: Judged | None = None
    refreshed: Head | None = None
    next_review_at: datetime | None = None
    conflicts: Sequence[ConflictingCopy] = ()
    events: Sequence[Event] = ()
    exemptions: Sequence[str] = ()
    postponed_to: datetime | None = None
    error: str | None = None
    looked: Looked | None = None
    outlook: Outlook | None = None

    @property
    def next_look_at(self) -> datetime | None:
        """When to look again: no later than the verdict could differ."""
        return self.outlook.next_look_at if self.outlook is not None else self.next_review_at

    @property
    def has_case(self) -> bool:
        """Whether a verdict of this waybill stands."""
        return self.issued is not None or self.refreshed is not None


def digest_of(findings: Sequence[Finding]) -> str:
    """`sha256:` over the findings as published."""
    if not findings:
        return NOTHING_FOUND
    return f"sha256:{hashlib.sha256(_encoder.encode(findings)).hexdigest()}"


NOTHING_FOUND: Final = f"sha256:{hashlib.sha256(b'[]').hexdigest()}"


class Judging:
    """Judges waybills by the rulebooks and tells new verdicts from old ones."""

    def __init__(self, rulebooks: Rulebooks, code_version: str, ahead: Ahead) -> None:
        self._rulebooks = rulebooks
        self._code_version = code_version
        self._ahead = ahead

    def has_findings(self, head: Head) -> bool:
        """Whether the version of `head` has any finding, revoked ones included."""
        return head.digest != NOTHING_FOUND

    def judge(
        self,
        subject: str,
        partition: int,
        stream: Stream,
        head: Head | None,
        facts: Facts,
        now: datetime,
        *,
        asked_for: bool,
    ) -> Judgement:
        """Decide `stream` at `now`; a version is issued where one was asked for or the findings are not the same."""
        network, _, waybill = subject.partition("/")
        known, conflicts = distinct(stream.events, stream.bodies)
        decision, case = _judged_at(known, facts, self._rulebooks, now, network)
        findings = merge(self._issued(head), decision)
        digest = digest_of(findings)
        looked = self._looked(subject, partition, known, case, findings, facts, now)
        before = Judgement(
            subject,
            partition,
            next_review_at=decision.next_review_at,
            conflicts=_copies(subject, partition, stream, conflicts) if conflicts else (),
            events=[item.event for item in known],
            exemptions=decision.exemptions,
            looked=looked,
            outlook=outlook(looked, decision.next_review_at, self._ahead) if looked is not None else None,
        )
        if head is None and not findings and not asked_for and not _is_signed(known):
            return before
        if head is not None and digest == head.digest:
            same = head._replace(
                status=decision.status,
                events=len(known),
                conflicts=len(conflicts),
                next_review_at=decision.next_review_at,
                next_look_at=before.next_look_at,
            )
            return before._replace(refreshed=same)
        version = head.version + 1 if head is not None else 1
        verdict = VerdictData(
            network=network,
            waybill=waybill,
            version=version,
            decided_at=now,
            rulebook=decision.rulebook,
            code_version=self._code_version,
            digest=digest,
            status=decision.status,
            findings=findings,
            origin=decision.origin,
        )
        body = _encoder.encode(verdict)
        fresh = Head(
            subject,
            partition,
            version,
            decision.status,
            now,
            len(known),
            len(conflicts),
            decision.next_review_at,
            digest,
            body,
            before.next_look_at,
        )
        return before._replace(issued=Judged(fresh, findings, _record(subject, version, now, body)))

    def replay(
        self, subject: str, partition: int, stream: Stream, head: Head | None, facts: Facts, now: datetime
    ) -> Judgement:
        """What projections take from the waybill with the verdict that was last issued; no version is made."""
        known, _ = distinct(stream.events, stream.bodies)
        looked = self._looked(subject, partition, known, None, self._issued(head), facts, now)
        return Judgement(subject, partition, looked=looked)

    def _issued(self, head: Head | None) -> list[Finding]:
        """The findings of the version last issued."""
        if head is None or not self.has_findings(head):
            return []
        return _verdict.decode(head.verdict).findings

    def _looked(
        self,
        subject: str,
        partition: int,
        known: Sequence[Known[Event]],
        case: Case | None,
        findings: Sequence[Finding],
        facts: Facts,
        now: datetime,
    ) -> Looked | None:
        """None where nothing has happened yet. `case`: None where no decision was made."""
        past = happened(known, now)
        if not past:
            return None
        rules = self._rulebooks.of(subject.partition("/")[0])
        # Rules that raise on this waybill raise here, where it is parked, and not while projections are written.
        case = case or asked(past, facts, rules, now)
        return Looked(subject, partition, past, case.custody, findings, facts, rules, now, case)


def judge_at(
    known: Sequence[Known[Event]], facts: Facts, rulebooks: Rulebooks, now: datetime, network: str
) -> Decision:
    """Decide on what has happened by `now`. A sender's clock may be a little ahead: such an event waits for its moment."""
    return _judged_at(known, facts, rulebooks, now, network)[0]


def _judged_at(
    known: Sequence[Known[Event]], facts: Facts, rulebooks: Rulebooks, now: datetime, network: str
) -> tuple[Decision, Case]:
    """`judge_at`, and the waybill about which all rules were asked."""
    past = happened(known, now)
    decision, case = judged(past, facts, rulebooks.of(network), now)
    if past is known:
        return decision, case
    ahead = min(item.event.time for item in known if item.event.time > now)
    following = decision.next_review_at
    if following is not None and following <= ahead:
        return decision, case
    # Terms are judged to the second: at the first whole one the event has happened.
    at = ahead.replace(microsecond=0) + timedelta(seconds=1)
    return msgspec.structs.replace(decision, next_review_at=at), case


def _is_signed(known: Sequence[Known[Event]]) -> bool:
    return any(item.event.__class__ is SignatureRecorded for item in known)


def _record(subject: str, version: int, now: datetime, body: bytes) -> bytes:
    event = OutputEvent(
        id=str(stable_id("verdict", subject, version)),
        source=SOURCE,
        type="verdict.issued",
        subject=subject,
        time=now,
        data=msgspec.Raw(body),
    )
    return _encoder.encode(event)


def _copies(
    subject: str, partition: int, stream: Stream, conflicts: Sequence[Conflict]
) -> list[ConflictingCopy]:
    """The copies that are not judged, as they came."""
    copies = stream.copies_of({(conflict.source, conflict.id) for conflict in conflicts})
    found = []
    for conflict in conflicts:
        event, body = copies[conflict.source, conflict.id, conflict.refused_digest]
        found.append(
            ConflictingCopy(
                subject, partition, event.type, conflict.source, conflict.id, conflict.refused_digest, body
            )
        )
    return found
