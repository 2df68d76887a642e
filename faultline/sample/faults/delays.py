"""Parcels that come late, and who says so."""

from __future__ import annotations

from datetime import timedelta

from faultline.sample.faults.common import complaint, contact_log, report, settle
from faultline.sample.parcel import ARBITRATION_DESK, ZONE, Parcel
from faultline.sample.scenario import scenario

SNOW_DAYS_AGO = 20
"""When the heavy snow began for which an exemption of many is declared."""


@scenario("TT-04", age_days=(9, 42), weight=6)
def origin_departs_late(parcel: Parcel) -> None:
    """Origin keeps the parcel for days; the delivery site reports the delay."""
    parcel.hold_back(f"departed:{parcel.origin.code}", parcel.random.randint(2, 4))
    _reported_by_delivery(parcel)


@scenario("TT-04", age_days=(11, 42), weight=6)
def hub_departs_late(parcel: Parcel) -> None:
    """A hub keeps the parcel for days; origin, whose customer asks, reports the delay."""
    hub = parcel.random.choice(parcel.hubs).code
    parcel.hold_back(f"departed:{hub}", parcel.random.randint(3, 5))
    at = parcel.office_hour(parcel.signed.time, 1)
    report(parcel, "delay", parcel.origin.code, at, hub)


@scenario("TT-04", age_days=(12, 42), two_hubs=True, weight=4)
def line_haul_late(parcel: Parcel) -> None:
    """The lorry between two hubs takes days longer than agreed."""
    parcel.hold_back(f"arrived:{parcel.hubs[1].code}", 5)
    _reported_by_delivery(parcel)


@scenario("TT-04", age_days=(9, 42), weight=6)
def delivered_late(parcel: Parcel) -> None:
    """The delivery site keeps the parcel for days; the recipient complains."""
    parcel.hold_back("out", parcel.random.randint(2, 4))
    opened = complaint(parcel, "delay", parcel.minutes_after(parcel.signed, 30, 240))
    settle(parcel, opened, parcel.destination.code)


@scenario("TT-04", age_days=(13, 42), weight=3)
def two_links_late(parcel: Parcel) -> None:
    """Origin and the hub each lose days; each answers for its own."""
    parcel.hold_back(f"departed:{parcel.origin.code}", 2)
    parcel.hold_back(f"departed:{parcel.hubs[-1].code}", 3)
    _reported_by_delivery(parcel)


@scenario("TT-04", "GB-01", age_days=(10, 13), weight=4)
def held_and_not_released(parcel: Parcel) -> None:
    """A hub does not let go of the parcel: its late days still grow."""
    hub = parcel.hubs[-1].code
    arrived = parcel.end_after(f"arrived:{hub}")
    report(parcel, "delay", parcel.destination.code, parcel.office_hour(arrived.time, 4), hub)


@scenario("TT-04", age_days=(13, 42), weight=3)
def late_scan_recorded_late(parcel: Parcel) -> None:
    """The late departure was entered hours after the fact: the evidence shows it."""
    hub = parcel.hubs[0].code
    parcel.hold_back(f"departed:{hub}", 3)
    parcel.scan(f"departed:{hub}").recorded_after = timedelta(hours=5)
    _reported_by_delivery(parcel)


@scenario(age_days=(10, 42))
def late_entry_with_statement(parcel: Parcel) -> None:
    """The entry is days late, but the recipient states in due form that it came in time."""
    delivered_on = parcel.signed.time.astimezone(ZONE).date()
    parcel.signed.time += timedelta(days=3)
    entry = parcel.signed
    opened = complaint(parcel, "delay", parcel.minutes_after(entry, 60, 200), claimant="sender")
    settle(parcel, opened, parcel.destination.code)
    parcel.tell(
        "evidence.submitted",
        ARBITRATION_DESK,
        parcel.office_hour(entry.time, 2),
        evidence_id=parcel.reference("E"),
        site=parcel.destination.code,
        kind="recipient_statement",
        delivered_on=delivered_on,
        has_signature=True,
        has_contact=True,
        has_identity_copy=True,
        audited=True,
    )


@scenario(age_days=(12, 42))
def problem_stops_the_clock(parcel: Parcel) -> None:
    """Nobody at home on the first day: the delivery link's clock stops there."""
    out = parcel.scan("out")
    parcel.hold_back("signed", 2)
    problem = parcel.tell(
        "scan.problem",
        parcel.destination.code,
        parcel.minutes_after(out, 60, 180),
        site=parcel.destination.code,
        reason="unreachable",
    )
    contact_log(parcel, problem)
    again = parcel.signed.time - timedelta(minutes=90)
    parcel.tell("scan.out_for_delivery", parcel.destination.code, again, site=parcel.destination.code)
    at = parcel.office_hour(parcel.signed.time, 1)
    report(parcel, "delay", parcel.origin.code, at, parcel.destination.code)


@scenario("TT-14", age_days=(28, 43))
def delay_reported_too_late(parcel: Parcel) -> None:
    """A real delay, reported after day 15."""
    parcel.hold_back(f"departed:{parcel.hubs[-1].code}", 3)
    left = parcel.scan(f"departed:{parcel.origin.code}")
    at = parcel.office_hour(left.time, parcel.random.randint(17, 21))
    report(parcel, "delay", parcel.origin.code, at, parcel.hubs[-1].code)


@scenario(
    "TT-04",
    age_days=(SNOW_DAYS_AGO + 2, SNOW_DAYS_AGO + 3),
    two_hubs=True,
    destinations=("SY01", "DL01"),
    weight=3,
)
def held_by_snow(parcel: Parcel) -> None:
    """The hub in Shenyang is snowed in: most of the days that it loses are excused."""
    parcel.hold_back(f"departed:{parcel.hubs[-1].code}", 4)
    _reported_by_delivery(parcel)


def _reported_by_delivery(parcel: Parcel) -> None:
    at = parcel.minutes_after(parcel.scan(f"arrived:{parcel.destination.code}"), 60, 300)
    report(parcel, "delay", parcel.destination.code, at)
