"""Receipts that are not back in time: LR-01 (rules.md §6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from shared.events.outputs import Award, Finding
from tests.unit.arbitration.build import Waybill, at


def haul(transfers: int | None = 0, **collected: Any) -> Waybill:
    """CSX01 → GYX02, where the goods arrive on day 4 and are signed for on day 5."""
    waybill = Waybill("freight", "880100000001")
    waybill.collected("CSX01", at(2, "15:00"), **({"destination_site": "GYX02"} | collected))
    told: dict[str, Any] = {} if transfers is None else {"transfers": transfers}
    waybill.add("receipt.required", "CSX01", at(2, "15:05"), site="CSX01", **told)
    waybill.departed("CSX01", "GYX02", at(2, "22:00"))
    waybill.arrived("GYX02", at(4, "13:00"))
    waybill.signed("GYX02", at(5, "10:00"))
    return waybill


def receipt(waybill: Waybill, kind: str, site: str, moment: datetime, **data: Any) -> None:
    waybill.add(f"receipt.{kind}", site, moment, site=site, **data)


def lr(waybill: Waybill, now: datetime) -> dict[str, Finding]:
    """What freight's rules find."""
    return {name: f for name, f in waybill.findings(now).items() if name.startswith("LR-")}


@pytest.mark.parametrize(("transfers", "days"), [(0, 10), (1, 15)])
def test_the_term_ends_with_its_last_day(transfers: int, days: int) -> None:
    waybill = haul(transfers)
    over = at(4 + days + 1, "00:00")
    assert waybill.decide(at(6)).next_review_at == over
    assert lr(waybill, at(4 + days, "23:59:59")) == {}
    found = lr(waybill, over)
    assert found.keys() == {"LR-01/GYX02"}
    fine = found["LR-01/GYX02"]
    assert (fine.kind, fine.role, fine.amount_fen) == ("fine", "delivery", 5_000)
    assert fine.awards == [Award("hq", 5_000)]
    assert fine.assumed == ["payment_delayed_unless_denied"]
    assert fine.triggered_at == over
    assert waybill.decide(over).next_review_at is None


@pytest.mark.parametrize("transfers", [2, 3])
def test_two_or_more_transfers_are_warned_of_first(transfers: int) -> None:
    waybill = haul(transfers)
    assert waybill.decide(at(6)).next_review_at == at(25, "00:00")
    assert lr(waybill, at(24, "23:59:59")) == {}
    alert = lr(waybill, at(25, "00:00"))["LR-01/GYX02"]
    assert (alert.kind, alert.amount_fen, alert.awards, alert.assumed) == ("alert", 0, [], [])
    assert waybill.decide(at(25)).next_review_at == at(30, "00:00")
    assert lr(waybill, at(29, "23:59:59"))["LR-01/GYX02"].kind == "alert"
    fine = lr(waybill, at(30, "00:00"))["LR-01/GYX02"]
    assert (fine.kind, fine.amount_fen) == ("fine", 5_000)


def test_back_in_the_last_second() -> None:
    waybill = haul()
    receipt(waybill, "returned", "CSX01", at(14, "23:59:59"))
    assert lr(waybill, at(20)) == {}
    assert waybill.decide(at(14, "23:59:59")).next_review_at is None
    late = haul()
    receipt(late, "returned", "CSX01", at(15, "00:00"))
    assert lr(late, at(20)).keys() == {"LR-01/GYX02"}


def test_back_between_warning_and_fine_stays_a_warning() -> None:
    waybill = haul(2)
    receipt(waybill, "returned", "CSX01", at(27))
    assert lr(waybill, at(50))["LR-01/GYX02"].kind == "alert"
    assert waybill.decide(at(28)).next_review_at is None


@pytest.mark.parametrize(
    ("moment", "site", "role"),
    [(at(14, "23:59:59"), "CSX01", "origin"), (at(15, "00:00"), "GYX02", "delivery")],
)
def test_who_held_it_up(moment: datetime, site: str, role: str) -> None:
    waybill = haul()
    receipt(waybill, "returned", "GYX02", moment)
    found = lr(waybill, at(20))
    assert found.keys() == {f"LR-01/{site}"}
    assert found[f"LR-01/{site}"].role == role


