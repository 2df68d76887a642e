"""A verdict as a pure function of events, facts, rulebooks and the moment of judgement (design.md §4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from services.arbitration.domain.afterwards import Standing, after_rules
from services.arbitration.domain.payments import with_payments
from services.arbitration.rules.case import Case
from services.arbitration.rules.custody import Custody, chain_document
from services.arbitration.rules.facts import Facts
from services.arbitration.rules.library import NetworkRules, Rulebooks
from services.arbitration.rules.localtime import moment_of, seconds
from services.arbitration.rules.stream import Known
from shared.events import (
    CompensationSettledPrivately,
    ComplaintClosed,
    ComplaintHandled,
    ComplaintOpened,
    ComplaintReopened,
    Event,
)
from shared.events.outputs import Finding, RulebookRef

Status = Literal["clear", "open", "decided", "appealed", "closed"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said about a waybill at one moment."""

    findings: list[Finding]
    """Everything that stands, in the order of the register; nothing revoked."""
    overturned: list[Finding]
    """Findings of the rules that an appeal or a ruling took away, as `revoked`."""
    chain: Custody
    next_review_at: datetime | None
    """The first instant at which the verdict could differ by the mere passing of time."""
    rulebook: RulebookRef
    status: Status
    origin: str | None
    """The collecting site."""
    exemptions: list[str] = []
    """Exemptions of many that touched some term, also where no finding is left to show them."""

    @property
    def custody(self) -> list[dict[str, Any]]:
        """The custody chain as in the case document."""
        return chain_document(self.chain)


def asked(
    events: Sequence[Known[Event]],
    facts: Facts,
    rules: NetworkRules,
    now: datetime,
    decided: Standing | None = None,
) -> Case:
    """The waybill at `now` with what every rule found, before money is divided and officers' decisions count.

    `decided`: how findings are known to stand after such decisions.
    """
    case = Case(events, facts, rules, seconds(now))
    if decided is not None:
        case.overturned, case.fixed = decided.overturned, decided.fixed
    for rule in rules.asked(case.by_type):
        case.found += rule.decide(case, rule)
    return case


def decide(
    events: Sequence[Known[Event]], facts: Facts, rulebooks: Rulebooks, now: datetime, network: str
) -> Decision:
    """Judge one waybill at `now`. `events` come from `distinct`; what happens later than `now` is not among them.

    The same events, facts, rulebooks and moment give the same decision, whoever asks and however the events came.
    """
    return judged(events, facts, rulebooks.of(network), now)[0]


def judged(
    events: Sequence[Known[Event]], facts: Facts, rules: NetworkRules, now: datetime
) -> tuple[Decision, Case]:
    """`decide` by the rules of the waybill's network; and the waybill as `asked` gives it."""
    case = first = asked(events, facts, rules, now)
    found, standing = _settled(case, rules, case.found)
    if standing.fixed:
        # A loss that was taken away replaces no delay any more, and what was decided grows no more.
        case = asked(events, facts, rules, now, standing)
        found, standing = _settled(case, rules, case.found)
    added = [finding for finisher in rules.finishers for finding in finisher(case, standing.findings())]
    if added:
        standing = after_rules(case, [*found, *added])
    findings = with_payments(case, standing.findings())
    decision = Decision(
        findings=findings,
        overturned=list(standing.overturned.values()),
        chain=case.custody,
        next_review_at=moment_of(case.next_review) if case.next_review is not None else None,
        rulebook=rules.ref(case.today),
        status=_status(case, findings),
        origin=case.custody.origin_site,
        exemptions=sorted(case.exemptions),
    )
    return decision, first


def _settled(case: Case, rules: NetworkRules, judged: list[Finding]) -> tuple[list[Finding], Standing]:
    """The findings of the rules with their money divided, and how they stand after decisions."""
    found = _adjusted(case, rules, judged)
    standing = after_rules(case, found)
    if standing.overturned:
        # What an officer took away competes with nothing: the money is divided among what is left, and what was moved keeps its own.
        taken = standing.overturned
        groups = [[finding for finding in judged if finding.finding_id not in taken]]
        groups += [[finding] for finding in judged if finding.finding_id in taken]
        divided = {f.finding_id: f for group in groups for f in _adjusted(case, rules, group)}
        found = [divided.get(finding.finding_id, finding) for finding in found]
        standing = after_rules(case, found)
    return found, standing


def _adjusted(case: Case, rules: NetworkRules, findings: list[Finding]) -> list[Finding]:
    """The findings after the adjusters of their rulebooks, in turn."""
    for adjuster in rules.adjusters:
        findings = adjuster(case, findings)
    return findings


def _status(case: Case, findings: list[Finding]) -> Status:
    """`appealed` before `closed` before `open` before `decided`; `clear` where nothing stands and nobody waits."""
    if any(finding.state == "frozen" for finding in findings):
        return "appealed"
    if case.of(CompensationSettledPrivately):
        return "closed"
    waiting, complained = _complaints(case)
    pending = any(f.state == "provisional" or f.kind == "liability" for f in findings)
    if waiting or pending:
        return "open"
    if complained:
        return "closed"
    return "decided" if findings else "clear"


def _complaints(case: Case) -> tuple[bool, bool]:
    """Whether some complaint waits for an answer, and whether there was any."""
    opened = case.of(ComplaintOpened)
    if not opened:
        return False, False
    settled: dict[str, int] = {}
    for kind in (ComplaintHandled, ComplaintClosed):
        for known in case.by_type.get(kind, ()):
            complaint = known.event.data.complaint_id
            settled[complaint] = max(settled.get(complaint, -1), known.at)
    reopened: dict[str, int] = {}
    for again in case.of(ComplaintReopened):
        reopened[again.event.data.complaint_id] = again.at
    ids = {known.event.data.complaint_id for known in opened}
    return any(settled.get(one, -1) < reopened.get(one, 0) for one in ids), True


def merge(previous: Sequence[Finding], decision: Decision) -> list[Finding]:
    """The findings of the next version: those that fell away stay as `revoked`, the order of earlier ones is kept.

    A finding that an officer's decision took away shows that decision; one that came back stands again.
    """
    standing = {finding.finding_id: finding for finding in decision.findings}
    overturned = {finding.finding_id: finding for finding in decision.overturned}
    merged = []
    for finding in previous:
        fresh = standing.pop(finding.finding_id, None) or overturned.pop(finding.finding_id, None)
        if fresh is None:
            fresh = (
                finding if finding.state == "revoked" else msgspec.structs.replace(finding, state="revoked")
            )
        merged.append(fresh)
    return [*merged, *standing.values()]


__all__ = ["Decision", "Standing", "Status", "asked", "decide", "judged", "merge"]
