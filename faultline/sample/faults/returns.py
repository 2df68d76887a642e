"""Parcels that the recipient refuses, and their way back."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from faultline.sample.faults.common import BOTH, contact_log, report
from faultline.sample.parcel import Draft, Parcel
from faultline.sample.scenario import scenario


@scenario(networks=BOTH, age_days=(11, 42), weight=5)
def returned_properly(parcel: Parcel) -> None:
    """Refused at the door, agreed with origin and sent back."""
    refused = _refused(parcel)
    request = _request(parcel, parcel.destination.code, refused)
    answer = _answer(parcel, request, "return", hours=5)
    _way_back(parcel, parcel.minutes_after(answer, 60, 200))


@scenario("TT-01", age_days=(12, 42))
def returned_without_arrival_scan(parcel: Parcel) -> None:
    """On the way back a hub does not scan the arrival."""
    refused = _refused(parcel)
    request = _request(parcel, parcel.destination.code, refused)
    answer = _answer(parcel, request, "return", hours=5)
    _way_back(parcel, parcel.minutes_after(answer, 60, 200))
    parcel.drop(f"back:{parcel.hubs[-1].code}")


@scenario("TT-09", age_days=(24, 42), weight=4)
def return_not_carried_out(parcel: Parcel) -> None:
    """Origin asks for the parcel back; the delivery site sends it days too late."""
    refused = _refused(parcel)
    request = _request(parcel, parcel.origin.code, refused, hours=20)
    # Long enough also across the holidays of a whole week.
    _way_back(parcel, parcel.office_hour(request.time, 13))


@scenario("TT-10", age_days=(10, 42), weight=3)
def return_request_unanswered(parcel: Parcel) -> None:
    """Origin does not answer the request: the delivery site may return the parcel."""
    _request(parcel, parcel.destination.code, _refused(parcel))


@scenario("TT-11", age_days=(18, 42), weight=3)
def hold_period_over(parcel: Parcel) -> None:
    """Origin said hold, and nothing more."""
    request = _request(parcel, parcel.destination.code, _refused(parcel))
    _answer(parcel, request, "hold", hours=6)


@scenario("TT-12", age_days=(27, 42), weight=3)
def return_fee_unpaid(parcel: Parcel) -> None:
    """The fee is asked for twice in vain; the goods are disposed of in due form, and origin's claim comes too late."""
    request = _request(parcel, parcel.destination.code, _refused(parcel))
    first = _fee(parcel, parcel.office_hour(request.time, 1), round_=1)
    second = _fee(parcel, parcel.office_hour(first.time, 4), round_=2, by_phone=True)
    disposed = _dispose(parcel, parcel.office_hour(second.time, 5))
    disposed.data.update(approved_by="片区经理", photos=4)
    report(parcel, "loss", parcel.origin.code, parcel.office_hour(disposed.time, 2))


@scenario("TT-13", age_days=(26, 42), weight=3)
def return_fee_taken(parcel: Parcel) -> None:
    """The fee is paid and the parcel comes back days too late."""
    request = _request(parcel, parcel.destination.code, _refused(parcel))
    asked = _fee(parcel, parcel.office_hour(request.time, 1), round_=1)
    paid = parcel.tell(
        "return.fee_paid",
        parcel.origin.code,
        parcel.minutes_after(asked, 60, 600),
        site=parcel.origin.code,
        to_site=parcel.destination.code,
        fee_fen=asked.data["fee_fen"],
    )
    _way_back(parcel, parcel.office_hour(paid.time, 13))


@scenario("TT-26", age_days=(14, 42), weight=3)
def disposed_without_right(parcel: Parcel) -> None:
    """The goods are disposed of before anybody may, and without photos."""
    request = _request(parcel, parcel.destination.code, _refused(parcel))
    _dispose(parcel, parcel.office_hour(request.time, 3))


@scenario("TT-28", age_days=(14, 42), weight=3)
def returned_too_soon(parcel: Parcel) -> None:
    """Origin said hold, and the parcel is sent back at once."""
    request = _request(parcel, parcel.destination.code, _refused(parcel))
    answer = _answer(parcel, request, "hold", hours=4)
    _way_back(parcel, parcel.minutes_after(answer, 120, 300))


def _refused(parcel: Parcel) -> Draft:
    """The recipient refuses the parcel; recipient and sender are contacted."""
    parcel.drop("signed")
    site = parcel.destination.code
    at = parcel.minutes_after(parcel.scan("out"), 40, 150)
    problem = parcel.tell("scan.problem", site, at, site=site, reason="refused")
    contact_log(parcel, problem)
    contact_log(parcel, problem, "sender")
    return problem


def _request(parcel: Parcel, site: str, after: Draft, *, hours: int = 2) -> Draft:
    at = parcel.minutes_after(after, hours * 60 - 30, hours * 60 + 30)
    return parcel.tell("return.requested", site, at, site=site, written=True, reason="收件人拒收")


def _answer(parcel: Parcel, request: Draft, answer: str, *, hours: int) -> Draft:
    origin = parcel.origin.code
    at = parcel.minutes_after(request, hours * 60 - 30, hours * 60 + 30)
    return parcel.tell("return.answered", origin, at, site=origin, answer=answer)


def _fee(parcel: Parcel, at: datetime, *, round_: int, by_phone: bool = False) -> Draft:
    site = parcel.destination.code
    return parcel.tell(
        "return.fee_notified",
        site,
        at,
        site=site,
        to_site=parcel.origin.code,
        fee_fen=1_200,
        round=round_,
        by_phone=by_phone,
    )


def _dispose(parcel: Parcel, at: datetime) -> Draft:
    site = parcel.destination.code
    return parcel.tell("goods.disposed", site, at, site=site)


def _way_back(parcel: Parcel, at: datetime) -> None:
    """The return leg, by the same hubs; origin receives it."""
    back = list(reversed(parcel.route))
    parcel.tell("scan.returned", back[0].code, at, site=back[0].code, next_site=back[1].code)
    for here, following in pairwise(back[1:]):
        arrived = parcel.tell(
            "scan.arrived",
            here.code,
            parcel.minutes_after(parcel.last, 200, 900),
            tag=f"back:{here.code}",
            site=here.code,
            via="piece",
        )
        parcel.tell(
            "scan.departed",
            here.code,
            parcel.minutes_after(arrived, 120, 480),
            site=here.code,
            next_site=following.code,
        )
    origin = back[-1].code
    parcel.tell(
        "scan.arrived",
        origin,
        parcel.minutes_after(parcel.last, 90, 400),
        tag=f"back:{origin}",
        site=origin,
        via="piece",
    )
