"""Who is paid in the end: one award per link (TT-16) and another company's label (TT-18)."""

from __future__ import annotations

from typing import Final

import msgspec

from services.arbitration.rules.case import Case
from shared.events import ReportFiled
from shared.events.outputs import HEADQUARTERS, Award, Finding

_BY_REPORT: Final = frozenset({"TT-04", "TT-06", "TT-07", "TT-08"})
"""Rules that pay the reporter."""


def one_award_per_link(case: Case, findings: list[Finding]) -> list[Finding]:
    """TT-16: of several awards of one reporter on one link the largest is paid to it, the others go to headquarters.

    On a tie the lower rule id is paid.
    """
    if not case.of(ReportFiled):
        return findings
    claims: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
    for finding in findings:
        if finding.rule in _BY_REPORT and finding.site is not None:
            for award in finding.awards:
                if award.to != HEADQUARTERS and award.amount_fen:
                    ranked = (-award.amount_fen, finding.rule, finding.finding_id)
                    claims.setdefault((award.to, finding.site), []).append(ranked)
    lost = {
        (finding_id, reporter)
        for (reporter, _), ranked in claims.items()
        for _, _, finding_id in sorted(ranked)[1:]
    }
    if not lost:
        return findings
    return [
        _redirected(f, {to for finding_id, to in lost if finding_id == f.finding_id}, "TT-16")
        for f in findings
    ]


def other_companys_label(case: Case, findings: list[Finding]) -> list[Finding]:
    """TT-18: with the label of another site than origin, fines and compensation stand, but the money goes to headquarters."""
    label_site = case.parcel.label_site if case.parcel is not None else None
    if label_site is None or label_site == case.custody.origin_site:
        return findings
    # A liability that an officer gives an amount later pays nobody but headquarters either.
    case.memo.pop("payees", None)
    return [
        _redirected(finding, {award.to for award in finding.awards}, "TT-18")
        if finding.rule.startswith("TT-") and finding.kind in ("fine", "compensation")
        else finding
        for finding in findings
    ]


def _redirected(finding: Finding, losers: set[str], by: str) -> Finding:
    """The finding with what `losers` would get given to headquarters; its calculation names the rule that did it."""
    to_hq = sum(a.amount_fen for a in finding.awards if a.to in losers or a.to == HEADQUARTERS)
    kept = [award for award in finding.awards if award.to not in losers and award.to != HEADQUARTERS]
    if not losers - {HEADQUARTERS} or not finding.awards:
        return finding
    return msgspec.structs.replace(
        finding,
        awards=[*kept, Award(HEADQUARTERS, to_hq)],
        calculation={**finding.calculation, "to_hq_by": by},
    )
