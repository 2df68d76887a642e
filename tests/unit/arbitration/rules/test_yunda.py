"""Yunda's reports: YD-01 to YD-04 (rules.md §5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from services.arbitration.domain import distinct
from shared.events.outputs import Award, Finding
from tests.unit.arbitration.build import Waybill, at

HQ = "hq"


def parcel(**collected: Any) -> Waybill:
    """NB01 collects on day 1, the hub HNB has it from 02:00 of day 2."""
    waybill = Waybill("yunda", "433100000001")
    waybill.collected("NB01", at(1, "16:00"), **({"destination_site": "WH02"} | collected))
    waybill.departed("NB01", "HNB", at(1, "20:00"))
    waybill.arrived("HNB", at(2, "02:00"))
    return waybill


def on_its_way(**collected: Any) -> Waybill:
    """As `parcel`, and the hub sent it on to HWH at 11:00 of day 2."""
    waybill = parcel(**collected)
    waybill.departed("HNB", "HWH", at(2, "11:00"))
    return waybill


def yd(waybill: Waybill, now: datetime) -> dict[str, Finding]:
    """What Yunda's rules find."""
    return {name: f for name, f in waybill.findings(now).items() if name.startswith("YD-")}


# YD-01


def test_miswritten_mark() -> None:
    waybill = on_its_way()
    waybill.reported("HNB", "mark_miswritten", at(2, "08:00"), "R1", against_site="NB01")
    found = yd(waybill, at(4))
    assert found.keys() == {"YD-01/NB01/R1"}
    liable = found["YD-01/NB01/R1"]
    assert (liable.kind, liable.role, liable.amount_fen, liable.awards) == ("liability", "origin", 0, [])
    assert liable.calculation == {"amount": "pending"}
    assert {ref.id for ref in liable.evidence} == {"e01", "e03", "e05"}
    assert liable.clause.source == "001"
    assert (liable.triggered_at, liable.state) == (at(2, "08:00"), "active")


@pytest.mark.parametrize(("clock", "finding"), [("02:00:00", "YD-01/NB01/R1"), ("02:00:01", "YD-01/HNB/R1")])
def test_the_24_hours_include_their_last_second(clock: str, finding: str) -> None:
    waybill = on_its_way()
    waybill.reported("HNB", "mark_miswritten", at(3, clock), "R1")
    found = yd(waybill, at(4))
    assert found.keys() == {finding}
    if clock == "02:00:01":
        late = found[finding]
        assert (late.kind, late.site, late.role) == ("rejection", "HNB", "reporter")
        assert "2026-03-04 02:00" in late.reason.en


def test_only_the_reporters_own_arrival_scan_counts() -> None:
    waybill = on_its_way()
    waybill.arrived("HWH", at(4, "02:00"))
    waybill.reported("HWH", "mark_miswritten", at(4, "03:00"), "R1")
    waybill.reported("WH02", "mark_miswritten", at(4, "03:00"), "R2")
    waybill.reported("NB01", "mark_miswritten", at(1, "18:00"), "R3")
    found = yd(waybill, at(4, "04:00"))
    assert found.keys() == {"YD-01/NB01/R1", "YD-01/WH02/R2", "YD-01/NB01/R3"}
    assert [found[name].kind for name in sorted(found)] == ["liability", "rejection", "rejection"]


def test_the_first_arrival_of_a_stay_starts_the_clock_and_a_later_stay_its_own() -> None:
    by_bag = Waybill("yunda")
    by_bag.collected("NB01", at(1, "16:00"))
    by_bag.departed("NB01", "HNB", at(1, "20:00"))
    by_bag.arrived("HNB", at(2, "02:00"), via="bag")
    by_bag.arrived("HNB", at(2, "05:00"))
    by_bag.reported("HNB", "mark_miswritten", at(3, "02:00:01"), "R1")
    assert "YD-01/HNB/R1" in yd(by_bag, at(3, "03:00"))
    again = on_its_way()
    again.arrived("HWH", at(3, "01:00"))
    again.departed("HWH", "HNB", at(3, "03:00"))
    again.arrived("HNB", at(4, "01:00"))
    again.reported("HNB", "mark_miswritten", at(4, "20:00"), "R1")
    assert "YD-01/NB01/R1" in yd(again, at(4, "21:00"))


def test_a_report_before_the_arrival_scan_is_rejected() -> None:
    waybill = on_its_way()
    waybill.reported("HNB", "mark_miswritten", at(2, "01:59:59"), "R1")
    assert yd(waybill, at(3)).keys() == {"YD-01/HNB/R1"}


