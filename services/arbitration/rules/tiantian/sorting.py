"""Mis-transit: TT-21 and the old label of TT-27 (002 七9)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from services.arbitration.rules.case import ROLE_NAMES, Case
from services.arbitration.rules.custody import Departure, Link
from services.arbitration.rules.localtime import say_moment
from services.arbitration.rules.rulebook import Rule
from services.arbitration.rules.stream import Known
from services.arbitration.rules.tiantian.claims import rejections
from services.arbitration.rules.tiantian.reports import Report, accepted
from shared.events import ScanCollected, ScanProblem
from shared.events.outputs import Finding


class Missorted(NamedTuple):
    """The scan that says so, and the departure that brought the parcel there."""

    problem: Known[ScanProblem]
    link: Link | None
    departure: Departure | None


def tt_21(case: Case, rule: Rule) -> Iterable[Finding]:
    """Mis-transit: origin where it wrote the mark wrongly, else who sent the parcel to where it did not belong."""
    missorted = _missorted(case)
    wrong_mark = _mark_is_wrong(case)
    origin = case.custody.origin
    link = origin if wrong_mark else (missorted.link if missorted is not None else None)
    departure = missorted.departure if missorted is not None else None
    if departure is None and wrong_mark and origin is not None:
        departure = origin.departures[0] if origin.departures else None
    bagged = departure is not None and departure.event.data.bag is not None
    found: list[Finding] = []
    liable_done = False
    for report in accepted(case, ("mistransit",), rule):
        if bagged and report.filed.event.data.bag is None:
            found.append(_rejected(case, rule, report, "no_bag", departure))
        elif link is None:
            found.append(_rejected(case, rule, report, "no_scan", departure))
        elif not liable_done:
            liable_done = True
            problem = missorted.problem if missorted is not None else None
            found.append(_liable(case, rule, report, link, departure, problem))
    return found


def _liable(
    case: Case,
    rule: Rule,
    report: Report,
    link: Link,
    departure: Departure | None,
    problem: Known[ScanProblem] | None,
) -> Finding:
    wrong_mark = _mark_is_wrong(case)
    finding = case.finding(
        rule,
        rule.at(report.filed.day),
        kind="liability",
        site=link.site,
        role=link.role,
        trigger=report.filed.at,
        evidence=[report.filed, departure, problem, *(case.of(ScanCollected)[:1] if wrong_mark else ())],
        text="wrong_mark" if wrong_mark else "wrong_way",
        values={
            "role": ROLE_NAMES[link.role],
            "reporter": report.site,
            "reported": say_moment(report.filed.at),
            "departed": say_moment(departure.at) if departure is not None else "-",
        },
        calculation={"amount": "pending"},
        suffix=report.id,
    )
    case.memo.setdefault("payees", {})[finding.finding_id] = report.site
    return finding


def _rejected(case: Case, rule: Rule, report: Report, text: str, departure: Departure | None) -> Finding:
    return case.finding(
        rule,
        rule.at(report.filed.day),
        kind="rejection",
        site=report.site,
        role="reporter",
        trigger=report.filed.at,
        evidence=[report.filed, departure],
        text=text,
        values={"reporter": report.site, "reported": say_moment(report.filed.at)},
        suffix=report.id,
    )


def tt_27(case: Case, rule: Rule) -> Iterable[Finding]:
    """Old label: without the delivery copy nobody can check the mark."""
    return list(rejections(case, rule, lambda _report: ({}, list(case.of(ScanCollected)[:1]))))


def _mark_is_wrong(case: Case) -> bool:
    parcel = case.parcel
    if parcel is None or parcel.destination_mark is None or parcel.destination_site is None:
        return False
    return parcel.destination_mark != parcel.destination_site


def _missorted(case: Case) -> Missorted | None:
    """The first scan that says the parcel was missorted, and who sent it to that site."""
    for problem in case.of(ScanProblem):
        if problem.event.data.reason == "missorted":
            site = problem.event.data.site
            sent = [
                (departure.event.data.next_site == site, departure.at, link, departure)
                for link in case.custody.links
                for departure in link.departures
                if departure.at <= problem.at and link.site != site
            ]
            # Where nobody says to have sent it there, whoever sent it last did, whatever its scan says.
            *_, link, departure = max(sent, key=lambda one: one[:2], default=(None, None))
            return Missorted(problem, link, departure)
    return None
