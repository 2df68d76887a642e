"""How the complaint desk and the sites deal with complaints."""

from __future__ import annotations

from typing import Any

from faultline.sample.faults.common import BOTH, closed, complaint, handled, received, reply, settle
from faultline.sample.parcel import COMPLAINT_DESK, Draft, Parcel
from faultline.sample.scenario import scenario


@scenario(networks=BOTH, age_days=(8, 42), weight=5)
def complaint_settled(parcel: Parcel) -> None:
    """Settled as it should be: nobody misses a term."""
    settle(parcel, _opened(parcel), parcel.destination.code)


@scenario("SD-02", networks=BOTH, age_days=(8, 42), weight=3)
def customer_not_contacted(parcel: Parcel) -> None:
    """The site calls only on the third day."""
    site = parcel.destination.code
    opened = _opened(parcel)
    received(parcel, opened, site)
    reply(parcel, opened, site, "resolved", 50)
    handled(parcel, opened, site, 52)
    closed(parcel, opened, 60)


@scenario("SD-03", networks=BOTH, age_days=(14, 42), weight=3)
def complaint_unsettled(parcel: Parcel) -> None:
    """Contacted, and then nothing: the outer limit of three working days passes."""
    site = parcel.destination.code
    opened = _opened(parcel)
    received(parcel, opened, site)
    reply(parcel, opened, site, "progress", 4)


@scenario("SD-05", networks=BOTH, age_days=(16, 42), weight=3)
def no_follow_up(parcel: Parcel) -> None:
    """Settled, but the desk never asks whether the customer is satisfied."""
    site = parcel.destination.code
    opened = _opened(parcel)
    received(parcel, opened, site)
    reply(parcel, opened, site, "resolved", 12)
    handled(parcel, opened, site, 14)


@scenario(networks=BOTH, age_days=(8, 42), weight=2)
def major_complaint(parcel: Parcel) -> None:
    """A complaint that could reach the regulator, and that the desk flags."""
    opened = _opened(parcel, major=True, major_ground="regulator")
    parcel.tell(
        "complaint.flagged",
        COMPLAINT_DESK,
        parcel.minutes_after(opened, 30, 90),
        complaint_id=opened.data["complaint_id"],
        ground="customer_risk",
    )
    settle(parcel, opened, parcel.destination.code)


def _opened(parcel: Parcel, **data: Any) -> Draft:
    return complaint(parcel, "other", parcel.minutes_after(parcel.signed, 60, 1_200), **data)
