"""Reports on marks and packaging, their handling fee, and parcels detained over a report: YD-01 to YD-04."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from services.arbitration.rules.case import ROLE_NAMES, Case, Value, yuan
from services.arbitration.rules.custody import Link
from services.arbitration.rules.localtime import HOUR_S, say_day, say_moment, seconds, start_of
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from shared.events import EvidenceSubmitted, ReportFiled, ScanArrived
from shared.events.outputs import HEADQUARTERS, Award, Finding

PENDING: Final = "pending"
"""Said of an amount that the source does not give: it is 0 until an officer's ruling names one."""


class Accepted(NamedTuple):
    """A report that is accepted, and the finding that it led to."""

    filed: Known[ReportFiled]
    rule: str
    finding_id: str

    @property
    def id(self) -> str:
        """The report's id."""
        return self.filed.event.data.report_id


def yd_01(case: Case, rule: Rule) -> Iterable[Finding]:
    """Miswritten destination mark (001 一, 大笔): reported within 24 hours of the reporter's own arrival scan."""
    for filed in _filed(case, "mark_miswritten"):
        terms = rule.on(filed.day)
        if terms is None:
            continue
        arrived = _arrival_before(case, filed)
        if arrived is None:
            yield _rejection(case, rule, terms, filed, "no_arrival", {}, [])
        elif filed.at > arrived.at + terms["report_hours"] * HOUR_S:
            last = arrived.at + terms["report_hours"] * HOUR_S
            values: dict[str, Value] = {
                "arrived": say_moment(arrived.at),
                "hours": terms["report_hours"],
                "last": say_moment(last),
            }
            yield _rejection(case, rule, terms, filed, "too_late", values, [arrived])
        else:
            values = {"arrived": say_moment(arrived.at), "hours": terms["report_hours"]}
            yield from _liability(case, rule, terms, filed, values, [arrived])


def yd_02(case: Case, rule: Rule) -> Iterable[Finding]:
    """Foreign packaging (001 一, 非韵达包装): reported with a photo of one face, by a site that scanned the arrival."""
    for filed in _filed(case, "foreign_packaging"):
        terms = rule.on(filed.day)
        if terms is None:
            continue
        photo, arrived = _photo(case, filed.event.data.site), _arrival_before(case, filed)
        faults = _packaging_faults(filed, photo, arrived)
        shown = [arrived, photo]
        if faults:
            named = "；".join(zh for zh, _ in faults), "; ".join(en for _, en in faults)
            yield _rejection(case, rule, terms, filed, "rejected", {"faults": named}, shown)
        else:
            yield from _liability(case, rule, terms, filed, {}, shown)


def yd_03(case: Case, standing: list[Finding]) -> list[Finding]:
    """The handling fee of a report that stands only after its liable party was corrected (001 一, 大笔 6).

    `standing`: what appeals and rulings left of the findings.
    """
    accepted: list[Accepted] = case.memo.get("yunda_accepted", [])
    rule = case.rules.by_id["YD-03"]
    fees = []
    for report in accepted:
        outcome, named = _outcome(report, standing), report.filed.event.data.against_site
        terms = rule.on(report.filed.day)
        if terms is not None and named is not None and outcome is not None and outcome.site != named:
            fees.append(_fee(case, rule, terms, report.filed, outcome))
    return fees


def _outcome(report: Accepted, standing: list[Finding]) -> Finding | None:
    """What stands of an accepted report: its finding, or the one on the site to which a decision moved it."""
    moved = None
    for finding in standing:
        if finding.finding_id == report.finding_id:
            return finding
        if finding.ruling and finding.rule == report.rule:
            tail = finding.finding_id.removeprefix(f"{finding.rule}/{finding.site}/")
            if tail == report.id or tail.startswith(f"{report.id}/"):
                moved = moved or finding
    return moved


