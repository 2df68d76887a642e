"""Returns: TT-09 to TT-13, TT-26, TT-28."""

from __future__ import annotations

from typing import Any

from tests.unit.arbitration.build import Waybill, at


def undelivered() -> Waybill:
    waybill = Waybill().way(until="out")
    waybill.problem("BJ02", at(3, "16:00"), "refused")
    return waybill


def asked(waybill: Waybill, site: str, day: int, clock: str = "10:00", **data: Any) -> Waybill:
    waybill.add("return.requested", site, at(day, clock), site=site, **data)
    return waybill


def answered(waybill: Waybill, answer: str, day: int, clock: str = "10:00") -> Waybill:
    waybill.add("return.answered", "GZ01", at(day, clock), site="GZ01", answer=answer)
    return waybill


def of(waybill: Waybill, rule: str, day: int, clock: str = "12:00") -> list[tuple[str | None, int, str]]:
    found = waybill.findings(at(day, clock)).values()
    return [(f.site, f.amount_fen, f.kind) for f in found if f.rule == rule]


def test_return_asked_by_origin_in_two_working_days() -> None:
    waybill = asked(undelivered(), "GZ01", 4)  # Thursday: Friday and Monday
    assert of(waybill, "TT-09", 8, "23:59") == []
    assert of(waybill, "TT-09", 9, "00:00") == [("BJ02", 5000, "fine")]
    waybill.returned("BJ02", "HBJ1", at(10))
    assert of(waybill, "TT-09", 20) == [("BJ02", 10000, "fine")]
    assert waybill.findings(at(20))["TT-09/BJ02"].awards[0].to == "GZ01"


def test_spoken_requests_start_no_clock() -> None:
    assert of(asked(undelivered(), "GZ01", 4, written=False), "TT-09", 20) == []


def test_return_fine_has_a_cap() -> None:
    waybill = asked(undelivered(), "GZ01", 4)
    assert of(waybill, "TT-09", 400) == [("BJ02", 500000, "fine")]


def test_unanswered_request_entitles_to_return() -> None:
    waybill = asked(undelivered(), "BJ02", 4)
    assert waybill.decide(at(6)).next_review_at == at(7, "17:00:01")
    assert of(waybill, "TT-10", 7, "17:00") == []
    assert of(waybill, "TT-10", 7, "17:00:01") == [("BJ02", 0, "entitlement")]
    answered(waybill, "hold", 7, "18:00")
    assert of(waybill, "TT-10", 8) == []


def test_hold_period_ends_on_day_10_until_origin_answers_anew() -> None:
    waybill = answered(asked(undelivered(), "BJ02", 4), "hold", 5)
    assert of(waybill, "TT-11", 14, "17:00") == []
    assert of(waybill, "TT-11", 14, "17:00:01") == [("BJ02", 0, "entitlement")]
    answered(waybill, "return", 15)
    assert of(waybill, "TT-11", 16) == []


def test_returned_too_soon() -> None:
    early = answered(asked(undelivered(), "BJ02", 4), "hold", 5)
    early.returned("BJ02", "HBJ1", at(14, "17:00"))
    late = answered(asked(undelivered(), "BJ02", 4), "hold", 5)
    late.returned("BJ02", "HBJ1", at(14, "17:00:01"))
    assert of(early, "TT-28", 15) == [("BJ02", 0, "alert")]
    assert of(late, "TT-28", 15) == []


def notified(second_day: int = 8, *, by_phone: bool = True) -> Waybill:
    waybill = asked(undelivered(), "BJ02", 4)
    for day, number in ((5, 1), (second_day, 2)):
        waybill.add(
            "return.fee_notified",
            "BJ02",
            at(day),
            site="BJ02",
            to_site="GZ01",
            fee_fen=1200,
            round=number,
            by_phone=by_phone and number == 2,
        )
    return waybill


def test_unpaid_fee_entitles_to_disposal_after_two_terms() -> None:
    waybill = notified()  # days 5 to 7, then 8 to 10
    assert of(waybill, "TT-12", 10, "23:59") == []
    assert of(waybill, "TT-12", 11, "00:00") == [("BJ02", 0, "entitlement")]
    waybill.reported("GZ01", "loss", at(11))
    assert sorted(of(waybill, "TT-12", 12)) == [("BJ02", 0, "entitlement"), ("GZ01", 0, "rejection")]
    assert of(waybill, "TT-07", 12) == []


def test_second_notice_too_soon_or_not_by_phone_or_paid_in_time() -> None:
    assert of(notified(7), "TT-12", 20) == []
    assert of(notified(by_phone=False), "TT-12", 20) == []
    paid = notified()
    paid.add("return.fee_paid", "GZ01", at(10), site="GZ01", to_site="BJ02", fee_fen=1200)
    assert of(paid, "TT-12", 20) == []


def test_fee_taken_and_not_returned() -> None:
    waybill = notified()
    waybill.add("return.fee_paid", "GZ01", at(9), site="GZ01", to_site="BJ02", fee_fen=1200)  # Tuesday
    assert of(waybill, "TT-13", 11, "23:59") == []
    assert of(waybill, "TT-13", 13) == [("BJ02", 1200 + 10000, "fine")]
    waybill.returned("BJ02", "HBJ1", at(11))
    assert of(waybill, "TT-13", 20) == []


def test_disposal_needs_the_right_approval_and_photos() -> None:
    right = notified()
    right.add("goods.disposed", "BJ02", at(12), site="BJ02", approved_by="head", photos=2)
    assert of(right, "TT-26", 13) == []
    for data in ({"photos": 2}, {"approved_by": "head"}, {"approved_by": "head", "photos": 0}):
        wrong = notified()
        wrong.add("goods.disposed", "BJ02", at(12), site="BJ02", **data)
        assert of(wrong, "TT-26", 13) == [("BJ02", 0, "alert")]
    soon = notified()
    soon.add("goods.disposed", "BJ02", at(10), site="BJ02", approved_by="head", photos=2)
    assert of(soon, "TT-26", 13) == [("BJ02", 0, "alert")]
