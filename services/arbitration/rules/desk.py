"""The complaint desk SD-* (rules.md §4, source 003); applies in every network.

SD-01, SD-04, SD-06, SD-07 and SD-08 are carried out by forwarding, notices and reports: they find nothing themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from services.arbitration.rules.case import EXEMPT_DAYS_MAX, Case
from services.arbitration.rules.complaints import Complaint, complaints, responsible_site
from services.arbitration.rules.localtime import (
    HOUR_S,
    date_of,
    day_number,
    day_of,
    say_day,
    say_moment,
    seconds,
    start_of,
)
from services.arbitration.rules.rulebook import Rule, RuleDef, Terms, informs
from services.arbitration.rules.stream import Known
from shared.events import ComplaintOpened, EvidenceSubmitted
from shared.events.outputs import Finding
from shared.workdays import working_term

_DESKS: Final = "/desks/"


class Term(NamedTuple):
    """A term at a site: its last second, and the assumed calendars and exemptions that it rests on."""

    last: int
    calendars: tuple[str, ...]
    exemptions: frozenset[str]


def sd_02(case: Case, rule: Rule) -> Iterable[Finding]:
    """The site contacts the customer within 24 hours of receiving the form (第十二条(三)): alert on the site after."""
    for complaint, site, terms in _judged(case, rule):
        start = _form_received(complaint, site)
        term = _hours_term(case, start.at, terms["contact_hours"], site)
        contacts = _contacts(case, complaint, site)
        if any(at <= term.last for at, _ in contacts) or not case.review(term.last + 1):
            continue
        yield case.finding(
            rule,
            terms,
            kind="alert",
            site=site,
            role=case.role_of(site),
            trigger=term.last + 1,
            evidence=[complaint.opened, start, *(known for _, known in contacts[:1])],
            values={"start": say_moment(start.at), "limit": say_moment(term.last)},
            uses=("contact_hours",),
            calculation={"hours": terms["contact_hours"], "due": say_moment(term.last)},
            suffix=complaint.id,
            exemptions=term.exemptions,
        )


def sd_03(case: Case, rule: Rule) -> Iterable[Finding]:
    """Settled within 3 working days of receiving the form, the outer limit (第十二条(三)): alert on the site after."""
    for complaint, site, terms in _judged(case, rule):
        start = _form_received(complaint, site)
        term = _working_days_term(case, start.day, terms["settle_working_days"], site)
        settled = complaint.settlements
        if any(known.at <= term.last for known in settled) or not case.review(term.last + 1):
            continue
        yield case.finding(
            rule,
            terms,
            kind="alert",
            site=site,
            role=case.role_of(site),
            trigger=term.last + 1,
            evidence=[complaint.opened, start, *settled[:1]],
            values={"start": say_moment(start.at), "last": say_day(day_of(term.last))},
            uses=("settle_working_days",),
            assumed=term.calendars,
            calculation={
                "working_days": terms["settle_working_days"],
                "due_day": say_day(day_of(term.last)),
            },
            suffix=complaint.id,
            exemptions=term.exemptions,
        )


def sd_05(case: Case, rule: Rule) -> Iterable[Finding]:
    """Follow-up within 3 working days of settlement, satisfaction recorded (第十八条): alert on the desk after."""
    for complaint in complaints(case):
        terms = rule.on(complaint.opened.day)
        missed = _missed_follow_up(case, complaint, terms) if terms is not None else None
        if terms is None or missed is None:
            continue
        settled, term = missed
        yield case.finding(
            rule,
            terms,
            kind="alert",
            site=None,
            role="other",
            person=_desk_of(complaint.opened),
            trigger=term.last + 1,
            evidence=[complaint.opened, settled],
            values={"settled": say_moment(settled.at), "last": say_day(day_of(term.last))},
            uses=("follow_up_working_days",),
            assumed=term.calendars,
            calculation={
                "working_days": terms["follow_up_working_days"],
                "due_day": say_day(day_of(term.last)),
            },
            suffix=complaint.id,
        )


def _judged(case: Case, rule: Rule) -> Iterator[tuple[Complaint, str, Terms]]:
    """Each complaint that SD-02 and SD-03 concern, with the responsible site and the terms of its day."""
    for complaint in complaints(case):
        terms = rule.on(complaint.opened.day)
        if terms is None or complaint.closed_at_intake(terms["forward_hours"]) is not None:
            continue
        site = responsible_site(case, complaint.opened)
        if site is not None:
            yield complaint, site, terms


def _form_received(complaint: Complaint, site: str) -> Known[Any]:
    """What starts the site's clocks: its receipt of the form, else the opening, since forwarding is immediate."""
    return next((known for known in complaint.received if known.event.data.site == site), complaint.opened)


