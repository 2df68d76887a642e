"""When a scan asks for a decision: the moment its waybill could become somebody's fault, not before.

A scan that goes on where the last one left off is nobody's fault, and costs nothing. The watch remembers, for a bounded
number of waybills, where each parcel was last; any scan that does not follow from that, a waybill no longer
remembered included, is looked at once its stream has settled. What the watch forgets costs a look, never a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from shared.events import (
    EVENT_CLASSES,
    Event,
    ScanArrived,
    ScanCollected,
    ScanDeparted,
    ScanOutForDelivery,
    ScanProblem,
    ScanReturned,
    SignatureRecorded,
    SignatureVoided,
)

HERE, BAGGED, TOWARDS, OUT, ODD, CASE = range(6)
"""What is remembered: held by a site; held by one that scanned its bag only; on its way to a site; out for delivery;
unclear; a verdict was issued."""

Place = tuple[int, str, datetime | None, bool, str | None]
"""Where a parcel was last: state, site, when it arrived there, whether a look at it is planned and not begun, and its
destination.

A plain tuple, because one is made for each scan.
"""

DECIDED: Final[Place] = (CASE, "", None, False, None)

AT_ONCE: Final = "at_once"
WHEN_QUIET: Final = "when_quiet"
STAYS: Final = "stays"
Wish = str | datetime | None
"""What an event asks for: a decision at once, one when the waybill is quiet, a review at a moment, a look should the parcel
stay where it came, or nothing."""


class Stay(NamedTuple):
    """A look at the moment `at`, should a parcel be where it is by then; of no use once `until` has come."""

    at: datetime
    until: datetime


def stays(place: Place) -> bool:
    """Whether the parcel is still where it may stay for too long: unscanned in its bag, or not out at its destination."""
    return place[0] == BAGGED or (place[0] == HERE and place[1] == place[4])


class Duties(Protocol):
    """The first moments at which an ordinary scan becomes a fault by the mere passing of time."""

    def of_collection(self, event: ScanCollected) -> Wish:
        """What a collection asks for."""

    def of_stay(self, event: ScanArrived) -> Stay | None:
        """When to look at a parcel that stays where this arrival brought it."""

    def of_delivery(self, event: ScanOutForDelivery, arrived: datetime) -> Wish:
        """What going out for delivery asks for, at a site where the parcel arrived at `arrived`."""


class Watch:
    """Remembers up to `waybills_max` parcels, each in its partition; the one met first there is forgotten first.

    A waybill that is remembered in one partition is unknown in every other: who puts its events elsewhere is found out.
    """

    def __init__(self, duties: Duties, waybills_max: int, partitions: int) -> None:
        self._duties = duties
        self._waybills_max = max(1, waybills_max // partitions)
        self._places: dict[int, dict[str, Place]] = {}

    def places(self, partition: int) -> dict[str, Place]:
        """Where the parcels of a partition were last, by subject; for reading, until `clear`."""
        return self._places.setdefault(partition, {})

    def place(self, partition: int, subject: str) -> Place | None:
        """Where a parcel was last, None if not remembered. Another object than before: an event came in."""
        return self.places(partition).get(subject)

    def see(self, event: Event, place: Place | None, places: dict[str, Place], now: datetime) -> Wish:
        """Take an event in, in the order of arrival; say what it asks for. `place`: its waybill's, one of `places`.

        While a look is planned, a further one is not asked for: the look reads the stream with all that came until then.
        A moment that has passed by `now` is no reason to hurry: what comes with the event may explain it.
        """
        if place is DECIDED:
            return AT_ONCE
        state, site, since, wish, destination = _STEPS[event.__class__](self._duties, place, event)
        planned = False
        if place is None:
            self._make_room(places)
        else:
            planned = place[3]
        if wish is not None and wish is not AT_ONCE:
            if planned:
                wish = None
            elif wish is WHEN_QUIET or (isinstance(wish, datetime) and wish <= now):
                wish, planned = WHEN_QUIET, True
        places[event.subject] = (state, site, since, planned, destination)
        return wish

    def stay(self, partition: int, event: ScanArrived) -> Stay | None:
        """When to look at the parcel that arrived, None where it has gone on."""
        place = self.place(partition, event.subject)
        return self._duties.of_stay(event) if place is not None and stays(place) else None

    def begin_look(self, partition: int, subject: str) -> Place | None:
        """A look at the waybill begins: what is seen from now on asks anew. Returns its place, to tell later."""
        places = self.places(partition)
        place = places.get(subject)
        if place is not None and place[3]:
            place = places[subject] = (place[0], place[1], place[2], False, place[4])
        return place

    def decided(self, partition: int, subject: str) -> None:
        """A verdict was issued for the waybill: whatever comes now is decided at once."""
        self._remember(partition, subject, DECIDED)

    def looked_at(self, partition: int, subject: str, events: Iterable[Event]) -> None:
        """The waybill's stream, in order, was looked at and nothing was found: go on from its last scan."""
        place: Place | None = None
        for event in events:
            state, site, since, _, destination = _STEPS[event.__class__](self._duties, place, event)
            place = (state, site, since, False, destination)
        if place is not None:
            self._remember(partition, subject, place)

    def forget(self, partition: int, subject: str) -> None:
        """What was seen of the waybill may not have been stored."""
        self.places(partition).pop(subject, None)

    def clear(self) -> None:
        """Forget everything: other workers may have seen events in between."""
        self._places.clear()

    def _remember(self, partition: int, subject: str, place: Place) -> None:
        places = self.places(partition)
        if subject not in places:
            self._make_room(places)
        places[subject] = place

    def _make_room(self, places: dict[str, Place]) -> None:
        if len(places) >= self._waybills_max:
            del places[next(iter(places))]


