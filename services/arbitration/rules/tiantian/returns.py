"""Returns asked for, answered, paid and carried out: TT-09 to TT-13, TT-26, TT-28 (002 五)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from services.arbitration.rules.case import Case, Value, yuan
from services.arbitration.rules.custody import Link
from services.arbitration.rules.localtime import clock_of, date_of, day_number, say_day, say_moment, start_of
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from services.arbitration.rules.tiantian.claims import rejections
from services.arbitration.rules.tiantian.fees import may_dispose_from, unpaid_notices
from shared.events import GoodsDisposed, ReturnAnswered, ReturnFeePaid, ReturnRequested
from shared.events.outputs import Award, Finding
from shared.workdays import working_term


class Return(NamedTuple):
    """A return that the delivery link has to carry out: what asks for it, and the last day of its term.

    `ended`: the return or the recipient's signature after which nothing is left to carry out.
    """

    trigger: Known[Any]
    link: Link
    last: int
    assumed: tuple[str, ...]
    ended: Known[Any] | None
    terms: Terms


class Overdue(NamedTuple):
    """How far a return is overdue: the days started after its term, up to a day."""

    until: int
    days: int


def asked_back(case: Case, rule: Rule) -> Return | None:
    """The return that origin asked for in writing (TT-09), where there is one to carry out or that was carried out."""
    request = _request(case, case.custody.origin_site)
    delivery = case.custody.delivery
    terms = rule.on(request.day) if request is not None else None
    if request is None or delivery is None or terms is None:
        return None
    # Nobody can send back what has not come yet.
    start = request.day if delivery.first.at <= request.at else delivery.first.day
    return _return(case, request, delivery, start, terms)


def paid_back(case: Case, rule: Rule) -> Return | None:
    """The return for which origin paid the fee (TT-13)."""
    delivery = case.custody.delivery
    paid = _payments(case)
    terms = rule.on(paid[0].day) if paid else None
    if delivery is None or terms is None:
        return None
    return _return(case, paid[0], delivery, paid[0].day, terms)


def _payments(case: Case) -> list[Known[ReturnFeePaid]]:
    origin = case.custody.origin_site
    return [known for known in case.of(ReturnFeePaid) if known.event.data.site == origin]


def _return(case: Case, trigger: Known[Any], link: Link, start: int, terms: Terms) -> Return | None:
    """None where the parcel had gone back or was signed for before it was asked for."""
    ends = [known for known in (case.custody.returned, case.custody.signature) if known is not None]
    ended = min(ends, key=lambda known: known.at, default=None)
    if ended is not None and ended.at < trigger.at:
        return None
    last_date, assumed = working_term(date_of(start), terms["return_working_days"])
    return Return(trigger, link, day_number(last_date), assumed, ended, terms)


def tt_09(case: Case, rule: Rule) -> Iterable[Finding]:
    """Return not carried out (002 五1): origin asked in writing and the parcel has not gone back in two working days."""
    asked = asked_back(case, rule)
    overdue = _overdue(case, rule, asked) if asked is not None else None
    if asked is None or overdue is None:
        return ()
    amount_fen = _days_fine(overdue, asked.terms)
    values: dict[str, Value] = {"requested": say_moment(asked.trigger.at)}
    return [_overdue_finding(case, rule, asked, overdue, amount_fen, values, {"days": overdue.days})]


def tt_13(case: Case, rule: Rule) -> Iterable[Finding]:
    """Fee taken, not returned (002 五5): the fee back, and 50 for each day started after two working days."""
    paid = paid_back(case, rule)
    overdue = _overdue(case, rule, paid) if paid is not None else None
    if paid is None or overdue is None:
        return ()
    fee_fen = sum(known.event.data.fee_fen for known in _payments(case))
    amount_fen = fee_fen + _days_fine(overdue, paid.terms)
    values: dict[str, Value] = {"paid": say_moment(paid.trigger.at), "fee": yuan(fee_fen)}
    calculation = {"fee_fen": fee_fen, "days": overdue.days}
    return [_overdue_finding(case, rule, paid, overdue, amount_fen, values, calculation)]


def _overdue(case: Case, rule: Rule, asked: Return) -> Overdue | None:
    """How overdue the return is, when a decision fixed the fine at the latest; None where it is not."""
    if asked.ended is not None:
        until = asked.ended.day
    else:
        rate_fen = asked.terms["fine_per_day_fen"]
        cap_days = -(-asked.terms["delay_cap_fen"] // rate_fen) if rate_fen else 0
        finding_id = f"{rule.id}/{asked.link.site}"
        until = min(case.growing_until(finding_id), asked.last + cap_days)
        if case.today < asked.last + cap_days and finding_id not in case.fixed:
            case.review(start_of(max(case.today, asked.last) + 1))
    return Overdue(until, until - asked.last) if until > asked.last else None


def _days_fine(overdue: Overdue, terms: Terms) -> int:
    return min(terms["delay_cap_fen"], overdue.days * terms["fine_per_day_fen"])


def _overdue_finding(
    case: Case,
    rule: Rule,
    asked: Return,
    overdue: Overdue,
    amount_fen: int,
    values: dict[str, Value],
    calculation: dict[str, Any],
) -> Finding:
    origin = case.custody.origin_site or ""
    terms, site = asked.terms, asked.link.site
    payee = origin if origin and origin != site else "hq"
    rate_fen = terms["fine_per_day_fen"]
    return case.finding(
        rule,
        terms,
        kind="fine",
        site=site,
        role="delivery",
        trigger=asked.trigger.at,
        amount_fen=amount_fen,
        awards=[Award(payee, amount_fen)],
        evidence=[asked.trigger, case.custody.returned],
        values={
            **values,
            "last": say_day(asked.last),
            "until": say_day(overdue.until),
            "days": overdue.days,
            "rate": yuan(rate_fen),
            "amount": yuan(amount_fen),
        },
        uses=("fine_per_day_fen", "delay_cap_fen", "return_working_days"),
        assumed=asked.assumed,
        calculation={**calculation, "rate_fen": rate_fen, "cap_fen": terms["delay_cap_fen"]},
    )


def unanswered(case: Case, rule: Rule) -> tuple[Known[ReturnRequested], int] | None:
    """The delivery link's written request that origin has not answered, and the last second for the answer (TT-10)."""
    request = _request(case, case.custody.delivery_site)
    terms = rule.on(request.day) if request is not None else None
    if request is None or terms is None:
        return None
    returned = case.custody.returned
    if _answers(case, request) or (returned is not None and returned.at >= request.at):
        return None
    return request, clock_of(request.day + terms["answer_days"], terms["answer_hour"])


