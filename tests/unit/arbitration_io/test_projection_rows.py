"""Projections as pure functions: what a waybill adds to scorecards, and when its parcel is silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.arbitration.domain import Facts
from services.arbitration.judging import Judging
from services.arbitration.projections.duties import Ahead
from services.arbitration.projections.looked import Looked
from services.arbitration.projections.scorecards import Sums, Tally, pack, tally, unpack
from services.arbitration.projections.silences import next_look, parcel_of
from services.arbitration.rules.localtime import day_number
from services.arbitration.store.cases import Head
from services.arbitration.stream import Stream
from shared.events import Event
from tests.unit.arbitration.build import BOOKS, Waybill, at
from tests.unit.arbitration.test_properties import _streams as streams

AHEAD = Ahead(fines=timedelta(hours=3), windows=timedelta(hours=2))
judging = Judging(BOOKS, "test", AHEAD)
DAYS = [day_number(at(day).date()) for day in range(40)]


def stream_of(events: Sequence[Event]) -> Stream:
    return Stream(list(events), [msgspec.json.encode(event) for event in events])


def look(events: Sequence[Event], now: datetime, head: Head | None = None) -> tuple[Looked, Head | None]:
    """A look as it is made for a decision, and the version that stands after it."""
    judged = judging.judge(events[0].subject, 0, stream_of(events), head, Facts(), now, asked_for=False)
    assert judged.looked is not None
    return judged.looked, judged.issued.head if judged.issued is not None else judged.refreshed or head


def scores(waybill: Waybill, now: datetime) -> dict[tuple[Any, ...], int]:
    looked, _ = look(waybill.events, now)
    return dict(tally(looked).scores)


def test_each_site_handles_a_parcel_once_on_the_day_it_first_had_it() -> None:
    clean = Waybill().way()
    assert scores(clean, at(5)) == {
        ("GZ01", DAYS[1], "", "parcels"): 1,
        ("HGZ1", DAYS[1], "", "parcels"): 1,
        ("HBJ1", DAYS[3], "", "parcels"): 1,
        ("BJ02", DAYS[3], "", "parcels"): 1,
    }
    again = Waybill().way(until="hubs")
    again.departed("HBJ1", "HGZ1", at(4))
    again.arrived("HGZ1", at(5))
    assert scores(again, at(6))["HGZ1", DAYS[1], "", "parcels"] == 1


def test_who_collected_and_who_delivered_is_known_by_month() -> None:
    looked, _ = look(Waybill().way().events, at(5))
    assert tally(looked).exchange == ("GZ01", day_number(at(0).date()), "BJ02", DAYS[0])
    underway, _ = look(Waybill().way(until="hubs").events, at(4))
    assert tally(underway).exchange == ("GZ01", DAYS[0], "", DAYS[0])
    unknown = Waybill()
    unknown.arrived("HGZ1", at(1))
    assert tally(look(unknown.events, at(1, "13:00"))[0]).exchange is None


def test_a_standing_finding_counts_with_its_money_and_makes_the_parcel_late() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.complained("delay", at(8, "10:00"), against_site="BJ02")
    found = scores(waybill, at(8, "10:01"))
    assert found["BJ02", DAYS[8], "", "complaints"] == 1
    assert found["HBJ1", DAYS[8], "TT-04", "findings"] == 1
    assert found["HBJ1", DAYS[8], "TT-04", "amount_fen"] > 0
    assert found["HBJ1", DAYS[3], "", "late"] == 1, "late on the day on which it counts as handled"


def test_an_escalation_counts_once_and_as_a_ticket_where_it_is_in_the_rate() -> None:
    waybill = Waybill("zto").way()
    for category, number in (("delay", 1), ("delay", 1), ("attitude", 2)):
        waybill.add(
            "complaint.escalated",
            "/desks/cs",
            at(6),
            escalation_id=f"X{number}",
            body="post_bureau",
            category=category,
            against_site="BJ02",
        )
    found = scores(waybill, at(7))
    assert found["BJ02", DAYS[6], "", "escalations"] == 2
    assert found["BJ02", DAYS[6], "", "tickets"] == 1


def total(tallies: Sequence[Tally]) -> Counter[Any]:
    """Sums computed from scratch."""
    sums: Counter[Any] = Counter()
    for one in tallies:
        for score, amount in one.scores:
            sums[score] += amount
        if one.exchange is not None:
            sums[one.exchange] += 1
    return sums


HISTORIES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 25), st.integers(1, 60)), min_size=1, max_size=25
)
"""Looks: which waybill, how many of its events are known by then, on which day."""


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(streams, min_size=3, max_size=3), HISTORIES, st.integers(1, 6))
def test_differences_add_up_to_what_is_there(
    waybills: list[list[Event]], history: list[tuple[int, int, int]], batch: int
) -> None:
    """In batches of any size, with events that come again, verdicts that change and findings that are revoked."""
    kept: dict[int, bytes] = {}
    last: dict[int, Tally] = {}
    heads: dict[int, Head | None] = {}
    written: Counter[Any] = Counter()
    moments = sorted(at(30) + timedelta(days=day) for _, _, day in history)
    for start in range(0, len(history), batch):
        sums = Sums()
        for (number, known, _), now in zip(
            history[start : start + batch], moments[start : start + batch], strict=True
        ):
            events = waybills[number][:known] or waybills[number][:1]
            if not events:
                continue
            looked, heads[number] = look(events + events[: known // 2], now, heads.get(number))
            before = kept.get(number)
            last[number] = tally(looked)
            kept[number] = pack(last[number])
            sums.replace("tiantian", unpack(before) if before is not None else None, last[number])
        for _, site, day, rule, measure, amount in sums.scores():
            written[site, day_number(day), rule, measure] += amount
        for _, origin, collected, delivery, delivered, amount in sums.exchanges():
            written[origin, day_number(collected), delivery, day_number(delivered)] += amount
    assert +written == +total(list(last.values()))
    assert not -written, "no sum is below zero"


@given(streams)
def test_a_tally_is_stored_as_it_is(events: list[Event]) -> None:
    if events:
        found = tally(look(events, at(60))[0])
        assert unpack(pack(found)) == found
        assert pack(found) == pack(tally(look(list(reversed(events)), at(60))[0]))


def test_a_parcel_is_on_its_way_until_it_is_delivered_returned_or_disposed_of() -> None:
    def where(waybill: Waybill) -> Any:
        looked, _ = look(waybill.events, at(30))
        return parcel_of(looked.known, looked.custody)

    assert where(Waybill().way(until="departed")) == ("GZ01", "HGZ1", at(1, "19:00"))
    assert where(Waybill().way(until="out")) == ("BJ02", None, at(3, "08:30"))
    assert where(Waybill().way()) is None
    disposed = Waybill().way(until="out")
    disposed.add("goods.disposed", "BJ02", at(5), site="BJ02")
    assert where(disposed) is None
    voided = Waybill().way()
    voided.voided("BJ02", voided.events[-1].id, at(4))
    assert where(voided) == ("BJ02", None, at(4))
    back = Waybill().way(until="out")
    back.returned("BJ02", "GZ01", at(4))
    assert where(back) == ("BJ02", "GZ01", at(4))
    back.arrived("GZ01", at(5))
    assert where(back) is None
    only_said = Waybill()
    only_said.complained("loss", at(2))
    assert where(only_said) is None, "nobody ever had it"


def test_a_silent_parcel_is_looked_at_ever_less_often_and_always_at_the_same_moments() -> None:
    events = Waybill().way(until="departed").events
    last = at(1, "19:00")

    def planned(hours: float) -> float:
        looked, _ = look(events, last + timedelta(hours=hours))
        following = next_look(looked, 12)
        assert following is not None
        return (following - last) / timedelta(hours=1)

    assert [planned(hours) for hours in (0, 11.9, 12, 23, 24, 47, 48)] == [12, 12, 24, 24, 48, 48, 96]
    assert next_look(look(Waybill().way().events, at(9))[0], 12) is None


def test_a_replay_finds_what_the_look_found() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.complained("delay", at(5, "10:00"))
    looked, head = look(waybill.events, at(5, "10:01"))
    replayed = judging.replay(
        looked.subject, 0, stream_of(waybill.events), head, Facts(), at(5, "10:01")
    ).looked
    assert replayed is not None
    assert tally(replayed) == tally(looked)
    assert parcel_of(replayed.known, replayed.custody) == parcel_of(looked.known, looked.custody)