def _fee(case: Case, rule: Rule, terms: Terms, filed: Known[ReportFiled], outcome: Finding) -> Finding:
    data = filed.event.data
    award_fen = sum(award.amount_fen for award in outcome.awards if award.to == data.site)
    percent = terms["fee_percent"]
    fee_fen = half_up(award_fen, percent)
    pending = outcome.kind == "liability"
    fee = case.finding(
        rule,
        terms,
        kind="fine",
        site=data.site,
        role="reporter",
        trigger=max(filed.at, seconds(outcome.triggered_at)),
        amount_fen=fee_fen,
        awards=[Award(HEADQUARTERS, fee_fen)] if fee_fen else [],
        evidence=[filed],
        text=PENDING if pending else "main",
        values={
            "report": data.report_id,
            "named": data.against_site or "-",
            "liable": outcome.site or "-",
            "percent": percent,
            "award": yuan(award_fen),
            "amount": yuan(fee_fen),
        },
        uses=("fee_base_award_left",),
        calculation={
            "award_fen": award_fen,
            "fee_percent": percent,
            "named": data.against_site,
            "liable": outcome.site,
            **({"amount": PENDING} if pending else {}),
        },
        suffix=data.report_id,
    )
    # Who is liable in the end, and by which decision, is shown by what the other finding rests on.
    evidence = list(dict.fromkeys([*fee.evidence, *outcome.evidence]))
    return msgspec.structs.replace(fee, evidence=evidence)


def yd_04(case: Case, rule: Rule) -> Iterable[Finding]:
    """Detained over a report (001 一, 2-3): not sent on, taken out or signed by the end of the day after arrival."""
    detained: dict[str, list[_Detention]] = {}
    for link in case.custody.links:
        found = _detention(case, rule, link)
        if found is not None:
            detained.setdefault(link.site, []).append(found)
    for stays in detained.values():
        first = stays[0]
        evidence = [known for stay in stays for known in (stay.arrived, stay.filed, stay.left)]
        yield case.finding(
            rule,
            first.terms,
            kind="alert",
            site=first.link.site,
            role=first.link.role,
            trigger=first.since,
            evidence=evidence,
            values={
                "role": ROLE_NAMES[first.link.role],
                "arrived": say_moment(first.arrived.at),
                "reported": say_moment(first.filed.at),
                "last": say_day(first.last),
            },
            uses=("departure_days",),
            calculation={"days": first.terms["departure_days"], "last_day": say_day(first.last)},
        )


class _Detention(NamedTuple):
    """A stay at a reporter's that went on after it should have ended: the last day allowed, and what ended it."""

    link: Link
    terms: Terms
    arrived: Known[ScanArrived]
    filed: Known[ReportFiled]
    left: Known[Any] | None
    last: int

    @property
    def since(self) -> int:
        """The first second of the detention over a report."""
        return max(start_of(self.last + 1), self.filed.at)


def _detention(case: Case, rule: Rule, link: Link) -> _Detention | None:
    """How a link detains the parcel over a report of its own; None where it does not."""
    arrived = link.arrived
    if arrived is None or link.role == "origin":
        return None
    steps: list[Known[Any]] = [*link.departures, *link.out, *link.signatures]
    if link.next_first is not None:
        # Where another site scans it, nobody detains it here.
        steps.append(link.next_first)
    left = min(steps, key=lambda known: known.at) if steps else None
    filed = _filed_while_held(case, link, arrived.at, left)
    terms = rule.on(filed.day) if filed is not None else None
    if filed is None or terms is None:
        return None
    last = arrived.day + terms["departure_days"]
    over = start_of(last + 1)
    if (left is not None and left.at < over) or not case.review(over):
        return None
    return _Detention(link, terms, arrived, filed, left, last)


