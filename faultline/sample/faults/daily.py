"""What offices write into their registers every day, and for which nobody is fined."""

from __future__ import annotations

from datetime import timedelta

from faultline.sample.faults.common import BOTH, contact_log, notice
from faultline.sample.parcel import Draft, Parcel
from faultline.sample.scenario import scenario


@scenario(networks=BOTH, age_days=(3, 20), weight=8)
def second_attempt(parcel: Parcel) -> None:
    """Nobody at home; announced, called, and handed over in the afternoon."""
    _attempted(parcel, "unreachable")


@scenario(networks=BOTH, age_days=(3, 20), weight=4)
def address_asked_for(parcel: Parcel) -> None:
    """The address is not clear; the courier asks and goes out again."""
    _attempted(parcel, "address_unclear")


@scenario(networks=BOTH, age_days=(3, 20), weight=6)
def photo_proves_nothing(parcel: Parcel) -> None:
    """The photo of the signature shows neither name nor person, or cannot be read."""
    legible = parcel.random.random() < 0.4
    parcel.signed.data["photo"] = {"shows_name": False, "shows_identity": False, "legible": legible}


@scenario(networks=BOTH, age_days=(3, 30), weight=7)
def receipt_comes_back(parcel: Parcel) -> None:
    """The customer's receipt is signed, sent back and there within days."""
    _receipt(parcel, returned=True)


@scenario(networks=BOTH, age_days=(3, 40), weight=5)
def receipt_is_awaited(parcel: Parcel) -> None:
    """The customer's receipt was asked for and has not come back."""
    _receipt(parcel, returned=False)


def _attempted(parcel: Parcel, reason: str) -> None:
    site, out = parcel.destination.code, parcel.scan("out")
    problem = parcel.tell(
        "scan.problem",
        site,
        parcel.minutes_after(out, 30, 90),
        site=site,
        reason=reason,
        note="收件人电话无人接听" if reason == "unreachable" else "门牌号不全",
    )
    notice(parcel, "other", site, parcel.origin.code, parcel.minutes_after(problem, 5, 40))
    contact_log(parcel, problem)
    again = parcel.tell(
        "scan.out_for_delivery",
        site,
        max(parcel.minutes_after(problem, 60, 100), out.time + timedelta(hours=2)),
        site=site,
        courier=out.data.get("courier"),
    )
    signed = parcel.signed
    if signed.time <= again.time:
        late = again.time + timedelta(minutes=30) - signed.time
        signed.time += late
        signed.data["signed_at"] += late


def _receipt(parcel: Parcel, *, returned: bool) -> None:
    origin, site = parcel.origin.code, parcel.destination.code
    asked = parcel.minutes_after(parcel.collected, 5, 20)
    parcel.tell("receipt.required", origin, asked, site=origin, transfers=len(parcel.hubs))
    if not returned and parcel.random.random() < 0.6:
        return
    sent: Draft = parcel.tell(
        "receipt.returned", site, parcel.minutes_after(parcel.signed, 120, 600), site=site
    )
    if returned:
        parcel.tell("receipt.returned", origin, parcel.minutes_after(sent, 1_400, 2_600), site=origin)
