"""Grounds on which no compensation is due: GB-02 (000 索赔环节(二))."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.arbitration.rules.case import Case
from services.arbitration.rules.rulebook import Rule
from services.arbitration.rules.stream import Known
from shared.events import EvidenceSubmitted
from shared.events.outputs import Finding

GOODS_CLAIMS: Final = frozenset({"GB-01", "TT-06", "TT-07", "ZT-08", "YD-05", "LR-04"})
"""Rules whose compensation, or liability for it, is about the goods or their complete delay."""
_MONEY: Final = frozenset({"compensation", "liability"})
_GROUNDS: Final = {
    "natural": ("物品自身性质或合理损耗", "the goods' own nature or reasonable wear"),
    "force_majeure": ("不可抗力", "force majeure"),
    "customer_fault": ("寄件人、收件人过错", "the sender's or the recipient's own fault"),
}


def accepted_exemptions(case: Case) -> list[Known[EvidenceSubmitted]]:
    """Audited exemptions with a ground that counts: force majeure does not where the parcel is insured."""
    insured = case.parcel is not None and case.parcel.insured
    return [
        known
        for known in case.of(EvidenceSubmitted)
        if known.event.data.kind == "exemption"
        and known.event.audited
        and known.event.data.ground is not None
        and not (known.event.data.ground == "force_majeure" and insured)
    ]


def gb_02(case: Case, rule: Rule) -> Iterable[Finding]:
    """One rejection of compensation for each accepted exemption, whether or not somebody complained."""
    for known in accepted_exemptions(case):
        terms = rule.on(known.day)
        ground = known.event.data.ground
        if terms is not None and ground is not None:
            yield case.finding(
                rule,
                terms,
                kind="rejection",
                site=None,
                role="other",
                trigger=known.at,
                evidence=[known],
                values={"ground": _GROUNDS[ground]},
                calculation={"ground": ground},
                suffix=known.event.data.evidence_id,
            )


def without_exempt_compensation(case: Case, findings: list[Finding]) -> list[Finding]:
    """An accepted exemption removes GB-01 and every compensation for the goods."""
    if EvidenceSubmitted not in case.by_type or not accepted_exemptions(case):
        return findings
    return [f for f in findings if not (f.rule in GOODS_CLAIMS and f.kind in _MONEY)]
