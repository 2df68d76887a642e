"""The first looks that the watch plans for ordinary scans come when a look would have planned the next one."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.arbitration.duties import Duties
from services.arbitration.watch import Stay
from shared.events import ScanArrived, ScanCollected, ScanOutForDelivery
from tests.unit.arbitration.build import BOOKS, Waybill, at
from tests.unit.arbitration.projections.look import AHEAD, look

first = Duties(BOOKS, AHEAD)
SECOND = timedelta(seconds=1)


def planned(waybill: Waybill, now: datetime) -> datetime | None:
    return look(waybill.events, now).next_look_at


@pytest.mark.parametrize("scope", ["same_city", "intra_province", "inter_province", "international"])
def test_after_a_collection(scope: str) -> None:
    waybill = Waybill().way(until="collected", scope=scope)
    (collected,) = waybill.events
    assert isinstance(collected, ScanCollected)
    assert first.of_collection(collected) == planned(waybill, collected.time)


@pytest.mark.parametrize("clock", ["07:30", "10:59:59", "11:00", "23:30"])
def test_at_the_destination(clock: str) -> None:
    waybill = Waybill().way(until="hubs")
    waybill.arrived("BJ02", at(3, clock))
    arrived = waybill.events[-1]
    assert isinstance(arrived, ScanArrived)
    wish = first.of_stay(arrived)
    assert isinstance(wish, Stay)
    assert wish.at == planned(waybill, min(arrived.time, wish.at - SECOND))
    late = look(waybill.events, wish.until).duties
    assert [duty.due_at for duty in late if duty.rule == "TT-04"] == [wish.until - SECOND]


@pytest.mark.parametrize(
    "out", [at(3, "08:30"), at(3, "20:59"), at(3, "23:00"), at(4, "08:30"), at(4, "12:00:01"), at(6)]
)
def test_out_for_delivery(out: datetime) -> None:
    waybill = Waybill().way(until="arrived")
    arrived = waybill.events[-1].time
    waybill.out("BJ02", out)
    scan = waybill.events[-1]
    assert isinstance(scan, ScanOutForDelivery)
    wish = first.of_delivery(scan, arrived)
    assert isinstance(wish, datetime)
    if wish > out:
        assert wish == planned(waybill, out)
    else:
        told = {duty.rule for duty in look(waybill.events, out).duties}
        assert told & {"TT-02", "TT-04"}, "looked at once, and something is told"


def test_in_a_bag() -> None:
    waybill = Waybill().way(until="departed")
    waybill.arrived("HGZ1", at(1, "21:30"), via="bag")
    arrived = waybill.events[-1]
    assert isinstance(arrived, ScanArrived)
    wish = first.of_stay(arrived)
    assert isinstance(wish, Stay)
    assert wish.at == planned(waybill, arrived.time)
    assert look(waybill.events, wish.until).duties != []
    assert look(waybill.events, wish.until + SECOND).duties == []


def test_networks_without_the_rule_plan_nothing() -> None:
    waybill = Waybill("zto").way(until="out")
    arrived, out = waybill.events[-2:]
    assert isinstance(arrived, ScanArrived)
    assert isinstance(out, ScanOutForDelivery)
    assert first.of_stay(arrived) is None
    assert first.of_delivery(out, arrived.time) is None
