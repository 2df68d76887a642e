"""Complaints of customers and the sites' replies to them (contract.md §3)."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from shared.events.envelope import Data, Envelope
from shared.events.values import Claimant, ComplaintCategory, Personal, Reference, Site


class ComplaintOpenedData(Data, frozen=True, kw_only=True, gc=False):
    """What is complained of, by whom and against whom."""

    complaint_id: Reference
    channel: Literal["phone", "web", "letter", "visit", "message"]
    category: ComplaintCategory
    claimant: Claimant
    against_site: Site | None = None
    major: bool = False
    major_ground: Literal["violation", "reputation", "regulator", "litigation"] | None = None
    text: Personal[str] | None = None


class ComplaintOpened(Envelope, frozen=True, kw_only=True, gc=False, tag="complaint.opened"):
    """A customer complained."""

    data: ComplaintOpenedData


class ComplaintReopenedData(Data, frozen=True, kw_only=True, gc=False):
    """A complaint that is open again."""

    complaint_id: Reference
    text: Personal[str] | None = None


class ComplaintReopened(Envelope, frozen=True, kw_only=True, gc=False, tag="complaint.reopened"):
    """The customer came back to a complaint."""

    data: ComplaintReopenedData


class ComplaintEscalatedData(Data, frozen=True, kw_only=True, gc=False):
    """Who took the complaint up, and about what."""

    complaint_id: Reference | None = None
    escalation_id: Reference
    body: Literal["post_bureau", "local_bureau", "courier_association", "consumer_association"]
    category: ComplaintCategory
    against_site: Site | None = None


class ComplaintEscalated(Envelope, frozen=True, kw_only=True, gc=False, tag="complaint.escalated"):
    """A regulator or an association took the complaint up."""

    data: ComplaintEscalatedData


class ComplaintReceivedData(Data, frozen=True, kw_only=True, gc=False):
    """The site that has the form."""

    complaint_id: Reference
    site: Site


class ComplaintReceived(Envelope, frozen=True, kw_only=True, gc=False, tag="complaint.received"):
    """The site has the complaint's form; the desk or the site itself says so."""

    data: ComplaintReceivedData


class ComplaintFlaggedData(Data, frozen=True, kw_only=True, gc=False):
    """Why the complaint needs attention."""

    complaint_id: Reference
    ground: Literal["violation", "customer_risk"]
    text: Personal[str] | None = None


class ComplaintFlagged(Envelope, frozen=True, kw_only=True, gc=False, tag="complaint.flagged"):
    """The desk marked a complaint."""

    data: ComplaintFlaggedData


class ComplaintHandledData(Data, frozen=True, kw_only=True, gc=False):
    """The site that settled it."""

    complaint_id: Reference
    site: Site


class ComplaintHandled(Envelope, frozen=True, kw_only=True, gc=False, tag="complaint.handled"):
    """The desk learned that the complaint was settled with the customer."""

    data: ComplaintHandledData


class ComplaintClosedData(Data, frozen=True, kw_only=True, gc=False):
    """How the complaint ended; the member `class` is `class_` here."""

    complaint_id: Reference
    satisfied: bool | None = None
    class_: Literal["service_quality", "operations", "not_ours"] | None = field(default=None, name="class")
    subclass: str | None = None


class ComplaintClosed(Envelope, frozen=True, kw_only=True, gc=False, tag="complaint.closed"):
    """The desk closed the complaint."""

    data: ComplaintClosedData


class ReplyRegisteredData(Data, frozen=True, kw_only=True, gc=False):
    """What a site answered to a complaint."""

    complaint_id: Reference
    site: Site
    outcome: Literal["contacted", "progress", "resolved", "compensated", "declined", "referred_hq"]
    special_reason: Personal[str] | None = None
    text: Personal[str]


class ReplyRegistered(Envelope, frozen=True, kw_only=True, gc=False, tag="reply.registered"):
    """A site replied to a complaint."""

    data: ReplyRegisteredData


class ReplyAuditedData(Data, frozen=True, kw_only=True, gc=False):
    """Whether the site's reply holds."""

    complaint_id: Reference
    site: Site
    result: Literal["valid", "invalid", "false"]


class ReplyAudited(Envelope, frozen=True, kw_only=True, gc=False, tag="reply.audited"):
    """The desk audited a reply."""

    data: ReplyAuditedData


ComplaintEvent = (
    ComplaintOpened
    | ComplaintReopened
    | ComplaintEscalated
    | ComplaintReceived
    | ComplaintFlagged
    | ComplaintHandled
    | ComplaintClosed
    | ReplyRegistered
    | ReplyAudited
)
