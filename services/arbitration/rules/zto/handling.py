"""How complaints are handled: ZT-09 (000 三, 优质的服务效率第一), and the duties around them: ZT-12, ZT-13."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from services.arbitration.rules.case import ROLE_NAMES, Case, yuan
from services.arbitration.rules.complaints import CATEGORY_NAMES, Complaint, complained_of, complaints
from services.arbitration.rules.localtime import date_of, day_number, say_day, say_moment, start_of
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from shared.events import ReplyRegistered
from shared.events.outputs import HEADQUARTERS, Award, Finding
from shared.workdays import working_term

HANDLED: Final = frozenset({"resolved", "compensated", "declined"})
"""Outcomes of a reply that make the complaint handled."""
_DELAY_AND_CLAIMS: Final = frozenset(
    {"delay", "dispatch_delay", "loss", "damage", "shortage", "untimely_compensation"}
)


class Fault(NamedTuple):
    """What was wrong with the handling: the sentence, the parameter of its amount, since when, what shows it."""

    text: str
    fine: str
    at: int
    shown: tuple[Known[Any], ...]


class Term(NamedTuple):
    """The last local day of the handling, the first second after it, and the calendars that it assumes."""

    last: int
    over: int
    assumed: tuple[str, ...]


def zt_09(case: Case, rule: Rule) -> Iterable[Finding]:
    """Handling of each complaint within three working days: reopened, not handled, false, invalid, not registered."""
    for complaint in complaints(case):
        terms = rule.on(complaint.opened.day)
        site = complained_of(case, complaint.opened)
        if terms is None or site is None or complaint.closed_at_intake(terms["intake_hours"]) is not None:
            continue
        last_date, calendars = working_term(date_of(complaint.opened.day), terms["handling_working_days"])
        last = day_number(last_date)
        term = Term(last, start_of(last + 1), calendars)
        fault = _fault(case, complaint, term)
        if fault is not None:
            yield _handling_fine(case, rule, terms, complaint, site, term, fault)


def _fault(case: Case, complaint: Complaint, term: Term) -> Fault | None:
    """The first fault that fits, in the order of the rule."""
    not_handled = "not_handled_claim_fen" if complaint.category in _DELAY_AND_CLAIMS else "not_handled_fen"
    if complaint.reopened:
        again = complaint.reopened[0]
        return Fault("reopened", not_handled, again.at, (again,))
    handled = _handled_by(complaint, term.over)
    if handled is None and case.review(term.over):
        late = _handled_by(complaint, None)
        return Fault("not_handled", not_handled, term.over, () if late is None else (late,))
    false = next((audit for audit in complaint.audits if audit.event.data.result == "false"), None)
    if false is not None:
        return Fault("false", "false_fen", false.at, (*complaint.replies, false))
    registered = [reply for reply in complaint.replies if reply.at < term.over]
    invalid = next((audit for audit in complaint.audits if audit.event.data.result == "invalid"), None)
    if registered and invalid is not None:
        return Fault("invalid", "invalid_fen", invalid.at, (*registered, invalid))
    if handled is not None and not registered and case.review(term.over):
        return Fault("not_registered", "not_registered_fen", term.over, (handled,))
    return None


def _handled_by(complaint: Complaint, over: int | None) -> Known[Any] | None:
    """What shows that the complaint was handled before the moment `over`; None where nothing does."""
    shown: list[Known[Any]] = [
        *complaint.handled,
        *(reply for reply in complaint.replies if reply.event.data.outcome in HANDLED),
        *(closed for closed in complaint.closed if closed.event.data.satisfied),
    ]
    in_time = [known for known in shown if over is None or known.at < over]
    return min(in_time, key=lambda known: known.at, default=None)


def _handling_fine(
    case: Case, rule: Rule, terms: Terms, complaint: Complaint, site: str, term: Term, fault: Fault
) -> Finding:
    amount_fen = terms[fault.fine]
    return case.finding(
        rule,
        terms,
        kind="fine",
        site=site,
        role=case.role_of(site),
        trigger=fault.at,
        amount_fen=amount_fen,
        awards=[Award(HEADQUARTERS, amount_fen)],
        evidence=[complaint.opened, *fault.shown],
        text=fault.text,
        values={
            "category": CATEGORY_NAMES[complaint.category],
            "opened": say_moment(complaint.opened.at),
            "last": say_day(term.last),
            "at": say_moment(fault.at),
            "role": ROLE_NAMES[case.role_of(site)],
            "amount": yuan(amount_fen),
        },
        uses=("handling_working_days", fault.fine),
        assumed=term.assumed,
        calculation={
            "fault": fault.text,
            "due_day": say_day(term.last),
            "fine_fen": amount_fen,
            "confidence": "low",
        },
        suffix=complaint.id,
    )


def zt_12(case: Case, rule: Rule) -> Iterable[Finding]:
    """Collected without inspection (000: 百分百验视)."""
    parcel, origin = case.parcel, case.custody.origin
    if parcel is None or parcel.inspected is not False or origin is None or origin.collected is None:
        return ()
    terms = rule.on(origin.collected.day)
    if terms is None:
        return ()
    return [
        case.finding(
            rule,
            terms,
            kind="alert",
            site=origin.site,
            role="origin",
            trigger=origin.collected.at,
            evidence=[origin.collected],
            values={"collected": say_moment(origin.collected.at)},
        )
    ]


def zt_13(case: Case, rule: Rule) -> Iterable[Finding]:
    """The customer is sent to headquarters (000: 不能将客户直接推到总部): one alert for each site and complaint."""
    replies: dict[tuple[str, str], list[Known[ReplyRegistered]]] = {}
    for reply in case.of(ReplyRegistered):
        data = reply.event.data
        if data.outcome == "referred_hq":
            replies.setdefault((data.site, data.complaint_id), []).append(reply)
    for (site, complaint_id), referred in replies.items():
        terms = rule.on(referred[0].day)
        if terms is not None:
            yield case.finding(
                rule,
                terms,
                kind="alert",
                site=site,
                role=case.role_of(site),
                trigger=referred[0].at,
                evidence=referred,
                values={"replied": say_moment(referred[0].at)},
                suffix=complaint_id,
            )