def test_without_a_collection_nobody_is_liable_yet() -> None:
    waybill = Waybill("yunda")
    waybill.arrived("HNB", at(2, "02:00"))
    waybill.departed("HNB", "HWH", at(2, "11:00"))
    waybill.reported("HNB", "mark_miswritten", at(2, "08:00"), "R1")
    assert yd(waybill, at(3)) == {}
    waybill.collected("NB01", at(1, "16:00"))
    assert yd(waybill, at(3)).keys() == {"YD-01/NB01/R1"}


def test_a_report_filed_twice_is_judged_as_first_filed() -> None:
    waybill = on_its_way()
    waybill.reported("HNB", "mark_miswritten", at(2, "08:00"), "R1")
    waybill.reported("HNB", "mark_miswritten", at(4, "08:00"), "R1")
    assert yd(waybill, at(5)).keys() == {"YD-01/NB01/R1"}


def test_before_the_rulebook_nothing_of_it_is_in_force() -> None:
    waybill = Waybill("yunda")
    start = datetime.fromisoformat("2009-12-31T02:00:00+08:00")
    waybill.collected("NB01", start.replace(hour=1))
    waybill.arrived("HNB", start)
    waybill.departed("HNB", "HWH", start.replace(hour=4))
    waybill.reported("HNB", "mark_miswritten", start.replace(hour=23, minute=59, second=59), "R1")
    assert yd(waybill, at(1)) == {}
    waybill.reported("HNB", "mark_miswritten", datetime.fromisoformat("2010-01-01T00:00:00+08:00"), "R2")
    assert yd(waybill, at(1)).keys() == {"YD-01/NB01/R2"}


# YD-02


def packaging(site: str = "HNB", photo: str | None = "HNB", **report: Any) -> Waybill:
    waybill = on_its_way()
    waybill.reported(site, "foreign_packaging", at(2, "08:00"), "R1", **report)
    if photo is not None:
        waybill.evidence("photo", at(2, "09:00"), site=photo)
    return waybill


def test_foreign_packaging() -> None:
    found = yd(packaging(one_face=True, label_moved=False), at(4))
    assert found.keys() == {"YD-02/NB01/R1"}
    liable = found["YD-02/NB01/R1"]
    assert (liable.kind, liable.role, liable.amount_fen) == ("liability", "origin", 0)
    assert {ref.id for ref in liable.evidence} == {"e01", "e03", "e05", "e06"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"photo": None}, "no photo"),
        ({"photo": "NB01"}, "no photo"),
        ({"label_moved": True}, "moved"),
        ({"one_face": False}, "one face"),
        ({"site": "WH02", "photo": "WH02"}, "scanned the arrival"),
    ],
)
def test_foreign_packaging_is_rejected(change: dict[str, Any], says: str) -> None:
    found = yd(packaging(**change), at(4))
    assert found.keys() == {f"YD-02/{change.get('site', 'HNB')}/R1"}
    rejection = next(iter(found.values()))
    assert (rejection.kind, rejection.role, rejection.amount_fen) == ("rejection", "reporter", 0)
    assert says in rejection.reason.en


def test_a_photo_counts_from_the_site_that_submits_it_and_cures_when_it_comes_later() -> None:
    waybill = packaging(photo=None)
    assert yd(waybill, at(4)).keys() == {"YD-02/HNB/R1"}
    waybill.add("evidence.submitted", "HNB", at(4), evidence_id="E9", kind="photo")
    assert yd(waybill, at(5)).keys() == {"YD-02/NB01/R1"}


def test_packaging_is_reported_after_the_arrival_scan_to_the_second() -> None:
    for clock, rejected in (("01:59:59", True), ("02:00:00", False)):
        waybill = on_its_way()
        waybill.reported("HNB", "foreign_packaging", at(2, clock), "R1")
        waybill.evidence("photo", at(2, "09:00"), site="HNB")
        assert ("YD-02/HNB/R1" in yd(waybill, at(4))) is rejected


# YD-03


def corrected(against: str | None) -> Waybill:
    waybill = on_its_way()
    named = {} if against is None else {"against_site": against}
    waybill.reported("HNB", "mark_miswritten", at(2, "08:00"), "R1", **named)
    return waybill


