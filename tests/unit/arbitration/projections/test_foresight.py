"""Risk warnings: what time alone will bring, told three hours before. Days and terms by rules.md §1.1 and TT-02."""

from __future__ import annotations

from datetime import datetime

import pytest

from services.arbitration.domain import ExemptionFact, Facts
from shared.events.duties import Duty
from tests.unit.arbitration.build import Waybill, at
from tests.unit.arbitration.projections.look import duties, look


def fines(waybill: Waybill, now: datetime, facts: Facts | None = None) -> dict[str | None, Duty]:
    return {duty.finding_id: duty for duty in duties(waybill, now, facts).values() if duty.kind == "fine"}


def test_a_parcel_out_on_its_due_day_becomes_a_delay_at_midnight() -> None:
    waybill = Waybill().way(until="out")  # arrived before 11:00 of day 3: due that day
    assert look(waybill.events, at(3, "20:59:59")) == ([], at(3, "21:00"))
    duty = fines(waybill, at(3, "21:00"))["TT-04/BJ02"]
    assert (duty.site, duty.due_at, duty.amount_fen) == ("BJ02", at(3, "23:59:59"), 5000)
    assert duty.reason is not None
    assert "2026-03-04" in duty.reason.en
    assert duty.clause is not None


def test_a_parcel_that_came_at_eleven_is_due_on_the_next_day() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.arrived("BJ02", at(3, "11:00"))
    assert look(waybill.events, at(3, "21:00")) == ([], at(4, "21:00"))
    assert fines(waybill, at(4, "21:00"))["TT-04/BJ02"].due_at == at(4, "23:59:59")


@pytest.mark.parametrize("kind", ["signed", "problem", "returned"])
def test_a_parcel_that_is_dealt_with_becomes_no_delay(kind: str) -> None:
    waybill = Waybill().way(until="out")
    assert fines(waybill, at(3, "22:00"))
    if kind == "signed":
        waybill.signed("BJ02", at(3, "22:00"))
    elif kind == "problem":
        waybill.problem("BJ02", at(3, "22:00"))
    else:
        waybill.returned("BJ02", "HBJ1", at(3, "22:00"))
    assert "TT-04/BJ02" not in fines(waybill, at(3, "22:00"))


def test_a_delay_that_began_stays_until_the_parcel_is_delivered() -> None:
    waybill = Waybill().way(until="arrived")
    before = fines(waybill, at(3, "21:00"))["TT-04/BJ02"]
    assert fines(waybill, at(6))["TT-04/BJ02"] == before
    waybill.signed("BJ02", at(6))
    assert "TT-04/BJ02" not in fines(waybill, at(6))


def test_a_reported_delay_is_a_finding_and_no_warning() -> None:
    waybill = Waybill().way(until="arrived")
    waybill.reported("GZ01", "delay", at(3, "22:00"))
    assert fines(waybill, at(3, "22:00"))["TT-04/BJ02"].due_at == at(3, "23:59:59")
    assert "TT-04/BJ02" not in fines(waybill, at(4, "00:00"))
    assert "TT-04/BJ02" in waybill.findings(at(4, "00:00"))


def test_the_entry_is_due_by_noon() -> None:
    waybill = Waybill().way(until="out")
    assert "TT-02/BJ02" not in fines(waybill, at(4, "09:00"))
    duty = fines(waybill, at(4, "09:00:01"))["TT-02/BJ02"]
    assert (duty.due_at, duty.amount_fen, duty.rule) == (at(4, "12:00"), 5000, "TT-02")
    assert "TT-02/BJ02" not in fines(waybill, at(4, "12:00:01")), "a finding now"


def test_several_moments_within_the_time_ahead_are_all_seen() -> None:
    """The second attempt's entry is due at noon, the contact after the first (GB-03) two hours later."""
    waybill = Waybill().way(until="out")
    waybill.problem("BJ02", at(3, "14:00"))
    waybill.out("BJ02", at(3, "15:00"))
    found = fines(waybill, at(4, "11:30"))
    assert found["TT-02/BJ02"].due_at == at(4, "12:00")
    assert found["GB-03/BJ02"].due_at == at(4, "14:00")


def test_a_complaint_that_is_not_handled_is_fined_beside_the_desks_own_terms() -> None:
    waybill = Waybill("zto").way()
    waybill.complained("attitude", at(5, "09:30"), against_site="BJ02")
    assert fines(waybill, at(10, "20:59:59")) == {}
    (duty,) = fines(waybill, at(10, "21:00")).values()
    assert (duty.finding_id, duty.amount_fen) == ("ZT-09/BJ02/C1", 50_000)
    assert duty.due_at == at(10, "23:59:59")


def test_an_exempt_day_is_no_delay() -> None:
    day = at(4).date()
    facts = Facts(exemptions=[ExemptionFact(exemption_id="flood", sites=["BJ02"], from_=day, to=day)])
    waybill = Waybill().way(until="arrived")
    assert "TT-04/BJ02" not in fines(waybill, at(4), facts)
    assert fines(waybill, at(4, "21:00"), facts)["TT-04/BJ02"].due_at == at(4, "23:59:59")


def test_what_stands_already_is_not_told_again() -> None:
    """A fine that grows by a day is told by its verdict."""
    waybill = Waybill().way(until="arrived")
    waybill.reported("GZ01", "delay", at(5))
    assert "TT-04/BJ02" in waybill.findings(at(5))
    assert "TT-04/BJ02" not in fines(waybill, at(5, "22:00"))


def test_an_ordinary_delivered_parcel_has_no_outlook() -> None:
    assert look(Waybill().way().events, at(3, "15:00")) == ([], None)