def _filed_while_held(
    case: Case, link: Link, arrived: int, left: Known[Any] | None
) -> Known[ReportFiled] | None:
    """The first report of the link's site between its arrival scan and its letting go. What is lost is not held."""
    until = left.at if left is not None else None
    for filed in case.of(ReportFiled):
        data = filed.event.data
        held = arrived <= filed.at and (until is None or filed.at <= until)
        if data.site == link.site and data.kind != "loss" and held:
            return filed
    return None


def _filed(case: Case, kind: str) -> Iterator[Known[ReportFiled]]:
    """The reports of a kind; a report's id counts once for each reporter, as first filed."""
    first: dict[tuple[str, str], Known[ReportFiled]] | None = case.memo.get("yunda_reports")
    if first is None:
        first = case.memo["yunda_reports"] = {}
        for filed in case.of(ReportFiled):
            first.setdefault((filed.event.data.site, filed.event.data.report_id), filed)
    return (filed for filed in first.values() if filed.event.data.kind == kind)


def _arrival_before(case: Case, filed: Known[ReportFiled]) -> Known[ScanArrived] | None:
    """The reporter's own arrival scan: the one that started its last stay by the time of the report."""
    found = None
    for link in case.custody.links:
        if link.site == filed.event.data.site and link.arrived is not None and link.arrived.at <= filed.at:
            found = link.arrived
    return found


def _photo(case: Case, reporter: str) -> Known[EvidenceSubmitted] | None:
    """The first photo of the reporter: the evidence's site, else the site that submitted it."""
    for known in case.of(EvidenceSubmitted):
        if known.event.data.kind == "photo" and known.event.site == reporter:
            return known
    return None


def _packaging_faults(
    filed: Known[ReportFiled], photo: Known[EvidenceSubmitted] | None, arrived: Known[ScanArrived] | None
) -> list[tuple[str, str]]:
    data = filed.event.data
    faults = (
        (arrived is None, ("上报前没有本站到件扫描", "the reporter had not scanned the arrival first")),
        (photo is None, ("没有上报方的照片", "there is no photo of the reporter")),
        (data.label_moved is True, ("面单有人为移位", "the label was moved")),
        (
            data.one_face is False,
            ("外来标识与面单不在同一平面", "the foreign marks and the label are not on one face"),
        ),
    )
    return [words for wrong, words in faults if wrong]


def _liability(
    case: Case,
    rule: Rule,
    terms: Terms,
    filed: Known[ReportFiled],
    values: dict[str, Value],
    evidence: list[Known[Any] | None],
) -> Iterator[Finding]:
    """Origin is liable, the amount is pending. Without a known collection nobody is, yet."""
    origin, data = case.custody.origin, filed.event.data
    if origin is None:
        return
    finding = case.finding(
        rule,
        terms,
        kind="liability",
        site=origin.site,
        role="origin",
        trigger=filed.at,
        evidence=[filed, origin.collected, *evidence],
        values={"reporter": data.site, "reported": say_moment(filed.at), **values},
        calculation={"amount": PENDING},
        suffix=data.report_id,
    )
    accepted: list[Accepted] = case.memo.setdefault("yunda_accepted", [])
    if any(one.finding_id == finding.finding_id for one in accepted):
        return
    accepted.append(Accepted(filed, rule.id, finding.finding_id))
    case.memo.setdefault("payees", {})[finding.finding_id] = data.site
    yield finding


def _rejection(
    case: Case,
    rule: Rule,
    terms: Terms,
    filed: Known[ReportFiled],
    text: str,
    values: dict[str, Value],
    evidence: list[Known[Any] | None],
) -> Finding:
    data = filed.event.data
    return case.finding(
        rule,
        terms,
        kind="rejection",
        site=data.site,
        role="reporter",
        trigger=filed.at,
        evidence=[filed, *evidence],
        text=text,
        values={"reporter": data.site, "reported": say_moment(filed.at), **values},
        suffix=data.report_id,
    )


def half_up(amount_fen: int, percent: int) -> int:
    """A percentage of an amount, half a fen rounded up."""
    return (amount_fen * percent + 50) // 100