def tt_10(case: Case, rule: Rule) -> Iterable[Finding]:
    """Return request unanswered (002 五2): after 17:00 of day 3 the delivery link may return the parcel itself."""
    waiting = unanswered(case, rule)
    if waiting is None or not case.review(waiting[1] + 1):
        return ()
    request, until = waiting
    values: dict[str, Value] = {"requested": say_moment(request.at), "until": say_moment(until)}
    return [_entitlement(case, rule, rule.at(request.day), until + 1, [request], values)]


class Hold(NamedTuple):
    """A parcel that origin has asked to hold: the request, origin's answer, and the last second of the hold period."""

    request: Known[ReturnRequested]
    answer: Known[ReturnAnswered]
    until: int


def held(case: Case, rule: Rule) -> Hold | None:
    """The hold that no later answer of origin has ended (TT-11)."""
    found = _hold(case)
    terms = rule.on(found[0].day) if found is not None else None
    if found is None or terms is None:
        return None
    request, hold = found
    until = clock_of(request.day + terms["hold_days"], terms["answer_hour"])
    if any(answer.at > max(until, hold.at) for answer in _answers(case, request)):
        return None
    return Hold(request, hold, until)


def tt_11(case: Case, rule: Rule) -> Iterable[Finding]:
    """Hold period over (002 五3): after 17:00 of day 10 the delivery link may hold on or return, until origin answers anew."""
    hold = held(case, rule)
    if hold is None:
        return ()
    arises = max(hold.until + 1, hold.answer.at)
    if not case.review(arises):
        return ()
    values: dict[str, Value] = {
        "requested": say_moment(hold.request.at),
        "answered": say_moment(hold.answer.at),
        "until": say_moment(hold.until),
    }
    terms = rule.at(hold.request.day)
    return [_entitlement(case, rule, terms, arises, [hold.request, hold.answer], values)]