def test_passed_on_between_the_warning_and_the_fine_is_in_time_for_the_fine() -> None:
    waybill = haul(2)
    receipt(waybill, "returned", "GYX02", at(27))
    assert {name: f.kind for name, f in lr(waybill, at(28)).items()} == {"LR-01/GYX02": "alert"}
    assert {name: f.kind for name, f in lr(waybill, at(30)).items()} == {"LR-01/CSX01": "fine"}


def test_a_receipt_that_only_the_delivery_branch_returned_is_not_back() -> None:
    waybill = haul()
    receipt(waybill, "returned", "GYX02", at(6))
    assert waybill.decide(at(7)).next_review_at == at(15, "00:00")
    assert lr(waybill, at(15)).keys() == {"LR-01/CSX01"}


def batches(*arrivals: tuple[int, int | None, int | None]) -> Waybill:
    """Direct haul that arrives in parts: (day, part, parts)."""
    waybill = Waybill("freight")
    waybill.collected("CSX01", at(2, "15:00"), destination_site="GYX02", scope="international")
    waybill.add("receipt.required", "CSX01", at(2, "15:05"), site="CSX01", transfers=0)
    waybill.departed("CSX01", "GYX02", at(2, "22:00"))
    for day, part, parts in arrivals:
        given = {"part": part, "parts": parts}
        waybill.arrived("GYX02", at(day, "13:00"), **{n: v for n, v in given.items() if v is not None})
    return waybill


def test_the_last_batch_starts_the_clock() -> None:
    waybill = batches((4, 1, 3), (6, 3, 3), (5, 2, 3))
    assert lr(waybill, at(16, "23:59:59")) == {}
    assert lr(waybill, at(17, "00:00")).keys() == {"LR-01/GYX02"}


def test_while_a_batch_is_missing_the_term_has_not_begun() -> None:
    waybill = batches((4, 1, 3), (5, 2, 3))
    assert lr(waybill, at(22)) == {}
    assert waybill.decide(at(8)).next_review_at == at(24, "00:00"), "only GB-01 waits"


def test_batches_scanned_again_or_without_number() -> None:
    again = batches((4, 1, 2), (5, 2, 2), (8, 1, 2))
    assert lr(again, at(16, "00:00")).keys() == {"LR-01/GYX02"}
    unnumbered = batches((4, None, 2), (6, None, 2))
    assert lr(unnumbered, at(16, "23:59:59")) == {}
    assert lr(unnumbered, at(17, "00:00")).keys() == {"LR-01/GYX02"}
    whole = batches((4, 1, 1), (6, None, None))
    assert lr(whole, at(15, "00:00")).keys() == {"LR-01/GYX02"}, "not in parts: the first arrival"


def test_parts_that_follow_move_no_custody_and_start_the_clock_later() -> None:
    waybill = batches((4, 1, 2))
    waybill.departed("CSX01", "GYX02", at(5, "22:00"))
    waybill.arrived("GYX02", at(7, "13:00"), part=2, parts=2)
    assert lr(waybill, at(17, "23:59:59")) == {}
    assert lr(waybill, at(18, "00:00"))["LR-01/GYX02"].role == "delivery"


def test_payment_that_was_not_delayed_is_not_fined() -> None:
    waybill = haul()
    receipt(waybill, "audited", "CSX01", at(8), payment_delayed=False)
    assert waybill.decide(at(9)).next_review_at is None
    assert lr(waybill, at(40)) == {}
    warned = haul(2)
    receipt(warned, "audited", "CSX01", at(8), payment_delayed=False)
    assert lr(warned, at(60))["LR-01/GYX02"].kind == "alert"


