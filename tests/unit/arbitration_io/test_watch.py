"""The watch: it may ask too often, never too seldom."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.arbitration.watch import AT_ONCE, DECIDED, STAYS, WHEN_QUIET, Stay, Watch, Wish
from shared.events import EVENT_TYPES, Event, ScanArrived, ScanCollected, ScanOutForDelivery, decode
from tests.support.events import event as one_of
from tests.support.line import parcel, scan

SUBJECT = "tiantian/560000000001"
START = datetime(2026, 3, 4, 2, tzinfo=UTC)
TERM = START + timedelta(days=7)
OUT_TERM = START + timedelta(days=2)
WINDOW = Stay(START + timedelta(days=3), START + timedelta(days=3, hours=1))
PARTITION = 3


class Terms:
    """Duties that plan two known moments."""

    def of_collection(self, event: ScanCollected) -> Wish:
        return TERM

    def of_stay(self, event: ScanArrived) -> Stay | None:
        return WINDOW

    def of_delivery(self, event: ScanOutForDelivery, arrived: datetime) -> Wish:
        return OUT_TERM


def watch(waybills_max: int = 1_000) -> Watch:
    return Watch(Terms(), waybills_max, 1)


def typed(members: Iterable[dict[str, Any]]) -> list[Event]:
    return [decode(json.dumps(one).encode()) for one in members]


def see(watching: Watch, events: Iterable[Event], now: datetime = START) -> list[Wish]:
    """What each event asks for, in the order of arrival."""
    places = watching.places(PARTITION)
    return [watching.see(event, places.get(event.subject), places, now) for event in events]


ORDINARY = typed(parcel(SUBJECT, START, signed=False))
SIGNED = typed(parcel(SUBJECT, START))[-1]


def test_an_ordinary_parcel_asks_for_nothing_but_its_terms() -> None:
    assert see(watch(), ORDINARY) == [TERM, *[None] * 5, STAYS, OUT_TERM]


def test_a_term_that_has_passed_waits_for_quiet_and_is_asked_for_once() -> None:
    """What comes with the event, as in a backlog, may explain it."""
    assert see(watch(), ORDINARY, TERM) == [WHEN_QUIET, *[None] * 7]
    assert see(watch(), ORDINARY, OUT_TERM) == [TERM, *[None] * 5, STAYS, WHEN_QUIET]


def bagged(site: str, *, piece: bool = False) -> ScanArrived:
    """An arrival at HGZ1 where the ordinary parcel arrives there, by its bag or by the piece a little later."""
    moment = START + timedelta(hours=11, minutes=20 * piece)
    (found,) = typed([scan(SUBJECT, site, "scan.arrived", moment, via="piece" if piece else "bag")])
    assert isinstance(found, ScanArrived)
    return found


def test_a_parcel_in_its_bag_asks_for_a_look_while_it_may_be_missing() -> None:
    watching, arrived = watch(), bagged("HGZ1")
    assert see(watching, [*ORDINARY[:2], arrived]) == [TERM, None, STAYS]
    assert watching.stay(PARTITION, arrived) == WINDOW


@pytest.mark.parametrize("after", [bagged("HGZ1", piece=True), ORDINARY[3]], ids=["scanned", "departed"])
def test_a_parcel_that_was_in_its_bag_stays_no_more(after: Event) -> None:
    watching, arrived = watch(), bagged("HGZ1")
    assert see(watching, [*ORDINARY[:2], arrived, after])[-1] is None
    assert watching.stay(PARTITION, arrived) is None


def test_a_piece_that_was_scanned_before_its_bag_asks_for_a_look() -> None:
    bag, piece = bagged("HGZ1"), bagged("HGZ1", piece=True)
    earlier = msgspec.structs.replace(piece, time=bag.time - timedelta(minutes=1))
    assert see(watch(), [*ORDINARY[:2], bag, earlier])[-1] == WHEN_QUIET


def test_a_parcel_stays_at_its_destination_until_it_is_out() -> None:
    watching, arrived = watch(), ORDINARY[6]
    assert isinstance(arrived, ScanArrived)
    see(watching, ORDINARY[:7])
    assert watching.stay(PARTITION, arrived) == WINDOW
    see(watching, ORDINARY[7:])
    assert watching.stay(PARTITION, arrived) is None


def test_a_signature_asks_for_a_look_when_the_waybill_is_quiet() -> None:
    assert see(watch(), [*ORDINARY, SIGNED])[-1] == WHEN_QUIET


@given(st.permutations(range(len(ORDINARY))))
def test_any_disorder_asks_for_a_look(order: list[int]) -> None:
    asked = see(watch(), [ORDINARY[i] for i in order])
    in_order = order == sorted(order)
    assert (WHEN_QUIET in asked or AT_ONCE in asked) is not in_order


@given(st.sets(st.integers(0, len(ORDINARY) - 1), min_size=1, max_size=len(ORDINARY) - 1))
def test_any_gap_asks_for_a_look(missing: set[int]) -> None:
    """Whatever is missing but the end: a parcel that simply has not come further is nobody's fault yet."""
    kept = [event for i, event in enumerate(ORDINARY) if i not in missing]
    only_the_end = missing == set(range(len(kept), len(ORDINARY)))
    assert (WHEN_QUIET in see(watch(), kept)) is not only_the_end