def tt_12(case: Case, rule: Rule) -> Iterable[Finding]:
    """Return fee unpaid (002 五4): the goods may be disposed of, and later claims of origin are not accepted."""
    found: list[Finding] = []
    notices = unpaid_notices(case)
    if notices is not None and case.review(notices[2]):
        first, second, over = notices
        values: dict[str, Value] = {
            "first": say_moment(first.at),
            "second": say_moment(second.at),
            "fee": yuan(second.event.data.fee_fen),
            "since": say_moment(over),
        }
        found.append(_entitlement(case, rule, rule.at(first.day), over, [first, second], values))
    if notices is not None:
        since = say_moment(notices[2])
        found += list(rejections(case, rule, lambda _report: ({"since": since}, [notices[1]])))[:1]
    return found


def _entitlement(
    case: Case,
    rule: Rule,
    terms: Terms,
    trigger: int,
    evidence: list[Known[Any]],
    values: dict[str, Value],
) -> Finding:
    return case.finding(
        rule,
        terms,
        kind="entitlement",
        site=case.custody.delivery_site,
        role="delivery",
        trigger=trigger,
        evidence=evidence,
        values=values,
    )


def tt_26(case: Case, rule: Rule) -> Iterable[Finding]:
    """Disposal (002 五4): without the right to it, without approval or without photos."""
    since = may_dispose_from(case)
    wrong: list[tuple[str, str]] = []
    disposals: list[Known[Any]] = []
    for disposal in case.of(GoodsDisposed):
        data = disposal.event.data
        faults = [
            ("尚无处理权", "without being entitled to it") if since is None or since > disposal.at else None,
            None if data.approved_by else ("未经批准", "without approval"),
            None if data.photos else ("未拍照取证", "without photos"),
        ]
        found = [fault for fault in faults if fault is not None]
        if found and rule.on(disposal.day) is not None:
            disposals.append(disposal)
            wrong += [fault for fault in found if fault not in wrong]
    if not disposals:
        return ()
    site = case.custody.delivery_site or disposals[0].event.data.site
    missing = "、".join(zh for zh, _ in wrong), ", ".join(en for _, en in wrong)
    return [
        case.finding(
            rule,
            rule.at(disposals[0].day),
            kind="alert",
            site=site,
            role="delivery",
            trigger=disposals[0].at,
            evidence=disposals,
            values={"at": say_moment(disposals[0].at), "missing": missing},
        )
    ]


def tt_28(case: Case, rule: Rule) -> Iterable[Finding]:
    """Returned too soon (002 五3): origin had answered hold, and the hold period was not over."""
    request, returned = _request(case, case.custody.delivery_site), case.custody.returned
    if request is None or returned is None:
        return ()
    before = [answer for answer in _answers(case, request) if answer.at <= returned.at]
    terms = rule.on(returned.day)
    if terms is None or not before or before[-1].event.data.answer != "hold":
        return ()
    until = clock_of(request.day + terms["hold_days"], terms["answer_hour"])
    if returned.at > until:
        return ()
    return [
        case.finding(
            rule,
            terms,
            kind="alert",
            site=case.custody.delivery_site,
            role="delivery",
            trigger=returned.at,
            evidence=[request, before[-1], returned],
            values={
                "returned": say_moment(returned.at),
                "answered": say_moment(before[-1].at),
                "until": say_moment(until),
            },
        )
    ]


def _request(case: Case, site: str | None) -> Known[ReturnRequested] | None:
    """The first written request of a site for the return."""
    for known in case.of(ReturnRequested):
        if known.event.data.written and known.event.data.site == site:
            return known
    return None


def _answers(case: Case, request: Known[ReturnRequested]) -> list[Known[ReturnAnswered]]:
    """Origin's answers to the request, in order."""
    origin = case.custody.origin_site
    return [a for a in case.of(ReturnAnswered) if a.event.data.site == origin and a.at >= request.at]


def _hold(case: Case) -> tuple[Known[ReturnRequested], Known[ReturnAnswered]] | None:
    """The delivery link's first written request, and since which answer of origin it shall hold the parcel."""
    request = _request(case, case.custody.delivery_site)
    hold: Known[ReturnAnswered] | None = None
    for answer in _answers(case, request) if request is not None else ():
        hold = (hold or answer) if answer.event.data.answer == "hold" else None
    return (request, hold) if request is not None and hold is not None else None
