"""Delay: how many days each link was late, by local calendar dates (TT-04, rules.md §1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from services.arbitration.rules.case import ROLE_NAMES, Case, yuan
from services.arbitration.rules.custody import Link
from services.arbitration.rules.localtime import clock_of, day_number, say_day, start_of
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from services.arbitration.rules.tiantian.claims import LOST_AT
from services.arbitration.rules.tiantian.due import delivery_due
from services.arbitration.rules.tiantian.reports import accepted, awards_to
from shared.events import ComplaintOpened, EvidenceSubmitted, SignatureRecorded
from shared.events.outputs import Finding, FindingRole

Stage = Literal["origin", "transit", "linehaul", "delivery"]
_STAGES: dict[Stage, tuple[str, str]] = {
    "origin": ("揽收后发出", "departure after collection"),
    "transit": ("中转发出", "departure of the middle link"),
    "linehaul": ("干线运输", "line-haul"),
    "delivery": ("派送", "delivery"),
}


class Late(NamedTuple):
    """One stage of one link: the day it was due, the day it was done (or today), and the days that count as late."""

    link: Link
    stage: Stage
    due: int
    until: int
    days: int
    running: bool
    """Whether it is not done yet: the days grow."""
    uses: tuple[str, ...]
    evidence: tuple[Known[Any] | None, ...]
    exemptions: frozenset[str]


def tt_04(case: Case, rule: Rule) -> Iterable[Finding]:
    """Delay (002 三1): an accepted report or a complaint of delay makes every late link answer for its days."""
    reports = accepted(case, ("delay",), rule)
    complaints = [
        known
        for known in case.of(ComplaintOpened)
        if known.event.data.category == "delay" and rule.on(known.day) is not None
    ]
    triggers: list[Known[Any]] = [report.filed for report in reports] + complaints
    if not triggers:
        return ()
    trigger = min(triggers, key=lambda known: known.at)
    terms = rule.at(trigger.day)
    reporter = reports[0].site if reports else None
    stages: dict[str, list[Late]] = {}
    for late in _stages(case, terms):
        stages.setdefault(late.link.site, []).append(late)
    findings = (
        _finding(case, rule, terms, site, stages_of_site, reporter, trigger)
        for site, stages_of_site in stages.items()
    )
    return [finding for finding in findings if finding is not None]


def delay_begins(case: Case, rule: Rule) -> int | None:
    """The first second at which the delivery link is late with a parcel that nobody has delivered, tried to deliver in
    vain or sent on by then; None where nothing runs. Without a report or a complaint this costs nothing yet."""
    link = case.custody.delivery
    terms = rule.on(case.today)
    if link is None or link.leg == "return" or terms is None:
        return None
    due = delivery_due(case, link, terms, set()).day
    day, _ = _delivery_day(case, link, terms, due)
    return start_of(case.next_capped_day(due, 1, link.site)) if day is None else None


def delay_finding(case: Case, rule: Rule) -> Finding | None:
    """What the delivery link would answer for, were its delay reported at the moment of `case`."""
    link = case.custody.delivery
    assert link is not None
    terms = rule.at(case.today)
    return _finding(case, rule, terms, link.site, [_delivery(case, link, terms)], None, link.first)


def _finding(
    case: Case,
    rule: Rule,
    terms: Terms,
    site: str,
    stages: list[Late],
    reporter: str | None,
    trigger: Known[Any],
) -> Finding | None:
    rate_fen, cap_fen = terms["fine_per_day_fen"], terms["delay_cap_fen"]
    links: dict[int, list[Late]] = {}
    for late in stages:
        links.setdefault(id(late.link), []).append(late)
    amount_fen = sum(
        min(cap_fen, rate_fen * sum(late.days for late in of_link)) for of_link in links.values()
    )
    exemptions = {one for late in stages for one in late.exemptions}
    if _finding_id(site) not in case.fixed:
        for of_link in links.values():
            _review_growth(case, of_link, _cap_days(terms), exemptions)
    late_stages = [late for late in stages if late.days]
    if not late_stages:
        return None
    days = sum(late.days for late in late_stages)
    worst = max(late_stages, key=lambda late: late.days)
    role: FindingRole = "delivery" if worst.stage == "delivery" else worst.link.role
    return case.finding(
        rule,
        terms,
        kind="fine",
        site=site,
        role=role,
        trigger=trigger.at,
        amount_fen=amount_fen,
        awards=awards_to(reporter, site, amount_fen),
        evidence=[trigger, *(known for late in late_stages for known in late.evidence)],
        text="running" if worst.running else "main",
        values={
            "role": ROLE_NAMES[role],
            "stage": _STAGES[worst.stage],
            "due": say_day(worst.due),
            "until": say_day(worst.until),
            "days": days,
            "rate": yuan(rate_fen),
            "amount": yuan(amount_fen),
        },
        uses=("fine_per_day_fen", "delay_cap_fen", *(name for late in late_stages for name in late.uses)),
        calculation={
            "days": days,
            "rate_fen": rate_fen,
            "cap_fen": cap_fen,
            "stages": [
                {
                    "stage": stage.stage,
                    "due": say_day(stage.due),
                    "until": say_day(stage.until),
                    "days": stage.days,
                    "exempt_days": stage.until - stage.due - stage.days,
                }
                for stage in late_stages
            ],
        },
        exemptions=exemptions,
    )


def _review_growth(case: Case, of_link: Sequence[Late], cap_days: int, exemptions: set[str]) -> None:
    """What a link has not done yet grows by a day at midnight, until the link reaches the cap."""
    running = next((late for late in of_link if late.running), None)
    if running is not None and sum(late.days for late in of_link) < cap_days:
        after = max(running.due, case.today)
        case.review(start_of(case.next_telling_day(after, running.link.site, exemptions)))


def _stages(case: Case, terms: Terms) -> Iterable[Late]:
    """Every stage of the forward leg that can be late."""
    custody = case.custody
    forward = [link for link in custody.links if link.leg == "forward"]
    lost = case.memo.get(LOST_AT)
    for index, link in enumerate(forward):
        if link.first is lost:
            # A loss replaces the delay of its own link, not that of another stay of the same site.
            continue
        following = forward[index + 1] if index + 1 < len(forward) else None
        if link is custody.delivery:
            stay = _delivery(case, link, terms)
        elif link is custody.origin:
            stay = _stay(case, link, terms, "origin", "origin_departure_days")
        else:
            stay = _stay(case, link, terms, "transit", "hub_departure_days")
        yield stay
        if link is custody.delivery and (following is None or link is not custody.origin):
            continue
        haul = _linehaul(case, link, following, terms, stay.days)
        if haul is not None:
            yield haul


def _late(
    case: Case,
    link: Link,
    terms: Terms,
    stage: Stage,
    due: int,
    done: int | None,
    uses: tuple[str, ...],
    evidence: tuple[Known[Any] | None, ...],
    touched: set[str],
    earlier_days: int = 0,
) -> Late:
    until = done if done is not None else _running_until(case, due, link, terms, earlier_days)
    days = case.days_late(due, until, link.site, touched)
    if done is None:
        until = case.last_counting_day(due, until, link.site)
    return Late(link, stage, due, until, days, done is None, uses, evidence, frozenset(touched))


def _running_until(case: Case, due: int, link: Link, terms: Terms, earlier_days: int) -> int:
    """Today, but no day after a decision, or after the one on which the link reaches its cap: nothing grows from there."""
    last = case.growing_until(_finding_id(link.site))
    days = max(0, _cap_days(terms) - earlier_days)
    return min(last, max(due, case.next_capped_day(due, days, link.site)))


def _finding_id(site: str) -> str:
    return f"TT-04/{site}"


def _cap_days(terms: Terms) -> int:
    """How many days a link can be late before its fine is at the cap."""
    rate_fen = terms["fine_per_day_fen"]
    return -(-terms["delay_cap_fen"] // rate_fen) if rate_fen else 0


def _stay(case: Case, link: Link, terms: Terms, stage: Stage, term: str) -> Late:
    """Origin and middle links: gone by the end of the day after the parcel came."""
    previous = case.custody.before(link)
    started = link.received or (previous.departed if previous is not None else None) or link.first
    touched: set[str] = set()
    due = case.due_day(started.day, terms[term], link.site, touched)
    left = link.departed or link.next_first
    return _late(
        case,
        link,
        terms,
        stage,
        due,
        left.day if left is not None else None,
        (term,),
        (started, left),
        touched,
    )


def _linehaul(case: Case, link: Link, following: Link | None, terms: Terms, stay_days: int) -> Late | None:
    """From the departure to the next arrival; later days are the departing link's, beside those of its stay."""
    departed = link.departed
    if departed is None or case.parcel is None or departed.event.type == "scan.returned":
        return None
    if following is not None and following.arrived is None:
        return None
    if following is None and case.custody.returned is not None:
        return None
    touched: set[str] = set()
    term = f"linehaul_{case.parcel.scope}_days"
    due = case.due_day(departed.day, terms[term], link.site, touched)
    arrived = following.arrived if following is not None else None
    return _late(
        case,
        link,
        terms,
        "linehaul",
        due,
        arrived.day if arrived else None,
        (term,),
        (departed, arrived),
        touched,
        stay_days,
    )


