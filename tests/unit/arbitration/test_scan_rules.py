"""TT-01, TT-02 and TT-03: scans and entries that are missing or mistaken."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.unit.arbitration.build import Waybill, at

SECOND = timedelta(seconds=1)


def test_middle_link_without_arrival_scan() -> None:
    waybill = Waybill().way(until="departed")
    waybill.departed("HGZ1", "HBJ1", at(1, "23:30"))
    found = waybill.findings(at(2))["TT-01/HGZ1"]
    assert (found.amount_fen, found.awards[0].to, found.role) == (1000, "hq", "transit")
    assert "2026-03-02 23:30" in found.reason.en


def test_a_late_arrival_scan_cures_it() -> None:
    waybill = Waybill().way(until="departed")
    waybill.departed("HGZ1", "HBJ1", at(1, "23:30"))
    waybill.arrived("HGZ1", at(1, "22:00"), recorded=at(5))
    assert waybill.findings(at(5)) == {}


def test_site_that_was_passed_over() -> None:
    waybill = Waybill().way(until="departed")
    waybill.arrived("HBJ1", at(2, "08:00"))
    assert waybill.findings(at(2)).keys() == {"TT-01/HGZ1"}


def test_no_finding_while_the_next_scan_is_the_departing_links_own() -> None:
    waybill = Waybill().way(until="departed")
    waybill.problem("GZ01", at(1, "20:00"), "held")
    assert waybill.findings(at(2)) == {}


def test_two_missing_scans_of_one_site_are_one_finding() -> None:
    waybill = Waybill().way(until="departed")
    for day in (2, 3):
        waybill.departed("HGZ1", "HBJ1", at(day, "08:00"))
        waybill.arrived("HBJ1", at(day, "12:00"))
        waybill.departed("HBJ1", "HGZ1", at(day, "14:00"))
    found = waybill.findings(at(4))
    assert found["TT-01/HGZ1"].amount_fen == 2000


def test_tt_01_applies_on_the_return_leg() -> None:
    waybill = Waybill().way(until="out")
    waybill.returned("BJ02", "HBJ1", at(4, "09:00"))
    waybill.departed("HBJ1", "GZ01", at(4, "20:00"))
    assert "TT-01/HBJ1" in waybill.findings(at(5))


def test_before_the_rulebook_only_the_national_standard() -> None:
    waybill = Waybill()
    moment = at(1).replace(year=2011, month=7, day=29)
    waybill.collected("GZ01", moment)
    waybill.departed("HGZ1", "HBJ1", moment + timedelta(days=1))
    decision = waybill.decide(moment + timedelta(days=2))
    assert decision.findings == []
    waybill.departed("HXX1", "HBJ1", moment + timedelta(days=3))  # 1 August 2011
    decision = waybill.decide(moment + timedelta(days=4))
    assert {f.finding_id for f in decision.findings} == {"TT-01/HXX1", "TT-01/HBJ1"}
    assert decision.rulebook.in_force_from == "2011-08-01"


@pytest.mark.parametrize(("arrival", "due"), [("10:59:59", at(4)), ("11:00", at(5))])
def test_entry_is_due_by_noon_of_the_day_after_the_due_date(arrival: str, due: datetime) -> None:
    waybill = Waybill().way(until="hubs")
    waybill.arrived("BJ02", at(3, arrival))
    waybill.out("BJ02", at(3, "12:30"))
    decision = waybill.decide(at(3, "13:00"))
    assert decision.next_review_at == due + SECOND
    assert waybill.findings(due) == {}
    assert waybill.findings(due + SECOND).keys() == {"TT-02/BJ02"}


def test_late_entry_cures_it() -> None:
    waybill = Waybill().way(until="out")
    assert waybill.findings(at(5)).keys() == {"TT-02/BJ02"}
    waybill.signed("BJ02", at(5, "10:00"))
    assert waybill.findings(at(5)) == {}


@pytest.mark.parametrize("kind", ["problem", "return", "hold"])
def test_problem_return_or_hold_after_the_attempt(kind: str) -> None:
    waybill = Waybill().way(until="out")
    if kind == "problem":
        waybill.problem("BJ02", at(3, "16:00"), "held")
    elif kind == "return":
        waybill.returned("BJ02", "HBJ1", at(3, "16:00"))
    else:
        waybill.add("return.answered", "GZ01", at(3, "16:00"), site="GZ01", answer="hold")
    assert "TT-02/BJ02" not in waybill.findings(at(5))


def test_first_attempt_after_the_deadline() -> None:
    waybill = Waybill().way(until="arrived")
    waybill.out("BJ02", at(6, "08:00"))
    assert waybill.findings(at(7)) == {}
    assert waybill.findings(at(7) + SECOND).keys() == {"TT-02/BJ02"}


def test_mistaken_entry_stands_until_the_own_entry_is_due() -> None:
    waybill = Waybill().way(until="out")
    waybill.signed("GZ01", at(3, "09:00"))
    assert waybill.decide(at(3)).next_review_at == at(4) + SECOND
    assert waybill.findings(at(4)) == {}
    found = waybill.findings(at(4) + SECOND)
    assert found.keys() == {"TT-03/GZ01"}, "TT-02 is not booked while it stands"
    assert (found["TT-03/GZ01"].amount_fen, found["TT-03/GZ01"].assumed) == (20000, [])


def test_mistaken_entry_voided_in_time_or_too_late() -> None:
    waybill = Waybill().way(until="out")
    entry = waybill.signed("HGZ1", at(3, "09:00"))
    late = Waybill().way(until="out")
    late_entry = late.signed("HGZ1", at(3, "09:00"))
    waybill.voided("HGZ1", entry, at(4, "11:00"))
    late.voided("HGZ1", late_entry, at(4, "12:01"))
    assert waybill.findings(at(5)).keys() == {"TT-02/BJ02"}
    found = late.findings(at(5))
    assert found.keys() == {"TT-02/BJ02", "TT-03/HGZ1"}
    assert found["TT-03/HGZ1"].assumed == ["any_site"]
