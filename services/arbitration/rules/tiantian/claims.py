"""Damage and loss, and the reports that are not accepted: TT-06, TT-07, TT-14, TT-15, TT-17, TT-20."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from services.arbitration.rules.case import ROLE_NAMES, Case, Value, yuan
from services.arbitration.rules.harm import chain_of_loss, normal_signature, why_liable
from services.arbitration.rules.liability import Blame, damage, loss
from services.arbitration.rules.localtime import say_day, say_moment
from services.arbitration.rules.rulebook import Rule
from services.arbitration.rules.stream import Known
from services.arbitration.rules.tiantian.reports import (
    DAMAGE_KINDS,
    Report,
    accepted,
    awards_to,
    rejected,
    term_start,
)
from services.arbitration.rules.value import Worth, worth
from shared.events import CompensationSettledPrivately, ScanCollected, ScanDeparted
from shared.events.outputs import Finding

_KINDS: dict[str, tuple[str, str]] = {
    "delay": ("延误", "delay"),
    "loss": ("遗失", "loss"),
    "outer_damage": ("外包装破损", "outer damage"),
    "inner_damage": ("内物破损", "inner damage"),
    "shortage": ("短少", "shortage"),
    "false_notice": ("随意通知有单无货", "a false goods-missing notice"),
    "mistransit": ("中转错误", "mis-transit"),
    "mark_miswritten": ("大头笔书写错误", "a miswritten mark"),
    "foreign_packaging": ("非本网络包装", "foreign packaging"),
    "other": ("其他", "another matter"),
}
LOST_AT = "lost_at"
"""Under this name the case keeps what handed custody to the link that answers for a loss."""


class Claim(NamedTuple):
    """The accepted reports on which one link is liable."""

    blame: Blame
    reports: list[Report]


def tt_06(case: Case, rule: Rule) -> Iterable[Finding]:
    """Damage or shortage (002 四): the value of the goods by the liability shift; half where the signature is struck out."""
    claims: dict[int, Claim] = {}
    for report in accepted(case, DAMAGE_KINDS, rule):
        blame = damage(case, report.filed.at)
        if blame is not None:
            claims.setdefault(id(blame.link), Claim(blame, [])).reports.append(report)
    signature = case.custody.signature
    struck_out = signature is not None and signature.event.data.struck_out
    return list(_by_site(case, rule, claims.values(), struck_out=struck_out))


def tt_07(case: Case, rule: Rule) -> Iterable[Finding]:
    """Loss: the value of the goods by the liability shift (rules.md §1.2)."""
    reported = accepted(case, ("loss",), rule)
    if not reported:
        return ()
    blame = loss(case, chain_of_loss(case, reported[0].filed))
    if blame is not None and f"{rule.id}/{blame.link.site}" not in case.overturned:
        case.memo[LOST_AT] = blame.link.first
    return [] if blame is None else list(_by_site(case, rule, [Claim(blame, reported)], struck_out=False))


def _by_site(case: Case, rule: Rule, claims: Iterable[Claim], *, struck_out: bool) -> Iterator[Finding]:
    """One finding for each liable site, paid to its earliest reporter."""
    sites: dict[str, Claim] = {}
    for claim in claims:
        known = sites.setdefault(claim.blame.link.site, Claim(claim.blame, []))
        known.reports.extend(claim.reports)
    for claim in sites.values():
        claim.reports.sort(key=lambda report: report.filed.at)
        yield _compensation(case, rule, claim, struck_out=struck_out)


def _compensation(case: Case, rule: Rule, claim: Claim, *, struck_out: bool) -> Finding:
    link, first = claim.blame.link, claim.reports[0]
    terms = rule.at(first.filed.day)
    goods = worth(case, first.filed.day)
    amount_fen, halved = _amount(case, goods, first, struck_out)
    settled = case.of(CompensationSettledPrivately)
    if settled:
        amount_fen = 0
    text = "pending" if goods.amount_fen is None else "main"
    calculation: dict[str, Any] = {**goods.calculation, **halved}
    if settled:
        calculation["settled_privately"] = True
    finding = case.finding(
        rule,
        terms,
        kind="liability" if goods.amount_fen is None else "compensation",
        site=link.site,
        role=link.role,
        trigger=first.filed.at,
        amount_fen=amount_fen,
        awards=awards_to(first.site, link.site, amount_fen) if amount_fen else [],
        evidence=[first.filed, *claim.blame.evidence, goods.proof, *settled],
        text=text,
        values={
            "role": ROLE_NAMES[link.role],
            "kind": _KINDS[first.kind],
            "reporter": first.site,
            "reported": say_moment(first.filed.at),
            "why": why_liable(claim.blame, lost=first.kind == "loss"),
            "amount": yuan(amount_fen),
        },
        assumed=goods.assumed,
        calculation=calculation,
    )
    case.memo.setdefault("payees", {})[finding.finding_id] = first.site
    return finding


def _amount(case: Case, goods: Worth, report: Report, struck_out: bool) -> tuple[int, dict[str, int]]:
    """The amount and, where the signature was struck out, how it was halved (TT-22): half up to the fen, after the cap."""
    if goods.amount_fen is None:
        return 0, {}
    rule = case.rules.by_id.get("TT-22")
    terms = rule.on(report.filed.day) if rule is not None and struck_out else None
    if terms is None:
        return goods.amount_fen, {}
    percent = terms["struck_out_percent"]
    return -(-goods.amount_fen * percent // 100), {"struck_out_percent": percent}


def rejections(
    case: Case, rule: Rule, describe: Callable[[Report], tuple[dict[str, Value], list[Known[Any] | None]]]
) -> Iterator[Finding]:
    """A rejection for each report that this rule rejects; `describe` gives the reason's values and the evidence."""
    for report in rejected(case, rule.id):
        terms = rule.at(report.filed.day)
        values, evidence = describe(report)
        named: dict[str, Value] = {
            "reporter": report.site,
            "kind": _KINDS[report.kind],
            "reported": say_moment(report.filed.at),
        }
        yield case.finding(
            rule,
            terms,
            kind="rejection",
            site=report.site,
            role="reporter",
            trigger=report.filed.at,
            evidence=[report.filed, *evidence],
            text="rejection" if "rejection" in terms.texts else "main",
            values={**named, **values},
            uses=("delay_report_days",) if rule.id == "TT-14" else (),
            suffix=None if rule.id == "TT-12" else report.id,
        )


