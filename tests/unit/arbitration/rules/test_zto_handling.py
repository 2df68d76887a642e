"""ZT-09, ZT-12 and ZT-13: how complaints are handled. Day 5 is Friday 6 March 2026: three working days end with day 10."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from shared.events.outputs import HEADQUARTERS, Award, Finding
from tests.unit.arbitration.build import LOCAL, at
from tests.unit.arbitration.rules.desk_events import Complained

OPENED = at(5, "09:30")
LAST = at(10, "23:59:59")
OVER = at(11, "00:00")


def complained(category: str = "attitude", **data: Any) -> Complained:
    waybill = Complained()
    waybill.way()
    waybill.complained(category, OPENED, **data)
    return waybill


def fault(found: Finding) -> tuple[str, int]:
    assert found.awards == [Award(HEADQUARTERS, found.amount_fen)]
    return found.calculation["fault"], found.amount_fen


@pytest.mark.parametrize(
    ("category", "amount_fen"),
    [
        ("delay", 20000),
        ("dispatch_delay", 20000),
        ("loss", 20000),
        ("damage", 20000),
        ("shortage", 20000),
        ("untimely_compensation", 20000),
        ("false_signature", 50000),
        ("attitude", 50000),
        ("overcharge", 50000),
        ("other", 50000),
    ],
)
def test_not_handled_in_time(category: str, amount_fen: int) -> None:
    waybill = complained(category)
    assert waybill.of("ZT-09", LAST) == []
    found = waybill.only("ZT-09", OVER)
    assert (found.finding_id, found.role) == ("ZT-09/BJ02/C1", "delivery")
    assert fault(found) == ("not_handled", amount_fen)
    assert found.assumed == ["handling_working_days"]
    assert found.triggered_at == OVER


@pytest.mark.parametrize("outcome", ["resolved", "compensated", "declined"])
def test_a_reply_that_settles_is_a_registered_handling(outcome: str) -> None:
    waybill = complained()
    waybill.replied(outcome, LAST)
    assert waybill.of("ZT-09", at(20)) == []


@pytest.mark.parametrize("outcome", ["contacted", "progress", "referred_hq"])
def test_other_replies_are_no_handling(outcome: str) -> None:
    waybill = complained()
    waybill.replied(outcome, at(6))
    assert fault(waybill.only("ZT-09", OVER)) == ("not_handled", 50000)


def test_handled_one_second_late_stays_a_fault() -> None:
    waybill = complained()
    waybill.replied("resolved", OVER)
    waybill.handled(OVER)
    assert fault(waybill.only("ZT-09", OVER)) == ("not_handled", 50000)


def test_handled_in_time_and_not_registered() -> None:
    for handle in ("handled", "closed"):
        waybill = complained()
        if handle == "handled":
            waybill.handled(LAST)
        else:
            waybill.closed(LAST, satisfied=True)
        assert waybill.of("ZT-09", LAST) == []
        assert fault(waybill.only("ZT-09", OVER)) == ("not_registered", 2000)
        waybill.replied("contacted", at(9))
        assert waybill.of("ZT-09", OVER) == []


def test_closed_unsatisfied_is_no_handling() -> None:
    waybill = complained()
    waybill.closed(at(6), satisfied=False)
    assert fault(waybill.only("ZT-09", OVER)) == ("not_handled", 50000)


@pytest.mark.parametrize(("result", "expected"), [("invalid", 5000), ("false", 50000), ("valid", None)])
def test_audited_replies(result: str, expected: int | None) -> None:
    waybill = complained("delay")
    waybill.replied("resolved", at(6))
    waybill.audited(result, at(12))
    assert [f.amount_fen for f in waybill.of("ZT-09", at(12))] == ([] if expected is None else [expected])


def test_the_first_fault_in_order_counts() -> None:
    waybill = complained("delay")
    waybill.replied("resolved", at(6))
    waybill.audited("invalid", at(7))
    assert fault(waybill.only("ZT-09", at(7))) == ("invalid", 5000)
    waybill.audited("false", at(8))
    assert fault(waybill.only("ZT-09", at(8))) == ("false", 50000)
    waybill.reopened(at(9))
    assert fault(waybill.only("ZT-09", at(9))) == ("reopened", 20000)


def test_not_handled_comes_before_a_false_registration() -> None:
    waybill = complained("delay")
    waybill.replied("progress", at(6))
    waybill.audited("false", at(7))
    assert fault(waybill.only("ZT-09", LAST)) == ("false", 50000)
    assert fault(waybill.only("ZT-09", OVER)) == ("not_handled", 20000)


def test_a_late_registration_cannot_be_invalid_but_false() -> None:
    waybill = complained("delay")
    waybill.handled(at(6))
    waybill.replied("resolved", at(12))
    waybill.audited("invalid", at(13))
    assert fault(waybill.only("ZT-09", at(13))) == ("not_registered", 2000)
    waybill.audited("false", at(14))
    assert fault(waybill.only("ZT-09", at(14))) == ("false", 50000)


def test_reopened_at_once() -> None:
    waybill = complained("attitude")
    waybill.replied("resolved", at(5, "10:00"))
    waybill.reopened(at(5, "11:00"))
    assert fault(waybill.only("ZT-09", at(5, "11:00"))) == ("reopened", 50000)


@pytest.mark.parametrize(
    ("closed", "satisfied", "judged"),
    [
        (at(5, "09:40"), True, False),
        (at(5, "10:30"), True, False),
        (at(5, "10:30:01"), True, True),
        (at(5, "09:40"), False, True),
        (at(5, "09:40"), None, True),
    ],
)
def test_closed_satisfied_at_intake(closed: datetime, satisfied: bool | None, judged: bool) -> None:
    waybill = complained()
    waybill.closed(closed, satisfied=satisfied)
    assert bool(waybill.of("ZT-09", OVER)) is judged


def test_a_site_had_acted_before_it_was_closed() -> None:
    waybill = complained()
    waybill.handled(at(5, "09:35"))
    waybill.closed(at(5, "09:40"), satisfied=True)
    assert fault(waybill.only("ZT-09", OVER)) == ("not_registered", 2000)


def test_registered_one_second_late() -> None:
    waybill = complained()
    waybill.handled(at(6))
    waybill.replied("resolved", OVER)
    assert fault(waybill.only("ZT-09", OVER)) == ("not_registered", 2000)


def test_a_customer_who_comes_back_was_not_satisfied_at_intake() -> None:
    waybill = complained()
    waybill.closed(at(5, "09:40"), satisfied=True)
    waybill.reopened(at(6))
    assert fault(waybill.only("ZT-09", at(6))) == ("reopened", 50000)


def test_each_complaint_is_judged_for_itself_on_its_own_site() -> None:
    waybill = complained()
    waybill.complained("other", at(6), "C2", against_site="GZ01")
    assert [f.finding_id for f in waybill.of("ZT-09", at(20))] == ["ZT-09/BJ02/C1", "ZT-09/GZ01/C2"]


@pytest.mark.parametrize(
    ("opened", "over"),
    [
        ("2026-02-12T10:00", "2026-02-25T00:00"),  # Thu; Fri 13, make-up Sat 14, holidays to Mon 23, Tue 24
        ("2026-05-06T10:00", "2026-05-10T00:00"),  # Wed; Thu 7, Fri 8, make-up Sat 9
        ("2026-04-03T10:00", "2026-04-10T00:00"),  # Fri; Monday 6 is free: Tue 7, Wed 8, Thu 9
    ],
)
def test_working_days_of_the_public_calendar(opened: str, over: str) -> None:
    start, end = (datetime.fromisoformat(text).replace(tzinfo=LOCAL) for text in (opened, over))
    waybill = Complained()
    waybill.collected("GZ01", start)
    waybill.complained("attitude", start)
    assert [f.triggered_at for f in waybill.of("ZT-09", at(200))] == [end]


def test_beyond_the_announced_calendar_the_year_is_assumed() -> None:
    opened = datetime(2040, 1, 4, 10, tzinfo=LOCAL)
    waybill = Complained()
    waybill.collected("GZ01", opened)
    waybill.complained("attitude", opened)
    found = waybill.only("ZT-09", datetime(2040, 2, 1, tzinfo=LOCAL))
    assert found.assumed == ["calendar_2040", "handling_working_days"]


def test_in_force_from_june_2015() -> None:
    for moment, found in (
        (datetime(2015, 5, 31, 23, 59, 59, tzinfo=LOCAL), 0),
        (datetime(2015, 6, 1, tzinfo=LOCAL), 1),
    ):
        waybill = Complained()
        waybill.collected("GZ01", moment)
        waybill.complained("attitude", moment)
        assert len(waybill.of("ZT-09", at(1))) == found


def test_collected_without_inspection() -> None:
    for inspected, found in ((False, 1), (True, 0), (None, 0)):
        waybill = Complained()
        waybill.collected("GZ01", at(1), **({} if inspected is None else {"inspected": inspected}))
        assert len(waybill.of("ZT-12", at(1))) == found
    waybill = Complained("tiantian")
    waybill.collected("GZ01", at(1), inspected=False)
    assert waybill.of("ZT-12", at(1)) == []


def test_collected_without_inspection_is_an_alert_on_origin() -> None:
    waybill = Complained()
    waybill.collected("GZ01", at(1), inspected=False)
    found = waybill.only("ZT-12", at(1))
    assert (found.finding_id, found.kind, found.role) == ("ZT-12/GZ01", "alert", "origin")


def test_sent_to_headquarters_is_an_alert_on_the_site_once_for_each_complaint() -> None:
    waybill = complained()
    waybill.replied("referred_hq", at(6), "HBJ1")
    waybill.replied("referred_hq", at(7), "HBJ1")
    waybill.replied("referred_hq", at(7), "GZ01")
    found = waybill.of("ZT-13", at(7))
    assert [f.finding_id for f in found] == ["ZT-13/GZ01/C1", "ZT-13/HBJ1/C1"]
    assert {f.kind for f in found} == {"alert"}
    assert len(found[1].evidence) == 2


def test_a_reply_that_helps_sends_nobody_anywhere() -> None:
    waybill = complained()
    waybill.replied("resolved", at(6))
    assert waybill.of("ZT-13", at(7)) == []
