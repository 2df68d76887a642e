"""Notices between sites that are false or not passed on: TT-08, TT-24."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

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


def tt_24(case: Case, rule: Rule) -> Iterable[Finding]:
    """Damage notice passed on (002 四2): the middle link forwards it to origin, origin answers with a plan."""
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
        limit = notice.at + terms["pass_on_hours"] * HOUR_S
        forwarded = _forwarded(case, notice, origin)
        if (forwarded is None or forwarded.at > limit) and case.review(limit + 1):
            yield _missed(case, rule, terms, notice, data.to_site, limit, "forward", [notice, forwarded])
        if forwarded is None:
            continue
        answer_limit = forwarded.at + terms["pass_on_hours"] * HOUR_S
        answered = _answered(case, notice, origin)
        if (answered is None or answered.at > answer_limit) and case.review(answer_limit + 1):
            shown: list[Known[Any] | None] = [notice, forwarded, answered]
            yield _missed(case, rule, terms, notice, origin, answer_limit, "answer", shown)


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


def _missed(
    case: Case,
    rule: Rule,
    terms: Terms,
    notice: Known[NoticePosted],
    site: str,
    limit: int,
    text: str,
    evidence: list[Known[Any] | None],
) -> Finding:
    return case.finding(
        rule,
        terms,
        kind="alert",
        site=site,
        role=case.role_of(site),
        trigger=limit + 1,
        evidence=evidence,
        text=text,
        values={"posted": say_moment(notice.at), "by": notice.event.data.site, "limit": say_moment(limit)},
        uses=("pass_on_hours",),
        calculation={"hours": terms["pass_on_hours"]},
        suffix=notice.event.data.notice_id,
    )
