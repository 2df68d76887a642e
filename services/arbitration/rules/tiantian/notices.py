"""Notices between sites that are false or not passed on: TT-08, TT-24."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from services.arbitration.rules.case import ROLE_NAMES, Case, yuan
from services.arbitration.rules.liability import counts
from services.arbitration.rules.localtime import HOUR_S, say_moment
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from services.arbitration.rules.tiantian.reports import Report, accepted
from shared.events import (
    GoodsFound,
    NoticeAnswered,
    NoticeForwarded,
    NoticePosted,
    ScanArrived,
    ScanDeparted,
    ScanOutForDelivery,
    ScanReturned,
)
from shared.events.outputs import HEADQUARTERS, Award, Finding


class FalseNotice(NamedTuple):
    """A goods-missing notice and what shows that the goods were there."""

    notice: Known[NoticePosted]
    shown: Known[Any]


def tt_08(case: Case, rule: Rule) -> Iterable[Finding]:
    """False goods-missing notice (002 七7): the site that posted it had the piece itself, or the goods were found."""
    done: set[str] = set()
    for report in accepted(case, ("false_notice",), rule):
        terms = rule.at(report.filed.day)
        against = report.filed.event.data.against_site
        for false in _false_notices(case, against, terms):
            site = false.notice.event.data.site
            if site not in done:
                done.add(site)
                yield _false_notice(case, rule, terms, report, false)


def _false_notices(case: Case, against: str | None, terms: Terms) -> Iterator[FalseNotice]:
    """The false notices of the site reported; of every site where the report names none."""
    for notice in case.of(NoticePosted):
        data = notice.event.data
        if data.kind == "goods_missing" and counts(data) and (against is None or data.site == against):
            earliest = notice.at - terms["before_hours"] * HOUR_S
            shown = next((known for known in _had_goods(case, notice) if known.at >= earliest), None)
            if shown is not None:
                yield FalseNotice(notice, shown)


def _had_goods(case: Case, notice: Known[NoticePosted]) -> Iterator[Known[Any]]:
    """Everything that shows that the site of the notice had the piece, in order."""
    site, notice_id = notice.event.data.site, notice.event.data.notice_id
    signatures = {id(known.event) for known in case.custody.signatures}
    for known in case.events:
        event = known.event
        if isinstance(event, GoodsFound):
            named = event.data.notice_id
            if named == notice_id or (named is None and event.data.site == site):
                yield known
        elif isinstance(event, ScanArrived):
            if event.data.site == site and event.data.via == "piece":
                yield known
        elif isinstance(event, ScanDeparted | ScanReturned | ScanOutForDelivery):
            if event.data.site == site:
                yield known
        elif id(event) in signatures and event.source_site == site:
            yield known


def _false_notice(case: Case, rule: Rule, terms: Terms, report: Report, false: FalseNotice) -> Finding:
    site = false.notice.event.data.site
    fine_fen, reporter_fen = terms["fine_fen"], terms["reporter_fen"]
    awards = [Award(report.site, reporter_fen), Award(HEADQUARTERS, fine_fen - reporter_fen)]
    role = case.role_of(site)
    return case.finding(
        rule,
        terms,
        kind="fine",
        site=site,
        role=role,
        trigger=report.filed.at,
        amount_fen=fine_fen,
        awards=awards if report.site != site else [Award(HEADQUARTERS, fine_fen)],
        evidence=[false.notice, false.shown, report.filed],
        values={
            "role": ROLE_NAMES[role],
            "posted": say_moment(false.notice.at),
            "shown": say_moment(false.shown.at),
            "record": false.shown.event.type,
            "reporter": report.site,
            "amount": yuan(fine_fen),
        },
        uses=("fine_fen", "reporter_fen", "before_hours"),
        calculation={"fine_fen": fine_fen, "reporter_fen": reporter_fen},
        suffix=report.id,
    )


class PassingOn(NamedTuple):
    """What a site has to do with a damage notice: `forward` it to origin, or `answer` it with a plan.

    `since`: what started the term; `limit`: its last second; `done`: what the site did, in time or late.
    """

    notice: Known[NoticePosted]
    step: Literal["forward", "answer"]
    site: str
    since: Known[Any]
    limit: int
    done: Known[Any] | None
    terms: Terms


def passing_on(case: Case, rule: Rule) -> Iterator[PassingOn]:
    """What TT-24 asks of middle links and of origin, for each damage notice."""
    origin = case.custody.origin_site
    if origin is None:
        return
    for notice in case.of(NoticePosted):
        data = notice.event.data
        terms = rule.on(notice.day)
        if (
            data.kind != "damage"
            or not counts(data)
            or terms is None
            or case.role_of(data.to_site) != "transit"
        ):
            continue
        term_s = terms["pass_on_hours"] * HOUR_S
        forwarded = _forwarded(case, notice, origin)
        yield PassingOn(notice, "forward", data.to_site, notice, notice.at + term_s, forwarded, terms)
        if forwarded is not None:
            answered = _answered(case, notice, origin)
            yield PassingOn(notice, "answer", origin, forwarded, forwarded.at + term_s, answered, terms)


def tt_24(case: Case, rule: Rule) -> Iterable[Finding]:
    """Damage notice passed on (002 四2): the middle link forwards it to origin, origin answers with a plan."""
    for step in passing_on(case, rule):
        in_time = step.done is not None and step.done.at <= step.limit
        if not in_time and case.review(step.limit + 1):
            yield _missed(case, rule, step)


def _forwarded(case: Case, notice: Known[NoticePosted], origin: str) -> Known[NoticeForwarded] | None:
    data = notice.event.data
    for known in case.of(NoticeForwarded):
        forward = known.event.data
        if (forward.notice_id, forward.site, forward.to_site) == (data.notice_id, data.to_site, origin):
            return known
    return None


def _answered(case: Case, notice: Known[NoticePosted], origin: str) -> Known[NoticeAnswered] | None:
    """Origin's first answer that holds a plan, to the delivery link or to the site that posted the notice."""
    data = notice.event.data
    to = {data.site, case.custody.delivery_site}
    for known in case.of(NoticeAnswered):
        answer = known.event.data
        if (
            answer.notice_id == data.notice_id
            and answer.site == origin
            and answer.to_site in to
            and answer.plan
        ):
            return known
    return None


def _missed(case: Case, rule: Rule, step: PassingOn) -> Finding:
    data = step.notice.event.data
    return case.finding(
        rule,
        step.terms,
        kind="alert",
        site=step.site,
        role=case.role_of(step.site),
        trigger=step.limit + 1,
        evidence=[step.notice, step.since, step.done],
        text=step.step,
        values={"posted": say_moment(step.notice.at), "by": data.site, "limit": say_moment(step.limit)},
        uses=("pass_on_hours",),
        calculation={"hours": step.terms["pass_on_hours"]},
        suffix=data.notice_id,
    )
