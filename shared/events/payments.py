"""Compensation, cash on delivery and signed receipts (contract.md §3)."""

from __future__ import annotations

from typing import Literal

from shared.events.envelope import Data, Envelope
from shared.events.values import Claimant, Count, Fen, Personal, Site


class CompensationOfferedData(Data, frozen=True, kw_only=True, gc=False):
    """What `site` offered the customer, on which basis, and whether it was taken."""

    site: Site
    amount_fen: Fen
    basis: Literal["contract", "waybill_terms"]
    accepted: bool


class CompensationOffered(Envelope, frozen=True, kw_only=True, gc=False, tag="compensation.offered"):
    """A site offered compensation."""

    data: CompensationOfferedData


class CompensationPaidData(Data, frozen=True, kw_only=True, gc=False):
    """What `site` paid to the customer, and how."""

    site: Site
    amount_fen: Fen
    method: Literal["electronic_transfer", "cash", "other"]
    to: Claimant


class CompensationPaid(Envelope, frozen=True, kw_only=True, gc=False, tag="compensation.paid"):
    """A site paid compensation."""

    data: CompensationPaidData


class CompensationSettledPrivatelyData(Data, frozen=True, kw_only=True, gc=False):
    """Sites settled between themselves."""

    site: Site
    with_site: Site | None = None
    amount_fen: Fen | None = None


class CompensationSettledPrivately(
    Envelope, frozen=True, kw_only=True, gc=False, tag="compensation.settled_privately"
):
    """Compensation was settled outside arbitration."""

    data: CompensationSettledPrivatelyData


class CodSettledData(Data, frozen=True, kw_only=True, gc=False):
    """The cash on delivery that was handed over."""

    site: Site
    amount_fen: Fen


class CodSettled(Envelope, frozen=True, kw_only=True, gc=False, tag="cod.settled"):
    """Cash on delivery was settled."""

    data: CodSettledData


class ReceiptData(Data, frozen=True, kw_only=True, gc=False):
    """What the four receipt events say about the signed receipt of a waybill."""

    site: Site
    transfers: Count | None = None
    loss_fen: Fen | None = None
    abnormal: bool | None = None
    returnable: bool | None = None
    payment_delayed: bool | None = None
    person: Personal[str] | None = None


class ReceiptRequired(Envelope, frozen=True, kw_only=True, gc=False, tag="receipt.required"):
    """The signed receipt must come back."""

    data: ReceiptData


class ReceiptReturned(Envelope, frozen=True, kw_only=True, gc=False, tag="receipt.returned"):
    """The signed receipt was sent back or came back."""

    data: ReceiptData


class ReceiptLost(Envelope, frozen=True, kw_only=True, gc=False, tag="receipt.lost"):
    """The signed receipt is lost; `data.site` kept it."""

    data: ReceiptData


class ReceiptAudited(Envelope, frozen=True, kw_only=True, gc=False, tag="receipt.audited"):
    """The signed receipt was audited; `data.site` answers for it."""

    data: ReceiptData


PaymentEvent = (
    CompensationOffered
    | CompensationPaid
    | CompensationSettledPrivately
    | CodSettled
    | ReceiptRequired
    | ReceiptReturned
    | ReceiptLost
    | ReceiptAudited
)
