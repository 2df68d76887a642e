"""Scans and entries that are missing, mistaken or late to be recorded."""

from __future__ import annotations

from datetime import timedelta

from faultline.sample.faults.common import BOTH
from faultline.sample.parcel import Draft, Parcel
from faultline.sample.scenario import scenario


@scenario("TT-01", age_days=(3, 43), weight=14)
def missing_arrival_at_hub(parcel: Parcel) -> None:
    """A hub sends the parcel on without having scanned its arrival."""
    parcel.drop(f"arrived:{parcel.random.choice(parcel.hubs).code}")


@scenario("TT-01", age_days=(3, 43), weight=6)
def missing_arrival_at_delivery(parcel: Parcel) -> None:
    """The delivery site takes it out without having scanned its arrival."""
    parcel.drop(f"arrived:{parcel.destination.code}")


@scenario("TT-01", age_days=(4, 43), two_hubs=True)
def hub_passed_over(parcel: Parcel) -> None:
    """Sent to a hub that never scanned it: the next scan is the delivery site's."""
    hub = parcel.hubs[-1].code
    parcel.drop(f"arrived:{hub}", f"departed:{hub}")


@scenario("TT-02", age_days=(5, 12), weight=8)
def missing_signature(parcel: Parcel) -> None:
    """Out for delivery, and no signature was ever entered."""
    parcel.drop("signed")


@scenario(networks=BOTH, age_days=(8, 43), weight=4)
def late_entry(parcel: Parcel) -> None:
    """The signature is entered two days late: it cures the missing entry."""
    parcel.signed.time += timedelta(days=2)


@scenario("TT-03", age_days=(6, 43), weight=5)
def mistaken_signature(parcel: Parcel) -> None:
    """Origin enters a signature for a parcel that has left, and nobody takes it back."""
    _mistaken(parcel)


@scenario(age_days=(6, 43))
def mistaken_signature_voided(parcel: Parcel) -> None:
    """Origin takes its mistaken entry back in time."""
    entry = _mistaken(parcel)
    parcel.tell(
        "signature.voided",
        parcel.origin.code,
        parcel.minutes_after(entry, 20, 90),
        site=parcel.origin.code,
        signature_id=entry.id,
        reason="误录单号",
    )


@scenario(networks=BOTH, age_days=(5, 43), weight=4)
def scan_recorded_late(parcel: Parcel) -> None:
    """A hub's scanner was off line for hours: its scans are known long after they were made."""
    hub = parcel.hubs[0].code
    offline = timedelta(hours=parcel.random.randint(3, 9))
    for tag in (f"arrived:{hub}", f"departed:{hub}"):
        parcel.scan(tag).recorded_after = offline


def _mistaken(parcel: Parcel) -> Draft:
    origin = parcel.origin.code
    return parcel.tell(
        "signature.recorded",
        origin,
        parcel.minutes_after(parcel.scan(f"departed:{origin}"), 60, 180),
        site=origin,
        signer="addressee",
    )