@given(st.integers(1, len(ORDINARY) - 1))
def test_a_copy_asks_for_a_look(again: int) -> None:
    """It may have other content under the same id."""
    assert see(watch(), [*ORDINARY[: again + 1], ORDINARY[again]])[-1] == WHEN_QUIET


@pytest.mark.parametrize("event_type", sorted(EVENT_TYPES))
def test_any_event_of_a_decided_waybill_asks_at_once(event_type: str) -> None:
    (event,) = typed([one_of(event_type, subject=SUBJECT)])
    watching = watch()
    watching.decided(PARTITION, SUBJECT)
    assert see(watching, [event, event]) == [AT_ONCE, AT_ONCE]
    assert watching.place(PARTITION, SUBJECT) is DECIDED


@pytest.mark.parametrize(
    "event_type", sorted(t for t in EVENT_TYPES if t.split(".")[0] not in ("scan", "signature"))
)
@given(before=st.integers(0, len(ORDINARY)))
def test_what_people_say_asks_at_once(event_type: str, before: int) -> None:
    (event,) = typed([one_of(event_type, subject=SUBJECT)])
    assert see(watch(), [*ORDINARY[:before], event])[-1] == AT_ONCE


def test_while_a_look_is_planned_no_other_is_asked_for() -> None:
    watching = watch()
    assert see(watching, ORDINARY[1:]) == [WHEN_QUIET, *[None] * 6]
    watching.begin_look(PARTITION, SUBJECT)
    assert see(watching, [ORDINARY[1]]) == [WHEN_QUIET]


def test_an_event_during_a_look_changes_the_place() -> None:
    watching = watch()
    see(watching, ORDINARY[1:4])
    place = watching.begin_look(PARTITION, SUBJECT)
    assert watching.place(PARTITION, SUBJECT) is place
    see(watching, [ORDINARY[4]])
    assert watching.place(PARTITION, SUBJECT) is not place


def test_after_a_look_that_found_nothing_it_goes_on_from_the_last_scan() -> None:
    watching = watch()
    disordered = [ORDINARY[2], ORDINARY[0], ORDINARY[1]]
    see(watching, disordered)
    watching.begin_look(PARTITION, SUBJECT)
    watching.looked_at(PARTITION, SUBJECT, ORDINARY[:3])
    assert see(watching, ORDINARY[3:5]) == [None, None]


def subjects(count: int) -> Sequence[str]:
    return [f"tiantian/56000000{n:04d}" for n in range(count)]


def test_what_is_forgotten_costs_a_look() -> None:
    """More parcels than it remembers: every scan of a forgotten one asks."""
    watching = watch(waybills_max=10)
    streams = [typed(parcel(subject, START, signed=False)) for subject in subjects(30)]
    for step in range(2):
        for stream in streams:
            asked = see(watching, [stream[step]])
            assert asked == ([TERM] if step == 0 else [WHEN_QUIET])
    assert len(watching.places(PARTITION)) == 10


def test_a_waybill_is_unknown_in_every_other_partition() -> None:
    watching = watch()
    see(watching, ORDINARY[:2])
    assert watching.place(PARTITION + 1, SUBJECT) is None
    watching.forget(PARTITION, SUBJECT)
    assert watching.place(PARTITION, SUBJECT) is None
    watching.decided(PARTITION, SUBJECT)
    watching.clear()
    assert watching.place(PARTITION, SUBJECT) is None
