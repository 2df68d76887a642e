"""The complaint desk SD-* (rules.md §4, source 003); applies in every network.

SD-01, SD-04, SD-06, SD-07 and SD-08 are carried out by forwarding, notices and reports: they find nothing themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.arbitration.rules.case import Case
from services.arbitration.rules.clocks import (
    contact_term,
    contacts_of,
    desk_of,
    form_received,
    settle_term,
    settlements,
)
from services.arbitration.rules.complaints import Complaint, complaints, responsible_site
from services.arbitration.rules.localtime import day_of, say_day, say_moment
from services.arbitration.rules.rulebook import Rule, RuleDef, Terms, informs
from shared.events import ComplaintOpened
from shared.events.outputs import Finding


def sd_02(case: Case, rule: Rule) -> Iterable[Finding]:
    """The site contacts the customer within 24 hours of receiving the form (第十二条(三)): alert on the site after."""
    for complaint, site, terms in _judged(case, rule):
        start = form_received(complaint, site)
        term = contact_term(case, complaint, site, terms["contact_hours"])
        contacts = contacts_of(case, complaint, site)
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
        start = form_received(complaint, site)
        term = settle_term(case, complaint, site, terms["settle_working_days"])
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
        if terms is None:
            continue
        missed = next(
            (
                one
                for one in settlements(case, complaint, terms["follow_up_working_days"])
                if one is not None and one.missed and case.review(one.term.last + 1)
            ),
            None,
        )
        if missed is None:
            continue
        settled, term = missed.settled, missed.term
        yield case.finding(
            rule,
            terms,
            kind="alert",
            site=None,
            role="other",
            person=desk_of(complaint.opened),
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
