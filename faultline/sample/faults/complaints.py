"""What ZTO's customers complain of, and what comes of it."""

from __future__ import annotations

from faultline.sample.faults.common import (
    closed,
    complaint,
    contact_log,
    handled,
    received,
    reply,
    settle,
    value_proof,
)
from faultline.sample.parcel import COMPLAINT_DESK, POST_BUREAU, Draft, Parcel
from faultline.sample.scenario import scenario

ZTO = ("zto",)


@scenario("ZT-01", networks=ZTO, weight=8)
def signed_not_received(parcel: Parcel) -> None:
    """Signed for, but the recipient has nothing."""
    parcel.signed.data.update(signer="station", signer_name=None)
    _settled(parcel, "signed_not_received")


@scenario(networks=ZTO, weight=4)
def signed_not_received_disproved(parcel: Parcel) -> None:
    """The delivery site shows both the call and a photo with the signer's name."""
    opened = _settled(parcel, "signed_not_received")
    contact_log(parcel, parcel.scan("out"))
    site = parcel.destination.code
    parcel.tell(
        "evidence.submitted",
        site,
        parcel.office_hour(opened.time, 1),
        evidence_id=parcel.reference("E"),
        site=site,
        kind="photo",
        shows_name=True,
        legible=True,
    )


@scenario("ZT-01", networks=ZTO, weight=3)
def signed_not_received_only_called(parcel: Parcel) -> None:
    """The call alone is not enough."""
    parcel.signed.data.pop("photo", None)
    _settled(parcel, "signed_not_received")
    contact_log(parcel, parcel.scan("out"))


@scenario("ZT-02", networks=ZTO, age_days=(9, 42), weight=6)
def not_dispatched(parcel: Parcel) -> None:
    """Origin keeps the parcel for days and the sender complains."""
    origin = parcel.origin.code
    parcel.hold_back(f"departed:{origin}", 3)
    at = parcel.office_hour(parcel.collected.time, 2)
    settle(parcel, complaint(parcel, "dispatch_delay", at, claimant="sender"), origin)


@scenario("ZT-03", networks=ZTO, age_days=(14, 42), weight=5)
def compensation_not_paid(parcel: Parcel) -> None:
    """Damage is noted at signing; days later only a part has been paid."""
    site = parcel.destination.code
    parcel.signed.data["outer_damage_noted"] = True
    parcel.collected.data.pop("premium_fen", None)
    parcel.collected.data["insured"] = False
    proof = value_proof(parcel, parcel.signed)
    parcel.tell(
        "compensation.paid",
        site,
        parcel.office_hour(proof.time, 1),
        site=site,
        amount_fen=2_000,
        method="electronic_transfer",
        to="recipient",
    )
    opened = complaint(parcel, "untimely_compensation", parcel.office_hour(proof.time, 4), against_site=site)
    settle(parcel, opened, site)


@scenario("ZT-04", networks=ZTO, weight=7)
def courier_was_rude(parcel: Parcel) -> None:
    """Attitude."""
    _settled(parcel, "attitude", against_site=parcel.destination.code)


@scenario("ZT-05", networks=ZTO, weight=4)
def no_invoice_given(parcel: Parcel) -> None:
    """The sender asked for an invoice in vain."""
    _settled(parcel, "no_invoice", claimant="sender")


@scenario("ZT-06", networks=ZTO, weight=5)
def not_brought_to_the_door(parcel: Parcel) -> None:
    """Left at a station without asking."""
    parcel.signed.data.update(signer="station", signer_name=None)
    at = parcel.office_hour(parcel.signed.time, 1)
    settle(parcel, complaint(parcel, "no_door_delivery", at), parcel.destination.code)


@scenario("ZT-07", networks=ZTO, weight=4)
def charged_too_much(parcel: Parcel) -> None:
    """The sender was overcharged."""
    _settled(parcel, "overcharge", claimant="sender")


@scenario("ZT-08", networks=ZTO, age_days=(37, 44), weight=4)
def complaint_after_the_window(parcel: Parcel) -> None:
    """Damage complained of after day 30: inside the network the claim is split."""
    site = parcel.destination.code
    parcel.signed.data["outer_damage_noted"] = True
    value_proof(parcel, parcel.signed)
    left = parcel.scan(f"departed:{parcel.origin.code}")
    opened = complaint(parcel, "damage", parcel.office_hour(left.time, 32), claimant="sender")
    settle(parcel, opened, site)


