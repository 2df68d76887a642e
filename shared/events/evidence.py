"""Evidence (contract.md §3)."""

from __future__ import annotations

from typing import Literal

from shared.events.envelope import Data, Envelope
from shared.events.values import Day, Fen, Moment, Personal, Reference, Site


class EvidenceSubmittedData(Data, frozen=True, kw_only=True, gc=False):
    """One piece of evidence and what it shows. Whether it is audited: `EvidenceSubmitted.audited`."""

    evidence_id: Reference
    site: Site | None = None
    kind: Literal[
        "contact_log",
        "photo",
        "recipient_statement",
        "outer_damage_statement",
        "value_proof",
        "exemption",
        "delivery_copy",
        "other",
    ]
    delivered_on: Day | None = None
    contacted_at: Moment | None = None
    party: Literal["recipient", "sender"] | None = None
    purpose: Personal[str] | None = None
    amount_fen: Fen | None = None
    ground: Literal["natural", "force_majeure", "customer_fault"] | None = None
    has_signature: bool | None = None
    has_contact: bool | None = None
    has_identity_copy: bool | None = None
    shows_name: bool | None = None
    shows_identity: bool | None = None
    legible: bool = True
    sha256: str | None = None
    audited: bool | None = None


class EvidenceSubmitted(Envelope, frozen=True, kw_only=True, gc=False, tag="evidence.submitted"):
    """A site or a desk put something in evidence."""

    data: EvidenceSubmittedData

    @property
    def audited(self) -> bool:
        """Whether the evidence counts as audited: as it says itself, else where a desk submits it."""
        if self.data.audited is not None:
            return self.data.audited
        return self.source.startswith("/desks/")

    @property
    def site(self) -> str | None:
        """Whose evidence it is: the site that it names, else the one that submitted it."""
        return self.data.site or self.source_site


EvidenceEvent = EvidenceSubmitted
