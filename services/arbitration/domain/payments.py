"""What sites have paid to customers themselves, set against the compensation that they owe them."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from services.arbitration.rules.case import Case
from services.arbitration.rules.stream import Known
from shared.events import CompensationPaid
from shared.events.outputs import Finding

CUSTOMERS: Final = frozenset({"sender", "recipient", "beneficiary"})


def with_payments(case: Case, findings: list[Finding]) -> list[Finding]:
    """The findings, each compensation to a customer with what its site has paid of it (`calculation.paid_fen`).

    Only electronic transfers count (000 备注). A site's transfers meet its findings in their order. The amount and the
    awards stay: a payment takes no fault away, it only meets what is owed.
    """
    transfers = [p for p in case.of(CompensationPaid) if p.event.data.method == "electronic_transfer"]
    if not transfers:
        return findings
    left_fen: Counter[str] = Counter()
    for payment in transfers:
        left_fen[payment.event.data.site] += payment.event.data.amount_fen
    return [_met(case, finding, transfers, left_fen) for finding in findings]


def _met(
    case: Case, finding: Finding, transfers: list[Known[CompensationPaid]], left_fen: Counter[str]
) -> Finding:
    if finding.kind != "compensation" or finding.site is None:
        return finding
    owed_fen = sum(award.amount_fen for award in finding.awards if award.to in CUSTOMERS)
    met_fen = min(owed_fen, left_fen[finding.site])
    if not met_fen:
        return finding
    left_fen[finding.site] -= met_fen
    paid = [payment for payment in transfers if payment.event.data.site == finding.site]
    return msgspec.structs.replace(
        finding,
        calculation={**finding.calculation, "paid_fen": met_fen},
        evidence=list(dict.fromkeys([*finding.evidence, *case.evidence(paid)])),
    )