Next = tuple[int, str, datetime | None, Wish, str | None]
Step = Callable[[Duties, Place | None, Any], Next]


def _collected(duties: Duties, place: Place | None, event: ScanCollected) -> Next:
    data = event.data
    wish = duties.of_collection(event) if place is None else WHEN_QUIET
    return HERE, data.site, None, wish, data.destination_site


def _departed(_: Duties, place: Place | None, event: ScanDeparted) -> Next:
    data = event.data
    if place is None:
        return TOWARDS, data.next_site, None, WHEN_QUIET, None
    usual = place[0] <= BAGGED and place[1] == data.site
    return TOWARDS, data.next_site, None, None if usual else WHEN_QUIET, place[4]


def _arrived(_: Duties, place: Place | None, event: ScanArrived) -> Next:
    data = event.data
    site, state = data.site, BAGGED if data.via == "bag" else HERE
    if place is None:
        return state, site, event.time, WHEN_QUIET, None
    before, destination = place[0], place[4]
    since = event.time
    if before == BAGGED and place[1] == site and state == HERE and place[2] is not None and place[2] <= since:
        # The piece after its bag: the first arrival starts all clocks.
        since = place[2]
    elif before != TOWARDS or place[1] != site:
        return state, site, since, WHEN_QUIET, destination
    return state, site, since, STAYS if state == BAGGED or site == destination else None, destination


def _out(duties: Duties, place: Place | None, event: ScanOutForDelivery) -> Next:
    site = event.data.site
    if place is not None and place[0] <= BAGGED and place[1] == site and place[2] is not None:
        return OUT, site, place[2], duties.of_delivery(event, place[2]), place[4]
    return OUT, site, None, WHEN_QUIET, place[4] if place is not None else None


def _settles(_: Duties, place: Place | None, event: Event) -> Next:
    return ODD, "", None, WHEN_QUIET, place[4] if place is not None else None


def _asks(_: Duties, place: Place | None, event: Event) -> Next:
    return ODD, "", None, AT_ONCE, place[4] if place is not None else None


_STEPS: Final[dict[type, Step]] = {
    **dict.fromkeys(EVENT_CLASSES, _asks),
    **dict.fromkeys((ScanProblem, ScanReturned, SignatureRecorded, SignatureVoided), _settles),
    ScanCollected: _collected,
    ScanDeparted: _departed,
    ScanArrived: _arrived,
    ScanOutForDelivery: _out,
}
