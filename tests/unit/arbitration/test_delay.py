"""TT-04: days late, link by link (rules.md §1.1)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from services.arbitration.domain import ExemptionFact, Facts, SiteFact
from tests.unit.arbitration.build import Waybill, at


def delayed(waybill: Waybill, day: int = 8, **data: Any) -> Waybill:
    waybill.reported("GZ01", "delay", at(day, "17:00"), **data)
    return waybill


def late(waybill: Waybill, day: int = 20) -> dict[str, int]:
    """Amounts of TT-04 by site."""
    return {f.site or "-": f.amount_fen for f in waybill.findings(at(day)).values() if f.rule == "TT-04"}


def test_origin_must_depart_by_the_end_of_the_next_day() -> None:
    for day, amount in ((2, None), (3, 5000), (5, 15000)):
        waybill = Waybill()
        waybill.collected("GZ01", at(1, "10:00"))
        waybill.departed("GZ01", "HGZ1", at(day, "23:59"))
        waybill.arrived("HGZ1", at(day + 1, "08:00"))
        waybill.departed("HGZ1", "BJ02", at(day + 1, "09:00"))
        assert late(delayed(waybill), 8).get("GZ01") == amount


def test_middle_link_and_its_assumed_term() -> None:
    waybill = Waybill().way(until="departed")
    waybill.arrived("HGZ1", at(1, "21:30"))
    waybill.departed("HGZ1", "BJ02", at(5, "08:00"))
    delayed(waybill)
    found = waybill.findings(at(8))["TT-04/HGZ1"]
    assert (found.amount_fen, found.assumed, found.role) == (15000, ["hub_departure_days"], "transit")
    assert found.calculation["days"] == 3
    assert "2026-03-03" in found.reason.en


def test_linehaul_is_the_departing_links() -> None:
    waybill = Waybill().way(until="departed")
    waybill.arrived("HGZ1", at(6, "21:30"))
    waybill.departed("HGZ1", "BJ02", at(6, "23:00"))
    assert late(delayed(waybill), 8) == {"GZ01": 10000}


def test_linehaul_to_a_link_without_arrival_scan_is_not_judged() -> None:
    waybill = Waybill().way(until="departed")
    waybill.departed("HGZ1", "BJ02", at(7, "23:00"))
    # The middle link is timed from the departure of the one before.
    assert late(delayed(waybill), 8) == {"HGZ1": 25000}


def test_a_link_that_has_not_let_go_is_counted_to_now() -> None:
    waybill = delayed(Waybill().way(until="arrived"), 4)
    assert late(waybill, 4) == {"BJ02": 5000}
    assert late(waybill, 6) == {"BJ02": 15000}
    assert waybill.decide(at(6)).next_review_at == at(7, "00:00")


def test_it_grows_to_the_cap_and_no_further() -> None:
    waybill = delayed(Waybill().way(until="arrived"), 4)
    capped = waybill.decide(at(300))
    assert [f.amount_fen for f in capped.findings if f.rule == "TT-04"] == [500000]
    assert capped.next_review_at is None


@pytest.mark.parametrize(
    ("entry", "out", "amount"),
    [
        ((4, "12:00"), 3, None),  # by noon: speaks for day 3, the due date
        ((4, "12:01"), 3, 5000),  # after noon: its own day
        ((5, "09:00"), 3, 5000),
        ((5, "09:00"), 5, 10000),  # out for delivery later than the day the entry speaks for
        ((3, "10:00"), 3, None),  # never a day before the due date
    ],
)
def test_noon_rule(entry: tuple[int, str], out: int, amount: int | None) -> None:
    waybill = Waybill().way(until="arrived")
    waybill.out("BJ02", at(out, "08:30"))
    waybill.signed("BJ02", at(*entry))
    assert late(delayed(waybill)).get("BJ02") == amount


@pytest.mark.parametrize(("day", "amount"), [("2026-03-04", None), ("2026-03-06", 10000)])
def test_recipients_statement_fixes_the_day(day: str, amount: int | None) -> None:
    waybill = Waybill().way(until="out")
    waybill.signed("BJ02", at(5, "09:00"))
    whole: dict[str, Any] = {
        "has_signature": True,
        "has_contact": True,
        "has_identity_copy": True,
        "delivered_on": day,
    }
    waybill.evidence("recipient_statement", at(7), **whole)
    assert late(delayed(waybill)).get("BJ02") == amount


def test_incomplete_statement_does_not_count() -> None:
    waybill = Waybill().way(until="out")
    waybill.signed("BJ02", at(5, "09:00"))
    waybill.evidence(
        "recipient_statement", at(7), has_signature=True, has_contact=True, delivered_on="2026-03-04"
    )
    assert late(delayed(waybill)) == {"BJ02": 5000}


def test_problem_scan_stops_the_clock() -> None:
    waybill = Waybill().way(until="out")
    waybill.problem("BJ02", at(4, "10:00"))
    waybill.signed("BJ02", at(8, "18:00"))
    assert late(delayed(waybill)) == {"BJ02": 5000}


def test_a_loss_on_a_link_replaces_its_delay() -> None:
    waybill = Waybill().way(until="out")
    delayed(waybill, 6)
    waybill.reported("GZ01", "loss", at(6, "18:00"), "R2")
    found = waybill.findings(at(7))
    assert "TT-04/BJ02" not in found
    assert found["TT-07/BJ02"].kind == "liability"


def test_money_goes_to_the_earliest_accepted_reporter_else_to_headquarters() -> None:
    waybill = Waybill().way(until="out")
    waybill.signed("BJ02", at(5, "09:00"))
    waybill.complained("delay", at(5, "10:00"))
    assert waybill.findings(at(6))["TT-04/BJ02"].awards[0].to == "hq"
    waybill.reported("BJ02", "delay", at(6, "10:00"), "R0")
    assert waybill.findings(at(6))["TT-04/BJ02"].awards[0].to == "hq", (
        "the reporter is the liable site itself"
    )


def test_reported_too_late() -> None:
    in_time, too_late = (Waybill().way(until="out") for _ in range(2))
    for waybill in (in_time, too_late):
        waybill.signed("BJ02", at(5, "09:00"))
    delayed(in_time, 16)
    delayed(too_late, 17)
    assert in_time.findings(at(17)).keys() == {"TT-04/BJ02"}
    assert too_late.findings(at(17, "18:00")).keys() == {"TT-14/GZ01/R1"}


def test_another_companys_label_sends_the_money_to_headquarters() -> None:
    waybill = Waybill()
    waybill.collected("GZ01", at(1), label_site="SZ09")
    waybill.departed("GZ01", "BJ02", at(5))
    waybill.arrived("BJ02", at(6))
    delayed(waybill, 6, report_id="R1")
    waybill.reported("BJ02", "delay", at(6), "R0")
    assert waybill.findings(at(6, "18:00"))["TT-04/GZ01"].awards[0].to == "hq"


def test_exempt_days_do_not_count() -> None:
    waybill = Waybill().way(until="out")
    waybill.signed("BJ02", at(8, "18:00"))  # 9 March
    delayed(waybill, 9)
    flood = ExemptionFact(exemption_id="flood", city="Beijing", from_=date(2026, 3, 5), to=date(2026, 3, 7))
    facts = Facts(exemptions=[flood], sites={"BJ02": SiteFact(site="BJ02", city="Beijing")})
    found = waybill.findings(at(10), facts)["TT-04/BJ02"]
    assert (found.amount_fen, found.exemptions) == (10000, ["flood"])
    assert waybill.findings(at(10))["TT-04/BJ02"].amount_fen == 25000


def test_return_leg_has_no_delay() -> None:
    waybill = Waybill().way(until="out")
    waybill.problem("BJ02", at(3, "15:00"), "refused")
    waybill.returned("BJ02", "HBJ1", at(4, "09:00"))
    waybill.arrived("HBJ1", at(12, "12:00"))
    assert late(delayed(waybill, 13)) == {}


def test_late_records_are_marked() -> None:
    waybill = Waybill().way(until="out")
    waybill.signed("BJ02", at(5, "09:00"), recorded=at(5, "09:00") + timedelta(hours=2, seconds=1))
    delayed(waybill)
    marks = {ref.id: ref.late_recorded for ref in waybill.findings(at(9))["TT-04/BJ02"].evidence}
    assert marks["e09"] is True
    assert marks["e08"] is False
