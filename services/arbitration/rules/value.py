"""What the goods were worth (rules.md §1.3)."""

from __future__ import annotations

from typing import NamedTuple

from services.arbitration.rules.case import Case
from services.arbitration.rules.stream import Known
from shared.events import EvidenceSubmitted


class Worth(NamedTuple):
    """The value that compensation is about; `amount_fen` is None while no audited proof is known."""

    amount_fen: int | None
    proof: Known[EvidenceSubmitted] | None
    proven_fen: int
    cap_fen: int
    insured: bool
    assumed: tuple[str, ...]

    @property
    def calculation(self) -> dict[str, int | str]:
        """How the amount comes about."""
        cap = {"cap_fen": self.cap_fen, "cap": "declared_value" if self.insured else "uninsured"}
        return (
            cap
            if self.amount_fen is None
            else {"proven_fen": self.proven_fen, **cap, "value_fen": self.amount_fen}
        )


def worth(case: Case, day: int) -> Worth:
    """The largest audited proof, at most the declared value where insured, at most the cap where not.

    `day`: the local day of the claim, for the terms in force.
    """
    terms = case.general(day)
    parcel = case.parcel
    insured = parcel is not None and parcel.insured and parcel.declared_value_fen is not None
    cap_fen = terms["uninsured_cap_fen"]
    if insured and parcel is not None and parcel.declared_value_fen is not None:
        cap_fen = parcel.declared_value_fen
    assumed = () if insured or "uninsured_cap_fen" not in terms.assumed else ("uninsured_cap_fen",)
    best: Known[EvidenceSubmitted] | None = None
    for known in case.of(EvidenceSubmitted):
        data = known.event.data
        if data.kind != "value_proof" or data.amount_fen is None or not known.event.audited:
            continue
        if best is None or data.amount_fen > (best.event.data.amount_fen or 0):
            best = known
    if best is None:
        return Worth(None, None, 0, cap_fen, insured, assumed)
    proven_fen = best.event.data.amount_fen or 0
    return Worth(min(proven_fen, cap_fen), best, proven_fen, cap_fen, insured, assumed)
