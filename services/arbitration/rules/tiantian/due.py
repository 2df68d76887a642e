"""When the delivery link has to deliver and to enter the signature (TT-04 d), which TT-02 and TT-03 look at too."""

from __future__ import annotations

from typing import NamedTuple

from services.arbitration.rules.case import Case
from services.arbitration.rules.custody import Link
from services.arbitration.rules.localtime import clock_of, day_of
from services.arbitration.rules.rulebook import Terms
from services.arbitration.rules.stream import Known
from shared.events import ReturnAnswered, ScanOutForDelivery


class DeliveryDue(NamedTuple):
    """The day on which the parcel is to be delivered, and the last second for the signature entry."""

    timed_from: int
    """The moment that starts the clock: arrival, collection, or the previous link's departure."""
    day: int
    entry: int


def delivery_due(case: Case, link: Link, terms: Terms, touched: set[str]) -> DeliveryDue:
    """Due the same day where the parcel came before the cut-off hour, else the next; the entry by noon of the day after."""
    start = timed_from(case, link)
    start_day = day_of(start)
    days = 0 if start < clock_of(start_day, terms["arrival_cutoff_hour"]) else 1
    day = case.due_day(start_day, days, link.site, touched)
    return DeliveryDue(start, day, entry_by(case, day, link.site, terms, touched))


def entry_by(case: Case, day: int, site: str, terms: Terms, touched: set[str]) -> int:
    """The last second for an entry that belongs to a day: noon of the day after."""
    return clock_of(case.due_day(day, 1, site, touched), terms["entry_hour"])


def timed_from(case: Case, link: Link) -> int:
    """When the link's clock starts: its arrival; without an arrival scan the previous link's departure."""
    if link.received is not None:
        return link.received.at
    previous = case.custody.before(link)
    if previous is not None and previous.departed is not None:
        return previous.departed.at
    return link.first.at


def open_attempt(case: Case, link: Link) -> Known[ScanOutForDelivery] | None:
    """The first out-for-delivery scan that no problem scan, return or answer of origin to hold or return follows."""
    ends = [problem.at for problem in link.problems]
    ends += [departure.at for departure in link.departures]
    origin = case.custody.origin_site
    ends += [
        answered.at
        for answered in case.of(ReturnAnswered)
        if answered.event.data.answer in ("return", "hold") and origin in (None, answered.event.data.site)
    ]
    last_end = max(ends, default=-1)
    return next((out for out in link.out if out.at > last_end), None)


def own_entry_due(
    case: Case, link: Link, attempt: Known[ScanOutForDelivery] | None, terms: Terms, touched: set[str]
) -> int:
    """The last second for the delivery link's entry; where its attempt was only later, noon of the day after that."""
    due = delivery_due(case, link, terms, touched)
    if attempt is not None and attempt.at > due.entry:
        return entry_by(case, attempt.day, link.site, terms, touched)
    return due.entry