def _delivery(case: Case, link: Link, terms: Terms) -> Late:
    """The delivery link: the day that the problem scan, the statement, the scan or the entry speaks for."""
    touched: set[str] = set()
    due = delivery_due(case, link, terms, touched).day
    day, shown = _delivery_day(case, link, terms, due)
    uses = ("arrival_cutoff_hour", "entry_hour")
    return _late(case, link, terms, "delivery", due, day, uses, (link.received, *shown), touched)


def _delivery_day(
    case: Case, link: Link, terms: Terms, due: int
) -> tuple[int | None, tuple[Known[Any] | None, ...]]:
    """The day of delivery and what shows it; None while it is not fixed."""
    out = link.out[0] if link.out else None
    entry = link.signatures[0] if link.signatures else None
    if out is not None:
        stopped = (known for known in link.problems if out.at <= known.at)
        # What comes after the entry stops nothing any more.
        problem = next((known for known in stopped if entry is None or known.at <= entry.at), None)
        if problem is not None:
            return problem.day, (out, problem)
    statement = recipient_statement(case)
    if statement is not None and statement.event.data.delivered_on is not None:
        # Nobody can state a delivery that is still to come.
        day = min(day_number(statement.event.data.delivered_on), statement.day)
        return day, (out, entry, statement)
    if entry is not None:
        speaks_for = entry_day(entry, terms, due)
        if out is not None and out.day > speaks_for:
            return out.day, (out, entry)
        return speaks_for, (out, entry)
    left = link.departed or link.next_first
    return (left.day, (out, left)) if left is not None else (None, (out,))


def entry_day(entry: Known[SignatureRecorded], terms: Terms, due: int) -> int:
    """The day that an entry speaks for: by noon the day before, after noon its own, never before the due date."""
    by_noon = entry.at <= clock_of(entry.day, terms["entry_hour"])
    return max(due, entry.day - 1 if by_noon else entry.day)


def recipient_statement(case: Case) -> Known[EvidenceSubmitted] | None:
    """The last valid statement of the recipient: audited, signed, with contact and a copy of an identity document."""
    for known in reversed(case.of(EvidenceSubmitted)):
        data = known.event.data
        complete = data.has_signature and data.has_contact and data.has_identity_copy
        if (
            data.kind == "recipient_statement"
            and data.delivered_on is not None
            and complete
            and known.event.audited
        ):
            return known
    return None
