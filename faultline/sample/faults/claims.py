"""Damage and shortage, and the reports of them that are not accepted."""

from __future__ import annotations

from faultline.sample.faults.common import notice, report, value_proof
from faultline.sample.parcel import Draft, Parcel
from faultline.sample.scenario import scenario


@scenario("TT-06", weight=5)
def damage_at_delivery(parcel: Parcel) -> None:
    """The recipient notes outer damage; the delivery site had reported nothing on arrival."""
    filed = _damage_noted(parcel)
    value_proof(parcel, filed)


@scenario("TT-06", weight=4)
def damage_shifts_to_hub(parcel: Parcel) -> None:
    """The delivery site told the hub in time, the hub told origin: liability moves up to the hub."""
    posted = _notice_on_arrival(parcel)
    hub, origin = parcel.hubs[-1].code, parcel.origin.code
    passed_on = parcel.tell(
        "notice.forwarded",
        hub,
        parcel.minutes_after(posted, 60, 300),
        notice_id=posted.data["notice_id"],
        site=hub,
        to_site=origin,
    )
    parcel.tell(
        "notice.answered",
        origin,
        parcel.minutes_after(passed_on, 60, 300),
        notice_id=posted.data["notice_id"],
        site=origin,
        to_site=parcel.destination.code,
        plan="加固后派送，差额由责任方赔付",
    )
    value_proof(parcel, _damage_noted(parcel))


@scenario("TT-06", "TT-24", weight=3)
def damage_notice_not_passed_on(parcel: Parcel) -> None:
    """The hub does not pass the notice of damage on to origin."""
    _notice_on_arrival(parcel)
    value_proof(parcel, _damage_noted(parcel))


@scenario("TT-06", weight=3)
def damage_struck_out(parcel: Parcel) -> None:
    """The signature is struck out: accepted, at half the amount (TT-22)."""
    parcel.signed.data["struck_out"] = True
    filed = report(parcel, "shortage", parcel.origin.code, parcel.office_hour(parcel.signed.time, 1))
    value_proof(parcel, filed)


@scenario("TT-06", weight=3)
def damage_without_proof(parcel: Parcel) -> None:
    """Nobody has shown yet what the goods were worth: liability is established, the amount is open."""
    _damage_noted(parcel)


@scenario("TT-06", weight=2)
def damage_insured(parcel: Parcel) -> None:
    """Insured goods: the declared value is the limit."""
    parcel.collected.data.update(insured=True, declared_value_fen=150_000, premium_fen=4_500)
    value_proof(parcel, _damage_noted(parcel))


@scenario("TT-17", weight=4)
def damage_signed_normally(parcel: Parcel) -> None:
    """Damage reported after a signature that notes none."""
    at = parcel.office_hour(parcel.signed.time, 1)
    report(parcel, "outer_damage", parcel.origin.code, at, parcel.destination.code)


@scenario("TT-20", weight=3)
def fragile_inner_damage(parcel: Parcel) -> None:
    """Fragile goods broken inside: nobody inside the network answers."""
    parcel.collected.data.update(fragile=True, goods="玻璃器皿")
    report(parcel, "inner_damage", parcel.origin.code, parcel.office_hour(parcel.signed.time, 1))


@scenario("TT-15", weight=2)
def cash_inside(parcel: Parcel) -> None:
    """Cash was sent: origin bears the consequences."""
    parcel.collected.data["goods"] = "cash"
    parcel.signed.data["outer_damage_noted"] = True
    report(parcel, "shortage", parcel.origin.code, parcel.office_hour(parcel.signed.time, 1))


@scenario("TT-06", weight=2)
def label_of_another_company(parcel: Parcel) -> None:
    """Sent with another site's label: the money goes to headquarters (TT-18)."""
    others = [site.code for site in parcel.network.outlets if site not in parcel.route]
    parcel.collected.data["label_site"] = parcel.random.choice(others)
    value_proof(parcel, _damage_noted(parcel))


@scenario("TT-06", "TT-04", weight=3, age_days=(11, 42))
def delay_and_damage_of_one_link(parcel: Parcel) -> None:
    """The same reporter would be paid twice for one link: the larger award is paid, the other goes to headquarters (TT-16)."""
    parcel.hold_back("out", 2)
    filed = _damage_noted(parcel)
    report(parcel, "delay", parcel.origin.code, parcel.minutes_after(filed, 5, 30), parcel.destination.code)
    value_proof(parcel, filed)


def _damage_noted(parcel: Parcel) -> Draft:
    """The recipient notes outer damage; origin reports it next day."""
    parcel.signed.data["outer_damage_noted"] = True
    at = parcel.office_hour(parcel.signed.time, 1)
    return report(parcel, "outer_damage", parcel.origin.code, at, parcel.destination.code)


def _notice_on_arrival(parcel: Parcel) -> Draft:
    """The delivery site tells the hub of damage within three hours of its arrival scan."""
    site = parcel.destination.code
    at = parcel.minutes_after(parcel.scan(f"arrived:{site}"), 10, 100)
    return notice(parcel, "damage", site, parcel.hubs[-1].code, at)
