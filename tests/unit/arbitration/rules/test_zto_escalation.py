"""ZT-10: escalations, by the month's rate of the first-level outlet."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from services.arbitration.domain import Facts, Rate, SiteFact
from shared.events.outputs import HEADQUARTERS, Award
from tests.unit.arbitration.build import LOCAL, at
from tests.unit.arbitration.rules.desk_events import Complained

SITES = {
    site.site: site
    for site in (
        SiteFact(site="BJ02", parent="BJ00"),
        SiteFact(site="BJ00", parent="HBJ1"),
        SiteFact(site="HBJ1", kind="hub"),
    )
}
FIXED = datetime(2026, 4, 4, tzinfo=LOCAL)


def escalated(category: str = "delay", **data: Any) -> Complained:
    waybill = Complained()
    waybill.way()
    waybill.escalated(category, at(9), **({"against_site": "BJ02"} | data))
    return waybill


def rates(tickets: int, parcels: int) -> Facts:
    return Facts(sites=SITES, rates={"2026-03": {"BJ00": Rate(tickets, parcels)}})


def test_provisional_until_the_rates_are_fixed() -> None:
    waybill = escalated()
    found = waybill.only("ZT-10", at(9))
    assert (found.finding_id, found.state, found.amount_fen) == ("ZT-10/BJ02/X1", "provisional", 50000)
    assert (found.role, found.assumed) == ("delivery", ["rates_fixed_day"])
    assert waybill.decide(at(9)).next_review_at == FIXED
    assert waybill.decide(FIXED).next_review_at is None
    assert waybill.only("ZT-10", FIXED).state == "provisional"


def test_an_amount_that_an_officer_set_is_provisional_no_more() -> None:
    waybill = escalated()
    waybill.ruled("change", at(10), rule="ZT-10", site="BJ02", finding_id="ZT-10/BJ02/X1", amount_fen=80000)
    found = waybill.only("ZT-10", at(10))
    assert (found.state, found.amount_fen) == ("active", 80000)


def test_the_rates_of_december_are_fixed_in_january() -> None:
    waybill = Complained()
    waybill.escalated("delay", datetime(2025, 12, 31, 23, 59, 59, tzinfo=LOCAL), against_site="BJ02")
    review = waybill.decide(datetime(2025, 12, 31, 23, 59, 59, tzinfo=LOCAL)).next_review_at
    assert review == datetime(2026, 1, 4, tzinfo=LOCAL)


@pytest.mark.parametrize(
    ("tickets", "parcels", "amount_fen"),
    [
        (1, 100_000, 50000),  # exactly 10
        (1, 99_999, 100000),
        (3, 200_000, 100000),  # exactly 15
        (3, 199_999, 150000),
        (31, 2_000_000, 150000),  # 15.5 is above
        (0, 0, 50000),
        (1, 0, 150000),
    ],
)
def test_by_the_exact_rate(tickets: int, parcels: int, amount_fen: int) -> None:
    found = escalated().only("ZT-10", FIXED, rates(tickets, parcels))
    assert (found.finding_id, found.state, found.amount_fen) == ("ZT-10/BJ00/X1", "active", amount_fen)
    assert found.awards == [Award(HEADQUARTERS, amount_fen)]
    assert (found.role, found.assumed) == ("other", ["counted_parcels"])


@pytest.mark.parametrize("category", ["attitude", "false_signature"])
def test_flat_at_once(category: str) -> None:
    waybill = escalated(category)
    found = waybill.only("ZT-10", at(9), rates(1, 1_000_000))
    assert (found.state, found.amount_fen, found.site) == ("active", 150000, "BJ00")
    assert waybill.decide(at(9)).next_review_at is None


def test_the_escalations_own_category_counts() -> None:
    waybill = Complained()
    waybill.way()
    waybill.complained("attitude", at(5))
    waybill.escalated("delay", at(9), complaint_id="C1", against_site="BJ02")
    assert waybill.only("ZT-10", at(9)).state == "provisional"


def test_rates_of_another_month_or_outlet_say_nothing() -> None:
    waybill = escalated()
    facts = Facts(sites=SITES, rates={"2026-02": {"BJ00": Rate(1, 1)}, "2026-03": {"BJ02": Rate(1, 1)}})
    assert waybill.only("ZT-10", FIXED, facts).state == "provisional"


@pytest.mark.parametrize(
    ("category", "data", "site"),
    [
        ("dispatch_delay", {}, "GZ01"),
        ("signed_not_received", {}, "BJ02"),
        ("damage", {}, "BJ02"),
        ("attitude", {"complaint_id": "C1"}, "HBJ1"),  # fined by ZT-04 for that complaint
        ("delay", {"complaint_id": "C1"}, "HBJ1"),
        ("other", {}, "BJ02"),
    ],
)
def test_else_the_liable_site(category: str, data: dict[str, str], site: str) -> None:
    waybill = Complained()
    waybill.way()
    waybill.complained("attitude", at(5), "C1", against_site="HBJ1")
    waybill.escalated(category, at(9), **data)
    assert waybill.only("ZT-10", at(9)).site == site


def test_one_ticket_for_each_escalation() -> None:
    waybill = escalated()
    waybill.escalated("delay", at(9), "X1", against_site="GZ01")
    waybill.escalated("delay", at(9), "X2", against_site="GZ01")
    assert [f.finding_id for f in waybill.of("ZT-10", at(9))] == ["ZT-10/BJ02/X1", "ZT-10/GZ01/X2"]


def test_in_force_from_june_2015() -> None:
    for moment, count in (
        (datetime(2015, 5, 31, 23, 59, 59, tzinfo=LOCAL), 0),
        (datetime(2015, 6, 1, tzinfo=LOCAL), 1),
    ):
        waybill = Complained()
        waybill.escalated("delay", moment, against_site="BJ02")
        assert len(waybill.of("ZT-10", at(1))) == count