def _contacts(case: Case, complaint: Complaint, site: str) -> list[tuple[int, Known[Any]]]:
    """When the site contacted the customer about the complaint and what shows it, in order."""
    shown: list[tuple[int, Known[Any]]] = [
        *((reply.at, reply) for reply in complaint.replies if reply.event.data.site == site),
        *((handled.at, handled) for handled in complaint.handled),
        *((at, log) for at, log in _contact_logs(case, site) if at >= complaint.opened.at),
    ]
    return sorted(shown, key=lambda contact: contact[0])


def _contact_logs(case: Case, site: str) -> Iterator[tuple[int, Known[EvidenceSubmitted]]]:
    for log in case.of(EvidenceSubmitted):
        data = log.event.data
        if data.kind == "contact_log" and log.event.site == site:
            yield seconds(data.contacted_at) if data.contacted_at is not None else log.at, log


def _missed_follow_up(case: Case, complaint: Complaint, terms: Terms) -> tuple[Known[Any], Term] | None:
    """The first settlement that no follow-up came after in time; one that the customer reopened before then needs none."""
    follow_ups = [closed for closed in complaint.closed if closed.event.data.satisfied is not None]
    begun = complaint.opened.at
    for again in (*(known.at for known in complaint.reopened), None):
        settled = next(
            (
                known
                for known in complaint.settlements
                if known.at >= begun and (again is None or known.at < again)
            ),
            None,
        )
        if again is not None:
            begun = again
        if settled is None:
            continue
        term = _working_days_term(case, settled.day, terms["follow_up_working_days"], None)
        done = any(settled.at <= known.at <= term.last for known in follow_ups)
        lapsed = again is not None and again <= term.last
        if not done and not lapsed and case.review(term.last + 1):
            return settled, term
    return None


def _desk_of(opened: Known[ComplaintOpened]) -> str | None:
    """The code of the desk that took the complaint."""
    source = opened.event.source
    return source.removeprefix(_DESKS) if source.startswith(_DESKS) else None


def _hours_term(case: Case, start: int, hours: int, site: str) -> Term:
    """The last second of a term of hours; the hours of days exempt at the site do not count."""
    exempt, left, at = case.exempt, hours * HOUR_S, start
    if exempt is None:
        return Term(start + left, (), frozenset())
    touched: set[str] = set()
    first = day_of(start)
    for day in range(first, first + EXEMPT_DAYS_MAX):
        ids = exempt.on(day, site)
        touched.update(ids)
        over = start_of(day + 1)
        if not ids:
            if at + left < over:
                break
            left -= over - at
        at = over
    return Term(at + left, (), frozenset(touched))


def _working_days_term(case: Case, start: int, working_days: int, site: str | None) -> Term:
    """The last second of a term of working days after a local day; days exempt at the site do not count."""
    touched: set[str] = set()
    calendars: set[str] = set()
    day, left, limit = start, working_days, start + EXEMPT_DAYS_MAX
    while left and day < limit:
        last, assumed = working_term(date_of(day), 1)
        day = day_number(last)
        calendars.update(assumed)
        ids = case.exempt.on(day, site) if case.exempt is not None and site is not None else []
        touched.update(ids)
        left -= not ids
    return Term(start_of(day + 1) - 1, tuple(sorted(calendars)), frozenset(touched))


RULES = (
    RuleDef("SD-01", informs),
    RuleDef("SD-02", sd_02, (ComplaintOpened,)),
    RuleDef("SD-03", sd_03, (ComplaintOpened,)),
    RuleDef("SD-04", informs),
    RuleDef("SD-05", sd_05, (ComplaintOpened,)),
    RuleDef("SD-06", informs),
    RuleDef("SD-07", informs),
    RuleDef("SD-08", informs),
)
