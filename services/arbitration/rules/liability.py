"""Who answers for loss and damage: the liability shift of rules.md §0 and its starting points (§1.2)."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from services.arbitration.rules.case import Case
from services.arbitration.rules.custody import Custody, Link
from services.arbitration.rules.localtime import HOUR_S
from services.arbitration.rules.stream import Known
from shared.events import NoticePosted, NoticePostedData

NoticeKind = Literal["goods_missing", "damage"]


class Excuse(NamedTuple):
    """A link that is excused, and the notice that excuses it."""

    link: Link
    notice: Known[NoticePosted]


class Blame(NamedTuple):
    """The liable link, those downstream that excused themselves, and what shows it all."""

    link: Link
    excused: tuple[Excuse, ...]
    evidence: tuple[Known[Any], ...]


def loss(case: Case, custody: Custody) -> Blame | None:
    """The link that answers for a loss; None where no scan is known at all (rules.md §1.2, Loss).

    `custody`: the chain as it was when the loss was reported.
    """
    links = custody.links
    if not links:
        return None
    last = links[-1]
    # Whoever scanned the piece itself had it: only a bag's arrival, or a departure, leaves room for an excuse. Who took it
    # out for delivery without a signature answers.
    if last.out or not (last.only_by_bag or last.gone):
        return Blame(last, (), _custody_evidence(last))
    return _shift(case, custody, len(links) - 1, "goods_missing")


def damage(case: Case, reported_at: int, custody: Custody | None = None) -> Blame | None:
    """The link that answers for damage: from the last that held the parcel at signing, or when it was reported.

    `custody`: the chain to go by, where it is not the whole one.
    """
    custody = custody if custody is not None else case.custody
    signature = custody.signature
    if signature is not None and signature.at <= reported_at and custody.delivery is not None:
        start: Link | None = custody.delivery
    else:
        start = next((link for link in reversed(custody.links) if link.first.at <= reported_at), None)
    if start is None:
        return None
    index = next(i for i, link in enumerate(custody.links) if link is start)
    return _shift(case, custody, index, "damage")


def counts(notice: NoticePostedData) -> bool:
    """Whether a notice counts: by fax or e-mail only with a copy to headquarters (TT-25)."""
    return notice.channel == "system" or notice.filed_with_hq is True


def _shift(case: Case, custody: Custody, start: int, kind: NoticeKind) -> Blame:
    """Ask the links one after another, upstream from `start`; the first that is not excused is liable."""
    links = custody.links
    excused: list[Excuse] = []
    for index in range(start, 0, -1):
        notice = _excusing_notice(case, custody, index, kind)
        if notice is None:
            return _blame(links[index], excused)
        excused.append(Excuse(links[index], notice))
    return _blame(links[0], excused)


def _blame(link: Link, excused: list[Excuse]) -> Blame:
    shown = [
        known for excuse in excused for known in (excuse.link.arrived, excuse.notice) if known is not None
    ]
    return Blame(link, tuple(excused), (*_custody_evidence(link), *shown))


def _custody_evidence(link: Link) -> tuple[Known[Any], ...]:
    """What shows that the link had the parcel."""
    shown = [link.received or link.first, link.departed, *link.out[:1], *link.signatures[:1]]
    return tuple(known for known in shown if known is not None)


def _excusing_notice(
    case: Case, custody: Custody, index: int, kind: NoticeKind
) -> Known[NoticePosted] | None:
    """The first notice that excuses a link: to the previous link or origin, in time, about this waybill."""
    link = custody.links[index]
    arrived = link.arrived
    if arrived is None or link is custody.origin:
        return None
    recipients = _recipients(custody, index)
    latest = arrived.at + case.general(arrived.day)["notice_hours"] * HOUR_S
    stays = sum(other.site == link.site for other in custody.links)
    for notice in case.of(NoticePosted):
        data = notice.event.data
        if data.site != link.site or data.to_site not in recipients or notice.at > latest or not counts(data):
            continue
        if stays > 1 and notice.at < arrived.at:
            continue
        if (data.kind == kind and data.names_waybill) or _describes_goods(data):
            return notice
    return None


def _recipients(custody: Custody, index: int) -> set[str]:
    """Whom a link has to tell: the previous link (a site passed over in between too) or origin."""
    told = {custody.links[index - 1].site}
    if custody.origin is not None:
        told.add(custody.origin.site)
    first = custody.links[index].first
    told.update(skipped.site for skipped in custody.skipped if skipped.seen is first)
    return told


def _describes_goods(notice: NoticePostedData) -> bool:
    """Goods without label: the notice must let others recognise them (TT-23)."""
    described = notice.packaging and notice.shape and notice.size and notice.photo_published_at
    return notice.kind == "waybill_missing" and bool(described)
