"""Appeals and officers' rulings (rules.md §7)."""

from __future__ import annotations

from typing import Any

from services.arbitration.domain import Facts, merge
from tests.unit.arbitration.build import Waybill, at


def fined() -> Waybill:
    """BJ02 one day late, 50 yuan to GZ01, triggered on day 6."""
    waybill = Waybill().way(until="out")
    waybill.signed("BJ02", at(5, "09:00"))
    waybill.reported("GZ01", "delay", at(6))
    return waybill


def appealed(waybill: Waybill, day: int = 7, clock: str = "12:00", site: str = "BJ02") -> Waybill:
    waybill.add("appeal.filed", site, at(day, clock), site=site, appeal_id="A1", finding_id="TT-04/BJ02")
    return waybill


def decided(waybill: Waybill, outcome: str, **data: Any) -> Waybill:
    given = {"appeal_id": "A1", "outcome": outcome, "officer": "Hu", "reason": "heard"} | data
    waybill.add("appeal.decided", "/desks/arb1", at(9), **given)
    return waybill


def test_appeal_in_time_freezes() -> None:
    decision = appealed(fined(), 13, "23:59").decide(at(14))
    assert [f.state for f in decision.findings] == ["frozen"]
    assert decision.status == "appealed"
    assert appealed(fined(), 14, "00:00").decide(at(14)).findings[0].state == "active"


def test_term_runs_from_the_first_notice() -> None:
    facts = Facts(first_issued={"TT-04/BJ02": at(10)})
    assert appealed(fined(), 17).decide(at(18), facts).findings[0].state == "frozen"


def test_only_the_liable_site_may_appeal() -> None:
    assert appealed(fined(), site="GZ01").decide(at(8)).findings[0].state == "active"


def test_dismissed_and_upheld() -> None:
    waybill = decided(appealed(fined()), "dismissed")
    assert waybill.findings(at(9))["TT-04/BJ02"].state == "active"
    before = fined().decide(at(8))
    decision = decided(appealed(fined()), "upheld").decide(at(9))
    assert decision.findings == []
    merged = merge(merge([], before), decision)
    assert [(f.state, f.ruling) for f in merged] == [("revoked", True)]
    assert "A1" in merged[0].reason.en


def test_changed_amount_and_site_to_the_same_recipients() -> None:
    decision = decided(appealed(fined()), "changed", amount_fen=2500, site="HBJ1").decide(at(9))
    (found,) = decision.findings
    assert (found.finding_id, found.site, found.amount_fen) == ("TT-04/HBJ1", "HBJ1", 2500)
    assert [(a.to, a.amount_fen) for a in found.awards] == [("GZ01", 2500)]
    assert (found.ruling, found.clause.source, found.role) == (True, "officer", "transit")
    assert [f.finding_id for f in decision.overturned] == ["TT-04/BJ02"]


def test_ruling_adds_changes_and_removes() -> None:
    waybill = fined()
    waybill.notice("GZ01", "BJ02", "urge", at(5))
    waybill.ruled("add", at(8), rule="TT-05", site="BJ02", amount_fen=10000)
    found = waybill.findings(at(9))["TT-05/BJ02/RUL1"]
    assert (found.kind, found.amount_fen, found.awards[0].to) == ("fine", 10000, "hq")
    assert len(found.evidence) == 2, "the urging notice and the ruling"
    waybill.ruled("change", at(9), rule="TT-04", site="BJ02", amount_fen=100, to="HGZ1", ruling_id="RUL2")
    assert waybill.findings(at(9))["TT-04/BJ02"].awards[0].to == "HGZ1"
    waybill.ruled("remove", at(10), rule="TT-04", site="BJ02", ruling_id="RUL3")
    assert waybill.findings(at(10)).keys() == {"TT-05/BJ02/RUL1"}


def test_liability_that_is_given_an_amount_becomes_compensation_for_its_reporter() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.reported("GZ01", "loss", at(6))
    waybill.ruled("change", at(7), rule="TT-07", site="HBJ1", amount_fen=9900)
    found = waybill.findings(at(8))["TT-07/HBJ1"]
    assert (found.kind, found.amount_fen, found.awards[0].to) == ("compensation", 9900, "GZ01")


def test_officers_words_and_names_stay_out_of_reasons() -> None:
    waybill = fined()
    waybill.ruled(
        "change", at(8), rule="TT-04", site="BJ02", amount_fen=1, officer="Hu Jin", reason="Mr Song was out"
    )
    found = waybill.findings(at(9))["TT-04/BJ02"]
    shown = f"{found.reason}{found.clause}{found.calculation}"
    assert "Hu Jin" not in shown
    assert "Song" not in shown


def test_status() -> None:
    assert Waybill().way().decide(at(5)).status == "clear"
    assert fined().decide(at(8)).status == "decided"
    waybill = Waybill().way()
    waybill.complained("attitude", at(5))
    assert waybill.decide(at(6)).status == "open"
    waybill.add("complaint.closed", "/desks/cs", at(6), complaint_id="C1", satisfied=True)
    assert waybill.decide(at(7)).status == "closed"


def test_findings_stand_in_the_registers_order_whoever_found_them() -> None:
    waybill = Waybill("yunda").way(until="hubs")
    waybill.reported("HGZ1", "mark_miswritten", at(1, "22:00"), against_site="BJ02")
    waybill.ruled("add", at(5), rule="AA-01", site="HGZ1", amount_fen=1)
    assert list(waybill.findings(at(20))) == ["YD-01/GZ01/R1", "YD-03/HGZ1/R1", "GB-01/GZ01", "AA-01/HGZ1"]