def tt_14(case: Case, rule: Rule) -> Iterable[Finding]:
    """Reported too late (002 七1): delay after day 15, anything else after day 30."""
    start = term_start(case)

    def describe(report: Report) -> tuple[dict[str, Value], list[Known[Any] | None]]:
        terms = rule.at(report.filed.day)
        days = terms["delay_report_days"] if report.kind == "delay" else terms["report_days"]
        begun = start if start is not None else report.filed.day
        left = [known for known in case.of(ScanDeparted) if known.event.data.site == case.custody.origin_site]
        shown: list[Known[Any] | None] = [*left[:1], *case.of(ScanCollected)[:1]]
        return {"days": days, "start": say_day(begun), "last": say_day(begun + days)}, shown[:1]

    return list(rejections(case, rule, describe))


def tt_15(case: Case, rule: Rule) -> Iterable[Finding]:
    """Cash inside (002 七2): origin bears the consequences, the report is not accepted."""
    return list(rejections(case, rule, lambda _report: ({}, list(case.of(ScanCollected)[:1]))))


def tt_17(case: Case, rule: Rule) -> Iterable[Finding]:
    """Signed for normally (002 七4, 七6)."""
    signature = normal_signature(case.custody, case.now)
    signed = say_moment(signature.at) if signature is not None else "-"
    return list(rejections(case, rule, lambda _report: ({"signed": signed}, [signature])))


def tt_20(case: Case, rule: Rule) -> Iterable[Finding]:
    """Fragile goods, inner damage (002 七8)."""
    return list(rejections(case, rule, lambda _report: ({}, list(case.of(ScanCollected)[:1]))))