def test_a_corrected_report_costs_a_fee_that_is_0_while_pending() -> None:
    found = yd(corrected("HWH"), at(4))
    assert found.keys() == {"YD-01/NB01/R1", "YD-03/HNB/R1"}
    fee = found["YD-03/HNB/R1"]
    assert (fee.kind, fee.site, fee.role, fee.amount_fen) == ("fine", "HNB", "reporter", 0)
    assert sum(award.amount_fen for award in fee.awards) == 0
    assert fee.assumed == ["fee_base_award_left"]


@pytest.mark.parametrize("against", ["NB01", None])
def test_no_fee_where_the_report_named_the_liable_site_or_nobody(against: str | None) -> None:
    assert yd(corrected(against), at(4)).keys() == {"YD-01/NB01/R1"}


def test_no_fee_for_a_rejected_report() -> None:
    waybill = on_its_way()
    waybill.reported("HNB", "mark_miswritten", at(3, "03:00"), "R1", against_site="HWH")
    assert yd(waybill, at(4)).keys() == {"YD-01/HNB/R1"}


@pytest.mark.parametrize(("award_fen", "fee_fen"), [(10_000, 5_000), (10_001, 5_001), (1, 1), (0, 0)])
def test_half_of_the_award_that_a_ruling_gives(award_fen: int, fee_fen: int) -> None:
    waybill = corrected("HWH")
    waybill.ruled(
        "change", at(5), rule="YD-01", site="NB01", finding_id="YD-01/NB01/R1", amount_fen=award_fen
    )
    found = yd(waybill, at(6))
    award = found["YD-01/NB01/R1"]
    assert (award.kind, award.awards) == ("compensation", [Award("HNB", award_fen)])
    fee = found["YD-03/HNB/R1"]
    assert (fee.amount_fen, fee.calculation["award_fen"]) == (fee_fen, award_fen)
    assert sum(a.amount_fen for a in fee.awards) == fee_fen
    assert {a.to for a in fee.awards} <= {HQ}


def test_a_ruling_corrects_the_liable_party() -> None:
    waybill = corrected("NB01")
    waybill.ruled("change", at(5), rule="YD-01", site="HWH", finding_id="YD-01/NB01/R1", amount_fen=8_000)
    found = yd(waybill, at(6))
    assert found.keys() == {"YD-01/HWH/R1", "YD-03/HNB/R1"}
    assert found["YD-03/HNB/R1"].amount_fen == 4_000
    assert found["YD-03/HNB/R1"].triggered_at == at(5)


def test_a_ruling_that_finds_whom_the_report_named_takes_the_fee_away() -> None:
    waybill = corrected("HWH")
    waybill.ruled("change", at(5), rule="YD-01", site="HWH", finding_id="YD-01/NB01/R1", amount_fen=8_000)
    assert yd(waybill, at(6)).keys() == {"YD-01/HWH/R1"}


def appealed(waybill: Waybill, **decision: Any) -> Waybill:
    waybill.add("appeal.filed", "NB01", at(4), appeal_id="A1", site="NB01", finding_id="YD-01/NB01/R1")
    waybill.add(
        "appeal.decided",
        "/desks/arb1",
        at(5),
        appeal_id="A1",
        officer="Officer Hu",
        reason="as heard",
        **decision,
    )
    return waybill


def test_an_appeal_corrects_the_liable_party() -> None:
    waybill = appealed(corrected("NB01"), outcome="changed", site="HWH", amount_fen=3_001)
    found = yd(waybill, at(6))
    assert found.keys() == {"YD-01/HWH/R1", "YD-03/HNB/R1"}
    assert found["YD-03/HNB/R1"].amount_fen == 1_501


def test_an_appeal_that_succeeds_leaves_no_award_and_no_fee() -> None:
    waybill = appealed(corrected("HWH"), outcome="upheld")
    assert yd(waybill, at(6)).keys() == set()


def test_the_reporter_may_appeal_against_the_fee() -> None:
    waybill = corrected("HWH")
    waybill.add("appeal.filed", "HNB", at(4), appeal_id="A1", site="HNB", finding_id="YD-03/HNB/R1")
    assert yd(waybill, at(5))["YD-03/HNB/R1"].state == "frozen"


# YD-04


def test_detained_over_a_report() -> None:
    waybill = parcel()
    waybill.reported("HNB", "mark_miswritten", at(2, "08:00"), "R1", against_site="NB01")
    assert waybill.decide(at(2, "12:00")).next_review_at == at(4, "00:00")
    assert yd(waybill, at(3, "23:59:59")).keys() == {"YD-01/NB01/R1"}
    found = yd(waybill, at(4, "00:00"))
    assert found.keys() == {"YD-01/NB01/R1", "YD-04/HNB"}
    alert = found["YD-04/HNB"]
    assert (alert.kind, alert.role, alert.amount_fen) == ("alert", "transit", 0)
    assert alert.assumed == ["departure_days"]
    assert alert.triggered_at == at(4, "00:00")


