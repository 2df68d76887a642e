"""Customers' complaints, each with all that is known of it, and which site a complaint is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from services.arbitration.rules.case import Case
from services.arbitration.rules.harm import damage_or_loss
from services.arbitration.rules.liability import damage, loss
from services.arbitration.rules.localtime import HOUR_S
from services.arbitration.rules.stream import Known
from shared.events import (
    ComplaintClosed,
    ComplaintHandled,
    ComplaintOpened,
    ComplaintReceived,
    ComplaintReopened,
    ReplyAudited,
    ReplyRegistered,
)

CATEGORY_NAMES: Final[dict[str, tuple[str, str]]] = {
    "signed_not_received": ("签收未收到", "signed, not received"),
    "false_signature": ("虚假签收", "false signature"),
    "dispatch_delay": ("发件延误", "dispatch delay"),
    "delay": ("延误", "delay"),
    "loss": ("遗失", "loss"),
    "damage": ("破损", "damage"),
    "shortage": ("短少", "shortage"),
    "misdelivery": ("错误交付", "misdelivery"),
    "untimely_compensation": ("未及时赔付", "compensation not paid in time"),
    "attitude": ("服务态度", "attitude"),
    "no_invoice": ("不提供发票", "no invoice"),
    "no_door_delivery": ("不送货上门", "no delivery to the door"),
    "overcharge": ("乱收费", "overcharging"),
    "other": ("其他", "another matter"),
}
"""Categories of complaints as they stand in reasons."""


class Complaint(msgspec.Struct):
    """One complaint and, each in order, what happened to it. An id that is used twice stands for the first opening."""

    opened: Known[ComplaintOpened]
    received: list[Known[ComplaintReceived]] = []
    replies: list[Known[ReplyRegistered]] = []
    audits: list[Known[ReplyAudited]] = []
    handled: list[Known[ComplaintHandled]] = []
    closed: list[Known[ComplaintClosed]] = []
    reopened: list[Known[ComplaintReopened]] = []

    @property
    def id(self) -> str:
        """The complaint's id."""
        return self.opened.event.data.complaint_id

    @property
    def category(self) -> str:
        """What it complains of."""
        return self.opened.event.data.category

    @property
    def settlements(self) -> list[Known[Any]]:
        """What settled it, in order: handled or closed, with the customer satisfied or not."""
        settled: list[Known[Any]] = [*self.handled, *self.closed]
        return sorted(settled, key=lambda known: known.at)

    def closed_at_intake(self, hours: int) -> Known[ComplaintClosed] | None:
        """What closed it satisfied before anybody else had to act (003 第十二条(一)), within the hours for forwarding.

        None where a site had answered before or the customer came back.
        """
        if self.reopened:
            return None
        last = self.opened.at + hours * HOUR_S
        for closed in self.closed:
            if closed.event.data.satisfied and closed.at <= last:
                answers: list[Known[Any]] = [*self.replies, *self.handled]
                return None if any(known.at < closed.at for known in answers) else closed
        return None


def complaints(case: Case) -> list[Complaint]:
    """All complaints that were opened, in order; collected once a case."""
    found: dict[str, Complaint] | None = case.memo.get("complaints")
    if found is None:
        found = {}
        for opened in case.of(ComplaintOpened):
            found.setdefault(opened.event.data.complaint_id, Complaint(opened))
        for kind, add in _PARTS.items():
            for known in case.by_type.get(kind, ()):
                complaint = found.get(known.event.data.complaint_id)
                if complaint is not None:
                    add(complaint).append(known)
        case.memo["complaints"] = found
    return list(found.values())


_PARTS: Final[dict[type, Callable[[Complaint], list[Known[Any]]]]] = {
    ComplaintReceived: lambda complaint: complaint.received,
    ReplyRegistered: lambda complaint: complaint.replies,
    ReplyAudited: lambda complaint: complaint.audits,
    ComplaintHandled: lambda complaint: complaint.handled,
    ComplaintClosed: lambda complaint: complaint.closed,
    ComplaintReopened: lambda complaint: complaint.reopened,
}


def first_of(case: Case, *categories: str) -> Known[ComplaintOpened] | None:
    """The first complaint of these categories on the waybill."""
    return next(
        (known for known in case.of(ComplaintOpened) if known.event.data.category in categories), None
    )


def complained_of(case: Case, complaint: Known[ComplaintOpened]) -> str | None:
    """The site complained of, else delivery, else origin."""
    return complaint.event.data.against_site or case.custody.delivery_site or case.custody.origin_site


def responsible_site(case: Case, complaint: Known[ComplaintOpened]) -> str | None:
    """SD-06: the site complained of, else the liable site, else delivery, else origin."""
    data = complaint.event.data
    return (
        data.against_site
        or liable_site(case, data.category, complaint, data.complaint_id)
        or case.custody.delivery_site
        or case.custody.origin_site
    )


def liable_site(case: Case, category: str, trigger: Known[Any], complaint_id: str | None) -> str | None:
    """The site that answers for what a complaint or an escalation of this category is about; None where none is found.

    First the site that the rules asked so far found liable for it, then the one that the chain and the liability shift
    (rules.md §0, §1.2) show. `trigger`: the complaint or escalation.
    """
    return _found_liable(case, category, complaint_id) or _liable_by_chain(case, category, trigger)


def _found_liable(case: Case, category: str, complaint_id: str | None) -> str | None:
    """The site of the finding about it: this complaint's own first, then the one that comes first in the chain."""
    rules = _RULES_OF.get(category, ())
    places = {link.site: place for place, link in reversed(list(enumerate(case.custody.links)))}
    ranked = sorted(
        (
            f.finding_id.rpartition("/")[2] != complaint_id,
            places.get(f.site, len(places)),
            f.finding_id,
            f.site,
        )
        for f in case.found
        if f.rule in rules and f.site is not None and f.kind in _LIABLE
    )
    return ranked[0][3] if ranked else None


_LIABLE: Final = frozenset({"fine", "compensation", "liability"})
_RULES_OF: Final[dict[str, Iterable[str]]] = {
    "signed_not_received": ("ZT-01",),
    "dispatch_delay": ("ZT-02",),
    "untimely_compensation": ("ZT-03",),
    "attitude": ("ZT-04",),
    "no_invoice": ("ZT-05",),
    "no_door_delivery": ("ZT-06",),
    "overcharge": ("ZT-07",),
    "delay": ("TT-04",),
    "loss": ("TT-07",),
    "damage": ("TT-06",),
    "shortage": ("TT-06",),
    "misdelivery": ("LR-04",),
}
"""The rules that find the site liable for what a category is about."""


def _liable_by_chain(case: Case, category: str, trigger: Known[Any]) -> str | None:
    if category == "loss":
        blame = loss(case, case.custody)
    elif category in ("damage", "shortage"):
        blame = damage(case, trigger.at)
    elif category == "untimely_compensation":
        harm = damage_or_loss(case, trigger)
        blame = harm.blame if harm is not None else None
    elif category in _OF_DELIVERY:
        return case.custody.delivery_site
    elif category in _OF_ORIGIN:
        return case.custody.origin_site
    else:
        return None
    return blame.link.site if blame is not None else None


_OF_DELIVERY: Final = frozenset({"signed_not_received", "false_signature", "misdelivery", "no_door_delivery"})
_OF_ORIGIN: Final = frozenset({"dispatch_delay", "no_invoice", "overcharge"})