@scenario("ZT-09", networks=ZTO, age_days=(14, 42), weight=5)
def complaint_not_handled(parcel: Parcel) -> None:
    """Nobody settles the complaint."""
    received(parcel, _opened(parcel, "misdelivery"), parcel.destination.code)


@scenario("ZT-09", networks=ZTO, age_days=(12, 42), weight=4)
def complaint_not_registered(parcel: Parcel) -> None:
    """Settled in time, but the site registered no reply."""
    opened = _opened(parcel, "other")
    received(parcel, opened, parcel.destination.code)
    handled(parcel, opened, parcel.destination.code, 16)
    closed(parcel, opened, 22)


@scenario("ZT-09", networks=ZTO, age_days=(14, 42), weight=4)
def reply_invalid(parcel: Parcel) -> None:
    """The desk finds that the reply does not answer."""
    _audited(parcel, "invalid")


@scenario("ZT-09", networks=ZTO, age_days=(14, 42), weight=3)
def reply_false(parcel: Parcel) -> None:
    """The desk finds that the reply is false."""
    _audited(parcel, "false")


@scenario("ZT-09", networks=ZTO, age_days=(14, 42), weight=3)
def complaint_reopened(parcel: Parcel) -> None:
    """The customer comes back."""
    opened = _settled(parcel, "shortage")
    parcel.tell(
        "complaint.reopened",
        COMPLAINT_DESK,
        parcel.office_hour(opened.time, 3),
        complaint_id=opened.data["complaint_id"],
    )


@scenario("ZT-10", networks=ZTO, age_days=(10, 42), weight=4)
def escalated(parcel: Parcel) -> None:
    """The customer goes to the post bureau."""
    _escalated(parcel, "signed_not_received")


@scenario("ZT-10", networks=ZTO, age_days=(10, 42), weight=2)
def escalated_for_attitude(parcel: Parcel) -> None:
    """Escalated for the courier's manner: a flat fine."""
    _escalated(parcel, "attitude")


@scenario("ZT-12", networks=ZTO, age_days=(3, 42), weight=5)
def not_inspected(parcel: Parcel) -> None:
    """Collected without looking at what is inside."""
    parcel.collected.data["inspected"] = False


@scenario("ZT-13", networks=ZTO, weight=4)
def referred_to_headquarters(parcel: Parcel) -> None:
    """The site sends the customer on to headquarters instead of settling."""
    site = parcel.destination.code
    opened = _opened(parcel, "other")
    received(parcel, opened, site)
    reply(parcel, opened, site, "referred_hq", 3)
    reply(parcel, opened, site, "resolved", 19)
    handled(parcel, opened, site, 20)
    closed(parcel, opened, 23)


def _opened(parcel: Parcel, category: str) -> Draft:
    return complaint(parcel, category, parcel.minutes_after(parcel.signed, 60, 1_500))


def _settled(parcel: Parcel, category: str, *, claimant: str = "recipient", **data: str) -> Draft:
    """A complaint that its site settles in time."""
    at = parcel.minutes_after(parcel.signed, 60, 1_500)
    opened = complaint(parcel, category, at, claimant=claimant, **data)
    settle(parcel, opened, parcel.origin.code if claimant == "sender" else parcel.destination.code)
    return opened


def _audited(parcel: Parcel, result: str) -> None:
    opened = _settled(parcel, "other")
    parcel.tell(
        "reply.audited",
        COMPLAINT_DESK,
        parcel.office_hour(opened.time, 2),
        complaint_id=opened.data["complaint_id"],
        site=parcel.destination.code,
        result=result,
    )


def _escalated(parcel: Parcel, category: str) -> None:
    opened = _settled(parcel, category)
    parcel.tell(
        "complaint.escalated",
        POST_BUREAU,
        parcel.office_hour(opened.time, 2),
        complaint_id=opened.data["complaint_id"],
        escalation_id=parcel.reference("X"),
        body="post_bureau",
        category=category,
        against_site=parcel.destination.code,
    )
