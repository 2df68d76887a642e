"""What people ask for: complaints, returns, fees, notices and reports, by rules.md. Day 5 is Friday 6 March 2026."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.arbitration.build import Waybill, at
from tests.unit.arbitration.projections.look import duties, look, told
from tests.unit.arbitration.rules.desk_events import Complained

OPENED = at(5, "09:30")
DAY_AFTER = at(6, "09:30")
THREE_WORKING_DAYS = at(10, "23:59:59")


def complained(category: str = "attitude", **data: Any) -> Complained:
    waybill = Complained("yunda")
    waybill.way()
    waybill.complained(category, OPENED, against_site="BJ02", **data)
    return waybill


def test_a_complaint_is_told_to_its_site_and_starts_the_clocks() -> None:
    assert told(complained(), OPENED) == {
        "complaint/C1": ("BJ02", None),
        "contact/C1": ("BJ02", DAY_AFTER),
        "progress/C1": ("cs", DAY_AFTER),
        "settle/C1": ("BJ02", THREE_WORKING_DAYS),
    }
    found = duties(complained(), OPENED)
    assert {duty.begun_at for duty in found.values()} == {OPENED}
    assert (found["complaint/C1"].note, found["complaint/C1"].rule) == ("attitude", "SD-01")
    assert found["contact/C1"].finding_id == "SD-02/BJ02/C1"
    assert found["settle/C1"].finding_id == "SD-03/BJ02/C1"
    assert all(duty.clause and duty.clause.source == "003" for duty in found.values())


def test_clocks_run_from_the_receipt_of_the_form() -> None:
    waybill = complained()
    waybill.received("BJ02", at(5, "11:00"))
    assert told(waybill, at(5, "12:00"))["contact/C1"] == ("BJ02", at(6, "11:00"))


def test_what_was_done_is_no_duty_any_more() -> None:
    waybill = complained()
    waybill.replied("contacted", at(5, "12:00"))
    assert set(told(waybill, at(5, "12:00"))) == {"complaint/C1", "progress/C1", "settle/C1"}
    waybill.replied("progress", at(5, "13:00"))
    assert set(told(waybill, at(5, "13:00"))) == {"complaint/C1", "settle/C1"}


def test_what_was_missed_stays_until_it_is_done() -> None:
    waybill = complained()
    assert set(told(waybill, at(20))) == {"complaint/C1", "contact/C1", "progress/C1", "settle/C1"}
    waybill.handled(at(20))
    assert set(told(waybill, at(20))) == {"follow_up/C1"}


def test_a_settled_complaint_is_followed_up_by_its_desk() -> None:
    waybill = complained()
    waybill.handled(at(8, "10:00"))  # Monday
    assert told(waybill, at(8, "10:00")) == {"follow_up/C1": ("cs", at(11, "23:59:59"))}
    waybill.closed(at(9), satisfied=True)
    assert told(waybill, at(9)) == {}


def test_a_complaint_closed_satisfied_at_intake_concerns_nobody() -> None:
    waybill = complained()
    waybill.closed(at(5, "10:00"), satisfied=True)
    assert told(waybill, at(5, "10:00")) == {}


def test_a_customer_who_comes_back_is_told_anew() -> None:
    waybill = complained()
    waybill.handled(at(8, "10:00"))
    waybill.reopened(at(9))
    found = duties(waybill, at(9))
    assert set(found) == {"complaint/C1/1"}, "the terms were kept the first time"
    assert found["complaint/C1/1"].begun_at == at(9)
    waybill.handled(at(10))
    assert told(waybill, at(10)) == {"follow_up/C1/1": ("cs", at(15, "23:59:59"))}


def test_headquarters_hears_of_major_and_flagged_complaints() -> None:
    waybill = complained(major=True, major_ground="regulator")
    flag = waybill.add(
        "complaint.flagged", "/desks/cs", at(5, "11:00"), complaint_id="C1", ground="customer_risk"
    )
    found = duties(waybill, at(5, "11:00"))
    major, flagged = found["major/C1"], found[f"flagged/C1/{flag}"]
    assert (major.site, major.desk, major.due_at, major.note) == (None, None, None, "regulator")
    assert (flagged.site, flagged.begun_at, flagged.note) == (None, at(5, "11:00"), "customer_risk")
    waybill.handled(at(5, "11:30"))
    assert {"major/C1", f"flagged/C1/{flag}"} <= set(told(waybill, at(5, "12:00"))), "it may not be told yet"


def test_without_a_responsible_site_the_complaint_is_nobodys_yet_and_no_clock_runs() -> None:
    waybill = Complained()
    waybill.complained("other", OPENED)
    assert told(waybill, OPENED) == {"complaint/C1": (None, None)}
    waybill.handled(at(5, "11:00"))
    assert set(told(waybill, at(5, "12:00"))) == {"follow_up/C1"}


def undelivered() -> Waybill:
    waybill = Waybill().way(until="out")
    waybill.problem("BJ02", at(3, "16:00"), "refused")
    waybill.evidence("contact_log", at(3, "17:00"), site="BJ02", party="recipient")
    return waybill


def asked(site: str, day: int = 4) -> Waybill:
    """10:00 of Thursday, day 4, unless told otherwise."""
    waybill = undelivered()
    waybill.add("return.requested", site, at(day, "10:00"), site=site)
    return waybill


def test_origins_request_is_a_duty_of_the_delivery_link_for_two_working_days() -> None:
    waybill = asked("GZ01")
    assert told(waybill, at(4)) == {"return_request/BJ02": ("BJ02", at(8, "23:59:59"))}
    assert told(waybill, at(9)) == {"return_request/BJ02": ("BJ02", at(8, "23:59:59"))}, "missed, not done"
    waybill.returned("BJ02", "HBJ1", at(9, "13:00"))
    assert told(waybill, at(9, "13:00")) == {}


def test_origin_answers_the_delivery_links_request_by_17_of_day_3() -> None:
    waybill = asked("BJ02")
    assert told(waybill, at(4)) == {"return_answer/request": ("GZ01", at(7, "17:00"))}
    waybill.add("return.answered", "GZ01", at(5), site="GZ01", answer="hold")
    assert told(waybill, at(5)) == {
        "hold/BJ02": ("BJ02", at(14, "17:00")),
        "return_answer/hold": ("GZ01", at(14, "17:00")),
    }
    assert told(waybill, at(14, "17:00:01")) == {}, "the hold period is over"


def test_the_return_fee_is_to_be_paid_within_three_days_and_again_after_the_second_notice() -> None:
    waybill = undelivered()

    def notify(day: int, number: int) -> None:
        waybill.add(
            "return.fee_notified",
            "BJ02",
            at(day, "10:00"),
            site="BJ02",
            to_site="GZ01",
            fee_fen=1200,
            round=number,
            by_phone=True,
        )

    notify(4, 1)
    assert told(waybill, at(4)) == {"return_fee/1": ("GZ01", at(6, "23:59:59"))}
    assert duties(waybill, at(4))["return_fee/1"].amount_fen == 1200
    notify(7, 2)
    assert told(waybill, at(7)) == {"return_fee/2": ("GZ01", at(9, "23:59:59"))}
    assert told(waybill, at(10, "00:00")) == {"disposal/BJ02": ("BJ02", None)}
    assert look(waybill.events, at(9)).next_look_at == at(9, "21:00"), "on the way to the entitlement"


def test_a_paid_fee_makes_the_return_a_duty() -> None:
    waybill = undelivered()
    waybill.add(
        "return.fee_notified", "BJ02", at(4, "10:00"), site="BJ02", to_site="GZ01", fee_fen=1200, round=1
    )
    waybill.add("return.fee_paid", "GZ01", at(4, "15:00"), site="GZ01", to_site="BJ02", fee_fen=1200)
    assert told(waybill, at(4, "15:00")) == {"return/BJ02": ("BJ02", at(8, "23:59:59"))}


def test_a_damage_notice_is_forwarded_and_answered_within_24_hours_each() -> None:
    waybill = Waybill().way(until="arrived")
    waybill.notice("BJ02", "HBJ1", "damage", at(3, "08:00"))
    assert told(waybill, at(3, "08:00"))["forward_notice/N1"] == ("HBJ1", at(4, "08:00"))
    waybill.add("notice.forwarded", "HBJ1", at(3, "09:00"), site="HBJ1", to_site="GZ01", notice_id="N1")
    found = told(waybill, at(3, "09:00"))
    assert found["answer_notice/N1"] == ("GZ01", at(4, "09:00"))
    assert "forward_notice/N1" not in found
    waybill.add(
        "notice.answered", "GZ01", at(3, "10:00"), site="GZ01", to_site="BJ02", notice_id="N1", plan="repack"
    )
    assert "answer_notice/N1" not in told(waybill, at(3, "10:00"))


def test_damage_noted_at_signing_can_be_reported_until_day_30_from_the_departure() -> None:
    waybill = Waybill().way(until="out")
    waybill.signed("BJ02", at(3, "15:00"), outer_damage_noted=True)
    assert told(waybill, at(3, "15:00")) == {"report_window/outer_damage/GZ01": ("GZ01", at(31, "23:59:59"))}
    assert told(waybill, at(31, "23:59:59")) != {}
    assert told(waybill, at(32, "00:00")) == {}
    waybill.reported("GZ01", "outer_damage", at(4))
    assert told(waybill, at(4)) == {}


@pytest.mark.parametrize("noted", [{}, {"inner_issue_noted": True}], ids=["normal", "inner"])
def test_after_a_normal_signature_nothing_can_be_reported(noted: dict[str, bool]) -> None:
    waybill = Waybill().way(until="out")
    waybill.signed("BJ02", at(3, "15:00"), **noted)
    assert look(waybill.events, at(3, "15:00")) == ([], None)


def bagged() -> Waybill:
    waybill = Waybill().way(until="departed")
    waybill.arrived("HGZ1", at(1, "21:30"), via="bag")
    return waybill


def test_a_parcel_missing_from_its_bag_is_to_be_told_within_three_hours() -> None:
    waybill = bagged()
    window = {"report_window/goods_missing/HGZ1": ("HGZ1", at(2, "00:30"))}
    assert look(waybill.events, at(1, "21:30")) == ([], at(1, "22:30")), "the piece may still be scanned"
    assert told(waybill, at(1, "22:30")) == told(waybill, at(2, "00:30")) == window
    assert told(waybill, at(2, "00:30:01")) == {}


def test_a_parcel_that_was_scanned_or_told_missing_is_no_duty() -> None:
    scanned, noticed = bagged(), bagged()
    scanned.arrived("HGZ1", at(1, "21:50"))
    noticed.notice("HGZ1", "GZ01", "goods_missing", at(1, "22:00"))
    assert told(scanned, at(1, "23:00")) == told(noticed, at(1, "23:00")) == {}