@pytest.mark.parametrize(("clock", "alert"), [("3 23:59:59", False), ("4 00:00:00", True)])
def test_it_must_leave_by_the_end_of_the_day_after_arrival(clock: str, alert: bool) -> None:
    day, time = clock.split()
    waybill = parcel()
    waybill.reported("HNB", "other", at(2, "08:00"), "R1")
    waybill.departed("HNB", "HWH", at(int(day), time))
    assert ("YD-04/HNB" in yd(waybill, at(8))) is alert


@pytest.mark.parametrize("step", ["out", "signed", "returned"])
def test_going_out_signing_and_returning_end_the_stay(step: str) -> None:
    waybill = on_its_way()
    waybill.arrived("WH02", at(3, "08:00"))
    waybill.reported("WH02", "foreign_packaging", at(3, "09:00"), "R1")
    if step == "returned":
        waybill.returned("WH02", "NB01", at(4, "23:59:59"))
    else:
        getattr(waybill, step)("WH02", at(4, "23:59:59"))
    assert "YD-04/WH02" not in yd(waybill, at(9))


def test_a_stay_without_a_report_or_with_one_after_it_is_no_detention() -> None:
    silent = parcel()
    assert yd(silent, at(8)) == {}
    assert silent.decide(at(2)).next_review_at == at(9, "00:00"), "only GB-01 waits"
    later = parcel()
    later.departed("HNB", "HWH", at(6))
    later.reported("HNB", "other", at(7), "R1")
    assert yd(later, at(8)) == {}
    lost = parcel()
    lost.reported("HNB", "loss", at(2, "08:00"), "R1")
    assert yd(lost, at(8)) == {}


def test_origin_detains_nothing_when_the_parcel_has_come_back() -> None:
    waybill = on_its_way()
    waybill.arrived("WH02", at(3, "08:00"))
    waybill.returned("WH02", "NB01", at(3, "12:00"))
    waybill.arrived("NB01", at(5, "08:00"))
    waybill.reported("NB01", "inner_damage", at(5, "09:00"), "R1")
    assert yd(waybill, at(9)) == {}


def test_an_award_for_origins_own_report_goes_to_headquarters() -> None:
    waybill = on_its_way()
    waybill.arrived("WH02", at(3, "08:00"))
    waybill.returned("WH02", "NB01", at(3, "12:00"))
    waybill.arrived("NB01", at(5, "08:00"))
    waybill.reported("NB01", "mark_miswritten", at(5, "09:00"), "R1")
    waybill.ruled("change", at(6), rule="YD-01", site="NB01", finding_id="YD-01/NB01/R1", amount_fen=900)
    assert yd(waybill, at(9))["YD-01/NB01/R1"].awards == [Award(HQ, 900)]
    waybill.ruled(
        "change", at(7), rule="YD-01", site="HNB", finding_id="YD-01/NB01/R1", ruling_id="RUL2", to="NB01"
    )
    assert yd(waybill, at(9))["YD-01/HNB/R1"].awards == [Award("NB01", 900)]


def test_a_report_late_in_a_stay_makes_it_a_detention_from_then_on() -> None:
    waybill = parcel()
    waybill.reported("HNB", "other", at(6), "R1")
    assert yd(waybill, at(7))["YD-04/HNB"].triggered_at == at(6)


def test_no_personal_data_in_reasons() -> None:
    waybill = on_its_way(insured=True, declared_value_fen=100_000)
    waybill.reported("HNB", "mark_miswritten", at(2, "08:00"), "R1", against_site="HWH", text="Mr Secret")
    for finding in waybill.findings(at(9)).values():
        assert "Secret" not in finding.reason.zh + finding.reason.en


def test_the_order_of_arrival_changes_nothing() -> None:
    waybill = corrected("HWH")
    waybill.reported("HNB", "foreign_packaging", at(2, "09:00"), "R2")
    waybill.evidence("photo", at(2, "09:30"), site="HNB")
    first = waybill.decide(at(6)).findings
    waybill.events = waybill.events[::-1] + waybill.events[:3]
    assert waybill.decide(at(6)).findings == first
    assert len(distinct(waybill.events)[0]) == 7
