"""Fifty yuan for the first complaint of a category: ZT-01 to ZT-07 (000 三, 首次来电即给予50元/票的处罚)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from services.arbitration.rules.case import ROLE_NAMES, Case, Value, yuan
from services.arbitration.rules.complaints import complained_of, first_of
from services.arbitration.rules.custody import Role
from services.arbitration.rules.harm import SCANS, damage_or_loss
from services.arbitration.rules.localtime import day_of, say_moment, seconds
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from services.arbitration.rules.value import worth
from services.arbitration.rules.zto.attempt import compliant_photo, contact_at_delivery
from shared.events import (
    CompensationOffered,
    CompensationPaid,
    ComplaintOpened,
    Event,
    ScanCollected,
    SignatureRecorded,
)
from shared.events.outputs import HEADQUARTERS, Award, Finding, FindingRole

_ON_THE_WEB = (*SCANS, SignatureRecorded)
_NOTHING: tuple[str, str] = ("投递联系清单和规范照片", "the contact log of the attempt and a compliant photo")
_NO_LOG: tuple[str, str] = ("投递时联系收件人的清单", "the contact log of the delivery attempt")
_NO_PHOTO: tuple[str, str] = (
    "能看清签收人姓名或识别代收人身份的照片",
    "a photo that shows the signer's name or identifies the proxy",
)


def zt_01(case: Case, rule: Rule) -> Iterable[Finding]:
    """Signed, not received: revoked by the contact log of the attempt together with a compliant photo, not by one alone."""
    complaint, terms = _first(case, rule, "signed_not_received")
    delivery = case.custody.delivery
    if complaint is None or terms is None or delivery is None:
        return ()
    log = contact_at_delivery(case, delivery, complaint.at)
    photo = compliant_photo(case, delivery)
    if log is not None and photo is not None:
        return ()
    missing = _NOTHING if log is None and photo is None else _NO_LOG if log is None else _NO_PHOTO
    return [
        _fine(
            case,
            rule,
            terms,
            complaint,
            delivery.site,
            "delivery",
            evidence=[case.custody.signature, log, photo],
            values={"missing": missing},
            calculation={"contact_log": log is not None, "compliant_photo": photo is not None},
        )
    ]


def zt_02(case: Case, rule: Rule) -> Iterable[Finding]:
    """Dispatch delay: before the complaint the system knew of nothing but origin's collection.

    Only what was recorded by then counts, the origin too: what becomes known later revokes nothing.
    """
    complaint, terms = _first(case, rule, "dispatch_delay")
    if complaint is None or terms is None:
        return ()
    opened = complaint.event.time
    known_now = _scans_and_signatures(case)
    seen = [known for known in known_now if _recorded(known.event) < opened]
    sites = {known.event.data.site for known in seen}
    if len(sites) != 1 or any(known.event.__class__ is not ScanCollected for known in seen):
        return ()
    later = [known for known in known_now if known.at <= complaint.at and _recorded(known.event) >= opened]
    return [
        _fine(
            case,
            rule,
            terms,
            complaint,
            sites.pop(),
            "origin",
            evidence=[*seen, *later],
            values={"collected": say_moment(seen[0].at)},
            calculation={"recorded_before": len(seen), "happened_before_recorded_after": len(later)},
        )
    ]


def zt_03(case: Case, rule: Rule) -> Iterable[Finding]:
    """Compensation not paid in time: harm is established and less than the theoretical amount was transferred.

    The chain, the loss and the money are those of the complaint's moment: what is done after it revokes nothing.
    """
    complaint, terms = _first(case, rule, "untimely_compensation")
    harm = damage_or_loss(case, complaint) if complaint is not None and terms is not None else None
    if complaint is None or terms is None or harm is None:
        return ()
    goods = worth(case, complaint.day)
    opened = complaint.event.time
    paid = [known for known in transfers(case) if known.event.time < opened]
    paid_fen = sum(known.event.data.amount_fen for known in paid)
    if goods.amount_fen is None or paid_fen >= goods.amount_fen:
        return ()
    offers = [known for known in case.of(CompensationOffered) if _recorded(known.event) < opened]
    if any(o.event.data.amount_fen >= goods.amount_fen and not o.event.data.accepted for o in offers):
        return ()
    site = harm.blame.link.site if harm.blame is not None else complaint.event.data.against_site
    if site is None:
        return ()
    return [
        _fine(
            case,
            rule,
            terms,
            complaint,
            site,
            harm.blame.link.role if harm.blame is not None else case.role_of(site),
            evidence=[
                *harm.shown,
                *(harm.blame.evidence if harm.blame is not None else ()),
                goods.proof,
                *paid,
                *offers,
            ],
            values={
                "harm": ("破损、短少", "damage") if harm.kind == "damage" else ("遗失", "loss"),
                "theoretical": yuan(goods.amount_fen),
                "paid": yuan(paid_fen),
            },
            calculation={**goods.calculation, "paid_fen": paid_fen},
            assumed=goods.assumed,
        )
    ]


def zt_04(case: Case, rule: Rule) -> Iterable[Finding]:
    """Attitude: the site complained of, else delivery, else origin."""
    complaint, terms = _first(case, rule, "attitude")
    site = complained_of(case, complaint) if complaint is not None else None
    return _plain(case, rule, terms, complaint, site)


def zt_05(case: Case, rule: Rule) -> Iterable[Finding]:
    """No invoice: the site complained of, else origin."""
    return _on_origin(case, rule, "no_invoice")


def zt_06(case: Case, rule: Rule) -> Iterable[Finding]:
    """No delivery to the door; not where the parcel was delivered on the day of the complaint."""
    complaint, terms = _first(case, rule, "no_door_delivery")
    delivery = case.custody.delivery
    if complaint is None or delivery is None:
        return ()
    if any(_signing_day(signature) == complaint.day for signature in delivery.signatures):
        return ()
    return _plain(case, rule, terms, complaint, delivery.site, "delivery", [*delivery.signatures[:1]])


def zt_07(case: Case, rule: Rule) -> Iterable[Finding]:
    """Overcharging: the site complained of, else origin."""
    return _on_origin(case, rule, "overcharge")


def transfers(case: Case) -> list[Known[CompensationPaid]]:
    """The compensation that was paid by electronic transfer: no other payment counts (000 备注)."""
    return [known for known in case.of(CompensationPaid) if known.event.data.method == "electronic_transfer"]


def _on_origin(case: Case, rule: Rule, category: str) -> Iterable[Finding]:
    complaint, terms = _first(case, rule, category)
    if complaint is None:
        return ()
    site = complaint.event.data.against_site or case.custody.origin_site
    return _plain(case, rule, terms, complaint, site)


def _plain(
    case: Case,
    rule: Rule,
    terms: Terms | None,
    complaint: Known[ComplaintOpened] | None,
    site: str | None,
    role: FindingRole | None = None,
    evidence: Iterable[Known[Any]] = (),
) -> Iterable[Finding]:
    """The fine that follows from the complaint alone."""
    if complaint is None or terms is None or site is None:
        return ()
    return [_fine(case, rule, terms, complaint, site, role or case.role_of(site), evidence=evidence)]


def _first(case: Case, rule: Rule, category: str) -> tuple[Known[ComplaintOpened] | None, Terms | None]:
    """The first complaint of a category, and the terms in force on its local day."""
    complaint = first_of(case, category)
    return complaint, rule.on(complaint.day) if complaint is not None else None


def _fine(
    case: Case,
    rule: Rule,
    terms: Terms,
    complaint: Known[ComplaintOpened],
    site: str,
    role: Role | FindingRole,
    *,
    evidence: Iterable[Known[Any] | None] = (),
    values: Mapping[str, Value] | None = None,
    calculation: Mapping[str, Any] | None = None,
    assumed: Iterable[str] = (),
) -> Finding:
    fine_fen = terms["fine_fen"]
    return case.finding(
        rule,
        terms,
        kind="fine",
        site=site,
        role=role,
        trigger=complaint.at,
        amount_fen=fine_fen,
        awards=[Award(HEADQUARTERS, fine_fen)],
        evidence=[complaint, *evidence],
        values={
            "opened": say_moment(complaint.at),
            "role": ROLE_NAMES[role],
            "amount": yuan(fine_fen),
            **(values or {}),
        },
        uses=("fine_fen",),
        assumed=assumed,
        calculation={"fine_fen": fine_fen, **(calculation or {})},
        suffix=complaint.event.data.complaint_id,
    )


def _scans_and_signatures(case: Case) -> list[Known[Any]]:
    """All scans and signatures, without voided ones: those count as never recorded."""
    voids = case.custody.voids
    return [
        known
        for known in case.events
        if known.event.__class__ in _ON_THE_WEB and id(known.event) not in voids
    ]


def _recorded(event: Event) -> Any:
    return event.recordedtime or event.time


def _signing_day(signature: Known[SignatureRecorded]) -> int:
    signed_at = signature.event.data.signed_at
    return day_of(seconds(signed_at)) if signed_at is not None else signature.day
