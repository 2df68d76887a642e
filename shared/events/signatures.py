"""Signatures: what the delivering site entered about who took the parcel (contract.md §3)."""

from __future__ import annotations

from typing import Literal

from shared.events.envelope import Data, Envelope
from shared.events.values import EventId, Moment, Personal, Site


class SignaturePhoto(Data, frozen=True, kw_only=True, gc=False):
    """What the photo of the signature shows."""

    shows_name: bool
    shows_identity: bool
    legible: bool


class IdChecks(Data, frozen=True, kw_only=True, gc=False):
    """The identity checks that were made; one that is not named was not made."""

    consignee_original: bool = False
    proxy_original: bool = False
    consignee_called: bool = False
    name_matches: bool = False
    change_certificate: bool = False
    sealed: bool = False
    authorisation: bool = False
    company: bool = False


class SignatureRecordedData(Data, frozen=True, kw_only=True, gc=False):
    """Who signed, in what state the parcel was, which checks were made."""

    site: Site
    signed_at: Moment | None = None
    signer: Literal["addressee", "proxy", "locker", "station"]
    signer_name: Personal[str] | None = None
    proxy_identity: Literal["concierge", "front_desk", "family", "colleague", "neighbour", "other"] | None = (
        None
    )
    consent: bool | None = None
    photo: SignaturePhoto | None = None
    outer_damage_noted: bool = False
    inner_issue_noted: bool = False
    struck_out: bool = False
    id_checks: IdChecks | None = None
    handler: Personal[str] | None = None
    operator: Personal[str] | None = None


class SignatureRecorded(Envelope, frozen=True, kw_only=True, gc=False, tag="signature.recorded"):
    """A signature was entered; `time` is the time of the entry, `data.signed_at` of the signing."""

    data: SignatureRecordedData


class SignatureVoidedData(Data, frozen=True, kw_only=True, gc=False):
    """`signature_id` is the id of the event voided."""

    site: Site
    signature_id: EventId
    reason: Personal[str]


class SignatureVoided(Envelope, frozen=True, kw_only=True, gc=False, tag="signature.voided"):
    """A signature entry was taken back: it counts as never recorded."""

    data: SignatureVoidedData


SignatureEvent = SignatureRecorded | SignatureVoided
