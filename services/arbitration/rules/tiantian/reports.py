"""The sites' reports: which are accepted, and which rule rejects the others (rules.md §1.2, rejections)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from services.arbitration.rules.case import Case
from services.arbitration.rules.harm import damage_statement, normal_signature, reappeared
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from services.arbitration.rules.tiantian.fees import may_dispose_from
from shared.events import EvidenceSubmitted, ReportFiled, ScanDeparted
from shared.events.outputs import HEADQUARTERS, Award

DAMAGE_KINDS: Final = frozenset({"outer_damage", "inner_damage", "shortage"})
_BARRED_BY_FEE: Final = DAMAGE_KINDS | {"loss"}


class Report(NamedTuple):
    """A report as it is judged. `kind` is `delay` for a loss report whose parcel turned up again."""

    filed: Known[ReportFiled]
    kind: str
    rejected_by: str | None
    """The rule that rejects it; None where it is accepted so far."""

    @property
    def site(self) -> str:
        """The reporter."""
        return self.filed.event.data.site

    @property
    def id(self) -> str:
        """The report's id."""
        return self.filed.event.data.report_id

    @property
    def reappeared(self) -> bool:
        """Whether a report of loss counts as one of delay."""
        return self.kind != self.filed.event.data.kind


def reports(case: Case) -> list[Report]:
    """All reports in order, screened; worked out once a case."""
    found: list[Report] | None = case.memo.get("reports")
    if found is None:
        found = case.memo["reports"] = [_screen(case, filed) for filed in case.of(ReportFiled)]
    return found


def accepted(case: Case, kinds: Iterable[str], rule: Rule) -> list[Report]:
    """The accepted reports of these kinds that were filed while the rule was in force."""
    wanted = set(kinds)
    return [
        report
        for report in reports(case)
        if report.kind in wanted and report.rejected_by is None and rule.on(report.filed.day) is not None
    ]


def rejected(case: Case, rule_id: str) -> Iterator[Report]:
    """The reports that this rule rejects."""
    return (report for report in reports(case) if report.rejected_by == rule_id)


def awards_to(reporter: str | None, liable: str | None, amount_fen: int) -> list[Award]:
    """A fine's money: to the reporter; to headquarters without one, or where the reporter is the liable site itself."""
    to = reporter if reporter is not None and reporter != liable else HEADQUARTERS
    return [Award(to, amount_fen)]


def term_start(case: Case) -> int | None:
    """The local day from which a report's term runs: origin's departure, else the collection."""
    origin = case.custody.origin
    if origin is None or origin.collected is None:
        return None
    for departed in case.of(ScanDeparted):
        if departed.event.data.site == origin.site:
            return departed.day
    return origin.collected.day


def _screen(case: Case, filed: Known[ReportFiled]) -> Report:
    data = filed.event.data
    kind: str = "delay" if data.kind == "loss" and reappeared(case, filed) else data.kind
    for rule_id, test in _TESTS:
        rule = case.rules.by_id.get(rule_id)
        terms = rule.on(filed.day) if rule is not None else None
        if terms is not None and test(case, filed, kind, terms):
            return Report(filed, kind, rule_id)
    return Report(filed, kind, None)


def _too_late(case: Case, filed: Known[ReportFiled], kind: str, terms: Terms) -> bool:
    start = term_start(case)
    if start is None:
        return False
    days = terms["delay_report_days"] if kind == "delay" else terms["report_days"]
    return filed.day > start + days


def _fee_unpaid(case: Case, filed: Known[ReportFiled], kind: str, _terms: Terms) -> bool:
    if kind not in _BARRED_BY_FEE or filed.event.data.site != case.custody.origin_site:
        return False
    since = may_dispose_from(case)
    return since is not None and since <= filed.at


def _cash(case: Case, filed: Known[ReportFiled], _kind: str, _terms: Terms) -> bool:
    goods = filed.event.data.goods
    if goods is None and case.parcel is not None:
        goods = case.parcel.goods
    return goods == "cash"


def _fragile(case: Case, _filed: Known[ReportFiled], kind: str, _terms: Terms) -> bool:
    return kind == "inner_damage" and case.parcel is not None and case.parcel.fragile


def _signed_normally(case: Case, filed: Known[ReportFiled], kind: str, _terms: Terms) -> bool:
    if kind == "loss":
        return normal_signature(case.custody, filed.at) is not None
    signed = normal_signature(case.custody, case.now) is not None
    return signed and kind in DAMAGE_KINDS and damage_statement(case, case.custody) is None


def _old_label(case: Case, _filed: Known[ReportFiled], kind: str, _terms: Terms) -> bool:
    if kind != "mistransit" or case.parcel is None or case.parcel.label_version != "old":
        return False
    return not any(known.event.data.kind == "delivery_copy" for known in case.of(EvidenceSubmitted))


_TESTS: Final = (
    ("TT-14", _too_late),
    ("TT-12", _fee_unpaid),
    ("TT-15", _cash),
    ("TT-20", _fragile),
    ("TT-17", _signed_normally),
    ("TT-27", _old_label),
)
"""In the order of rules.md §1.2; only the first that applies rejects. TT-21 rejects by itself, after these."""