def test_the_last_recorded_word_on_payment_counts() -> None:
    waybill = haul()
    waybill.add("receipt.audited", "/desks/ar", at(20), recorded=at(30), site="CSX01", payment_delayed=False)
    waybill.add("receipt.audited", "/desks/ar", at(25), recorded=at(26), site="CSX01", payment_delayed=True)
    assert lr(waybill, at(40)) == {}
    receipt(waybill, "returned", "GYX02", at(35), payment_delayed=True)
    assert lr(waybill, at(40)) == {}, "the delivery branch's own word is not asked"
    receipt(waybill, "returned", "CSX01", at(36), payment_delayed=True)
    fine = lr(waybill, at(40))["LR-01/GYX02"]
    assert (fine.amount_fen, fine.assumed) == (5_000, [])


def test_transfers_not_told_are_the_middle_links() -> None:
    waybill = Waybill("freight")
    waybill.collected("CSX01", at(2, "15:00"), destination_site="GYX02")
    waybill.add("receipt.required", "CSX01", at(2, "15:05"), site="CSX01")
    waybill.departed("CSX01", "HWH", at(2, "22:00"))
    waybill.arrived("HWH", at(3, "08:00"))
    waybill.departed("HWH", "GYX02", at(3, "09:00"))
    waybill.arrived("GYX02", at(4, "13:00"))
    waybill.signed("GYX02", at(5, "10:00"))
    assert waybill.decide(at(6)).next_review_at == at(20, "00:00")
    assert "transfers_from_chain" in lr(waybill, at(20))["LR-01/GYX02"].assumed
    waybill.add("receipt.required", "CSX01", at(6), site="CSX01", transfers=0)
    assert waybill.decide(at(7)).next_review_at == at(15, "00:00")


def test_no_receipt_no_arrival_or_nothing_signed() -> None:
    unasked = Waybill("freight")
    unasked.collected("CSX01", at(2), destination_site="GYX02")
    unasked.departed("CSX01", "GYX02", at(2, "22:00"))
    unasked.arrived("GYX02", at(4))
    assert lr(unasked, at(60)) == {}
    under_way = Waybill("freight")
    under_way.collected("CSX01", at(2), destination_site="GYX02")
    under_way.add("receipt.required", "CSX01", at(2, "15:05"), site="CSX01", transfers=0)
    under_way.departed("CSX01", "GYX02", at(2, "22:00"))
    assert lr(under_way, at(60)) == {}
    sent_back = batches((4, None, None))
    sent_back.returned("GYX02", "CSX01", at(9))
    assert lr(sent_back, at(60)) == {}
    one_branch = Waybill("freight")
    one_branch.collected("CSX01", at(2), destination_site="CSX01")
    one_branch.add("receipt.required", "CSX01", at(2, "15:05"), site="CSX01", transfers=0)
    one_branch.out("CSX01", at(3))
    one_branch.signed("CSX01", at(3, "15:00"))
    assert lr(one_branch, at(60)) == {}


def test_a_branch_without_arrival_scan_had_the_goods_by_its_first_scan() -> None:
    waybill = Waybill("freight")
    waybill.collected("CSX01", at(2), destination_site="GYX02")
    waybill.add("receipt.required", "CSX01", at(2, "15:05"), site="CSX01", transfers=0)
    waybill.departed("CSX01", "GYX02", at(2, "22:00"))
    waybill.out("GYX02", at(5))
    waybill.signed("GYX02", at(5, "15:00"))
    assert lr(waybill, at(15, "23:59:59")) == {}
    assert lr(waybill, at(16, "00:00")).keys() == {"LR-01/GYX02"}


def test_the_person_is_named_and_kept_out_of_the_reason() -> None:
    waybill = haul()
    assert lr(waybill, at(20))["LR-01/GYX02"].person is None
    receipt(waybill, "returned", "GYX02", at(18), person="Lu Wen")
    fine = lr(waybill, at(20))["LR-01/GYX02"]
    assert fine.person == "Lu Wen"
    assert "Lu" not in fine.reason.zh + fine.reason.en


def test_the_order_of_arrival_changes_nothing() -> None:
    waybill = haul(2)
    receipt(waybill, "returned", "GYX02", at(27), payment_delayed=True)
    receipt(waybill, "audited", "CSX01", at(28), payment_delayed=True)
    first = waybill.decide(at(35)).findings
    waybill.events = waybill.events[::-1] + waybill.events[:4]
    assert waybill.decide(at(35)).findings == first
