"""What the national standard asks of every network."""

from __future__ import annotations

from datetime import timedelta

from faultline.sample.faults.common import BOTH, contact_log
from faultline.sample.parcel import ZONE, Parcel
from faultline.sample.scenario import scenario


@scenario("GB-01", networks=BOTH, age_days=(12, 42), weight=4)
def never_delivered(parcel: Parcel) -> None:
    """The parcel stays at the last hub and nobody reports it."""
    parcel.end_after(f"arrived:{parcel.hubs[-1].code}")


@scenario("GB-03", networks=BOTH, age_days=(8, 42), weight=5)
def attempt_without_contact(parcel: Parcel) -> None:
    """Nobody at home, and no record that the recipient was contacted; delivered next day."""
    _second_attempt(parcel, contacted=False)


@scenario(networks=BOTH, age_days=(8, 42), weight=5)
def attempt_with_contact(parcel: Parcel) -> None:
    """Nobody at home; the recipient is contacted, and it is delivered next day."""
    _second_attempt(parcel, contacted=True)


@scenario("GB-04", networks=BOTH, age_days=(3, 42), weight=5)
def picked_up_late(parcel: Parcel) -> None:
    """Picked up hours after the order."""
    hours = parcel.random.randint(3, 5)
    parcel.collected.data["order_placed_at"] = parcel.collected.time - timedelta(hours=hours)


@scenario("GB-05", networks=BOTH, age_days=(16, 42), weight=3)
def cash_on_delivery_kept(parcel: Parcel) -> None:
    """The cash on delivery is not handed over by the day agreed."""
    due = (parcel.signed.time + timedelta(days=7)).astimezone(ZONE).date()
    parcel.collected.data.update(cod_fen=19_900, cod_due_on=due)


@scenario(networks=BOTH, age_days=(10, 42), weight=6)
def cash_on_delivery_settled(parcel: Parcel) -> None:
    """Cash on delivery, handed over within days."""
    parcel.collected.data["cod_fen"] = 12_800
    site = parcel.destination.code
    at = parcel.office_hour(parcel.signed.time, parcel.random.randint(1, 5))
    parcel.tell("cod.settled", site, at, site=site, amount_fen=12_800)


@scenario("GB-06", networks=BOTH, age_days=(3, 42), weight=5)
def proxy_without_consent(parcel: Parcel) -> None:
    """Somebody else signs, and nobody noted the consent or who it was."""
    data = parcel.signed.data
    data.update(signer="proxy", consent=False)
    data.pop("proxy_identity", None)


@scenario("GB-07", networks=BOTH, age_days=(8, 42), weight=3)
def redirect_after_delivery(parcel: Parcel) -> None:
    """The sender asks for another address after the parcel was delivered."""
    at = parcel.office_hour(parcel.signed.time, 1)
    parcel.tell("redirect.requested", parcel.origin.code, at, by="sender", new_address="改寄新地址")


def _second_attempt(parcel: Parcel, *, contacted: bool) -> None:
    out, site = parcel.scan("out"), parcel.destination.code
    parcel.hold_back("signed", 1)
    problem = parcel.tell(
        "scan.problem", site, parcel.minutes_after(out, 60, 200), site=site, reason="unreachable"
    )
    if contacted:
        contact_log(parcel, problem)
    again = parcel.signed.data["signed_at"] - timedelta(minutes=parcel.random.randint(20, 80))
    parcel.tell("scan.out_for_delivery", site, again, site=site)
