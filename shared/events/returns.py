"""Returns and redirects (contract.md §3)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from shared.events.envelope import Data, Envelope
from shared.events.values import Fen, Personal, Site


class ReturnRequestedData(Data, frozen=True, kw_only=True, gc=False):
    """Origin or the delivery link asks for the return."""

    site: Site
    written: bool = True
    reason: Personal[str] | None = None


class ReturnRequested(Envelope, frozen=True, kw_only=True, gc=False, tag="return.requested"):
    """A site asks that the parcel comes back."""

    data: ReturnRequestedData


class ReturnAnsweredData(Data, frozen=True, kw_only=True, gc=False):
    """What shall happen to the parcel."""

    site: Site
    answer: Literal["return", "hold", "redeliver", "abandon"]


class ReturnAnswered(Envelope, frozen=True, kw_only=True, gc=False, tag="return.answered"):
    """A site answered a request to return."""

    data: ReturnAnsweredData


class ReturnFeeNotifiedData(Data, frozen=True, kw_only=True, gc=False):
    """The fee `site` asks of `to_site`, for the first or second time."""

    site: Site
    to_site: Site
    fee_fen: Fen
    round: Annotated[int, Meta(ge=1, le=2)]
    by_phone: bool = False


class ReturnFeeNotified(Envelope, frozen=True, kw_only=True, gc=False, tag="return.fee_notified"):
    """A site asked for the fee of a return."""

    data: ReturnFeeNotifiedData


class ReturnFeePaidData(Data, frozen=True, kw_only=True, gc=False):
    """The fee that `site` paid to `to_site`."""

    site: Site
    to_site: Site
    fee_fen: Fen


class ReturnFeePaid(Envelope, frozen=True, kw_only=True, gc=False, tag="return.fee_paid"):
    """The fee of a return was paid."""

    data: ReturnFeePaidData


class RedirectRequestedData(Data, frozen=True, kw_only=True, gc=False):
    """A new address. By the recipient, or with a new recipient: refused (rules.md GB-07)."""

    by: Literal["sender", "recipient"] = "sender"
    new_address: Personal[str] | None = None
    new_recipient: Personal[str] | None = None
    fee_fen: Fen | None = None


class RedirectRequested(Envelope, frozen=True, kw_only=True, gc=False, tag="redirect.requested"):
    """The parcel shall go to another address."""

    data: RedirectRequestedData


ReturnEvent = ReturnRequested | ReturnAnswered | ReturnFeeNotified | ReturnFeePaid | RedirectRequested
