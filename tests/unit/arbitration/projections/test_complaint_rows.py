"""The rows of the complaint desk's list. Day 5 is Friday 6 March 2026: three working days end with day 10."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.arbitration.domain import ExemptionFact, Facts, distinct
from services.arbitration.domain.decision import asked
from services.arbitration.projections.complaints import ComplaintRow, complaint_rows
from shared.events import Event
from tests.unit.arbitration.build import BOOKS, LOCAL, at
from tests.unit.arbitration.rules.complaint_histories import EXAMPLES, FACTS, HISTORIES, NOWS
from tests.unit.arbitration.rules.desk_events import Complained

OPENED = at(5, "09:30")


def complained(category: str = "other", moment: datetime = OPENED, **data: object) -> Complained:
    waybill = Complained()
    waybill.way()
    waybill.complained(category, moment, **data)
    return waybill


def rows(events: list[Event], now: datetime, facts: Facts | None = None) -> list[ComplaintRow]:
    network = events[0].network
    return complaint_rows(asked(distinct(events)[0], facts or Facts(), BOOKS.of(network), now))


def row(waybill: Complained, facts: Facts | None = None) -> ComplaintRow:
    (only,) = rows(waybill.events, at(30), facts)
    return only


def test_a_complaint_just_opened() -> None:
    found = row(complained("attitude", channel="web", major=True, major_ground="regulator"))
    assert (found.complaint_id, found.desk, found.channel, found.category) == ("C1", "cs", "web", "attitude")
    assert (found.major, found.major_ground, found.responsible_site, found.state) == (
        True,
        "regulator",
        "BJ02",
        "open",
    )
    assert (found.class_, found.subclass, found.closed_at_intake) == (None, None, False)
    assert found.opened_at == found.forwarded_at == OPENED
    assert found.forward_due_at == at(5, "10:30")
    assert found.contact_due_at == found.progress_due_at == at(6, "09:30")
    assert found.settle_due_at == at(10, "23:59:59")
    done = (found.received_at, found.contacted_at, found.progressed_at, found.settled_at)
    assert done == (None, None, None, None)
    assert (found.follow_up_due_at, found.followed_up_at, found.escalations) == (None, None, 0)


def test_a_complaint_that_the_system_heard_of_late_was_forwarded_late() -> None:
    waybill = Complained()
    waybill.way()
    waybill.add(
        "complaint.opened",
        "/desks/cs",
        OPENED,
        recorded=at(5, "11:00"),
        complaint_id="C1",
        channel="letter",
        category="other",
        claimant="sender",
    )
    found = row(waybill)
    assert (found.forward_due_at, found.forwarded_at) == (at(5, "10:30"), at(5, "11:00"))


def test_a_life() -> None:
    waybill = complained()
    waybill.received("BJ02", at(5, "18:00"))
    assert (row(waybill).state, row(waybill).received_at) == ("open", at(5, "18:00"))
    assert row(waybill).contact_due_at == at(6, "18:00")
    waybill.replied("contacted", at(6, "10:00"))
    assert (row(waybill).state, row(waybill).contacted_at) == ("contacted", at(6, "10:00"))
    assert row(waybill).progressed_at is None
    waybill.replied("progress", at(6, "12:00"))
    assert row(waybill).progressed_at == at(6, "12:00")
    waybill.handled(at(8, "16:00"))  # Monday 9 March: followed up until Thursday 12 March
    assert (row(waybill).state, row(waybill).settled_at) == ("settled", at(8, "16:00"))
    assert (row(waybill).follow_up_due_at, row(waybill).followed_up_at) == (at(11, "23:59:59"), None)
    waybill.escalated("other", at(9), complaint_id="C1")
    waybill.escalated("other", at(9), "X2", complaint_id="another")
    waybill.add("complaint.flagged", "/desks/cs", at(9), complaint_id="C1", ground="customer_risk")
    assert (row(waybill).escalations, row(waybill).flagged_at) == (1, at(9))
    waybill.closed(at(11), satisfied=True, **{"class": "operations", "subclass": "work error"})
    found = row(waybill)
    assert (found.state, found.followed_up_at) == ("closed", at(11))
    assert (found.class_, found.subclass) == ("operations", "work error")
    assert found.handled_at == found.settled_at == found.first_settled_at == at(8, "16:00")
    assert (found.closed_at, found.satisfied) == (at(11), True)


def test_settling_tells_the_progress_and_sending_to_headquarters_does_not() -> None:
    waybill = complained()
    waybill.replied("referred_hq", at(5, "12:00"))
    waybill.handled(at(6, "08:00"))
    assert (row(waybill).contacted_at, row(waybill).progressed_at) == (at(5, "12:00"), at(6, "08:00"))


def test_closed_satisfied_at_intake_has_no_clocks() -> None:
    waybill = complained()
    waybill.closed(at(5, "10:30"), satisfied=True)
    found = row(waybill)
    assert (found.state, found.closed_at_intake, found.responsible_site) == ("closed", True, "BJ02")
    assert (found.settled_at, found.followed_up_at) == (at(5, "10:30"), at(5, "10:30"))
    clocks = (
        "forward_due",
        "forwarded",
        "received",
        "contact_due",
        "progress_due",
        "progressed",
        "settle_due",
    )
    assert {getattr(found, f"{clock}_at") for clock in clocks} == {None}
    waybill.reopened(at(6))
    found = row(waybill)
    assert (found.state, found.closed_at_intake, found.settle_due_at) == ("open", False, at(10, "23:59:59"))


def test_closed_satisfied_a_second_after_the_hour_is_not_at_intake() -> None:
    waybill = complained()
    waybill.closed(at(5, "10:30:01"), satisfied=True)
    assert (row(waybill).closed_at_intake, row(waybill).contact_due_at) == (False, at(6, "09:30"))


def test_working_days_around_labour_day() -> None:
    # Thursday 30 April 2026; 1 to 5 May are free, Saturday 9 May is worked.
    waybill = complained(moment=datetime(2026, 4, 30, 17, tzinfo=LOCAL))
    assert row(waybill).contact_due_at == datetime(2026, 5, 1, 17, tzinfo=LOCAL)
    assert row(waybill).settle_due_at == datetime(2026, 5, 8, 23, 59, 59, tzinfo=LOCAL)
    waybill.handled(datetime(2026, 5, 8, 10, tzinfo=LOCAL))
    assert row(waybill).follow_up_due_at == datetime(2026, 5, 12, 23, 59, 59, tzinfo=LOCAL)


def test_exempt_days_move_what_is_due_of_the_site_and_not_of_the_desk() -> None:
    waybill = complained()
    waybill.handled(at(8))
    flood = ExemptionFact(exemption_id="flood", sites=["BJ02"], from_=date(2026, 3, 7), to=date(2026, 3, 10))
    found = row(waybill, Facts(exemptions=[flood]))
    # 14.5 hours of Friday day 5, days 6 to 9 left out, 9.5 hours of Wednesday day 10.
    assert found.contact_due_at == found.progress_due_at == at(10, "09:30")
    # Wednesday day 10, Thursday 11, Friday 12.
    assert found.settle_due_at == at(12, "23:59:59")
    assert found.forward_due_at == at(5, "10:30")
    assert found.follow_up_due_at == at(11, "23:59:59")


@pytest.mark.parametrize(("again", "missed"), [(at(11, "23:59:59"), False), (at(12, "00:00"), True)])
def test_reopened(again: datetime, missed: bool) -> None:
    waybill = complained()
    waybill.replied("resolved", at(5, "10:00"))
    waybill.handled(at(8, "16:00"))  # to be followed up until day 11
    waybill.reopened(again)
    found = row(waybill)
    assert (found.state, found.reopened, found.reopened_at) == ("open", 1, again)
    assert (found.settled_at, found.follow_up_due_at, found.followed_up_at) == (None, None, None)
    assert (found.first_settled_at, found.settle_due_at) == (at(8, "16:00"), at(10, "23:59:59"))
    assert found.follow_up_missed is missed
    waybill.replied("contacted", at(13))
    assert row(waybill).state == "contacted"
    assert row(waybill).contacted_at == at(5, "10:00")
    waybill.closed(at(15), satisfied=False)  # Monday 16 March: followed up by the same
    found = row(waybill)
    assert (found.state, found.settled_at, found.followed_up_at) == ("closed", at(15), at(15))
    assert found.first_settled_at == at(8, "16:00")


def test_several_complaints_on_a_waybill() -> None:
    waybill = complained("dispatch_delay")
    waybill.complained("attitude", at(6), "C2", against_site="HBJ1")
    waybill.handled(at(7), complaint_id="C2")
    first, second = rows(waybill.events, at(30))
    assert (first.complaint_id, first.responsible_site, first.state) == ("C1", "GZ01", "open")
    assert (second.complaint_id, second.responsible_site, second.state) == ("C2", "HBJ1", "settled")


def test_nobody_to_ask() -> None:
    waybill = Complained("unheard-of")
    waybill.complained("other", OPENED)
    found = row(waybill)
    assert (found.responsible_site, found.state, found.forwarded_at, found.settle_due_at) == (
        None,
        "open",
        None,
        None,
    )


def test_the_liable_site_answers() -> None:
    waybill = Complained("tiantian")
    waybill.way(until="departed")
    waybill.arrived("HGZ1", at(1, "21:30"))
    waybill.departed("HGZ1", "BJ02", at(4))
    waybill.arrived("BJ02", at(4, "18:00"))
    waybill.complained("delay", at(6))
    assert row(waybill).responsible_site == "HGZ1"


def test_before_the_rules_are_in_force() -> None:
    waybill = Complained("unheard-of")
    waybill.complained("other", datetime.fromisoformat("2000-01-01T00:00:00+14:00"), against_site="BJ02")
    assert row(waybill).contact_due_at == datetime.fromisoformat("2000-01-02T00:00:00+14:00")


@EXAMPLES
@given(history=HISTORIES, facts=FACTS, now=NOWS, data=st.data())
def test_order_and_repetition_change_nothing(
    history: tuple[str, list[Event]], facts: Facts, now: datetime, data: st.DataObject
) -> None:
    _, events = history
    extra = data.draw(st.lists(st.sampled_from(events), max_size=5))
    assert rows(events, now, facts) == rows(data.draw(st.permutations(events + extra)), now, facts)


@EXAMPLES
@given(history=HISTORIES, facts=FACTS, now=NOWS)
def test_the_rows_say_what_the_rules_find(
    history: tuple[str, list[Event]], facts: Facts, now: datetime
) -> None:
    network, events = history
    case = asked(distinct(events)[0], facts, BOOKS.of(network), now)
    found = {f.finding_id for f in case.found if f.rule in ("SD-02", "SD-03", "SD-05")}
    expected = set()
    for one in complaint_rows(case):
        if _missed(one.contact_due_at, one.contacted_at, now):
            expected.add(f"SD-02/{one.responsible_site}/{one.complaint_id}")
        if _missed(one.settle_due_at, one.first_settled_at, now):
            expected.add(f"SD-03/{one.responsible_site}/{one.complaint_id}")
        if one.follow_up_missed or _missed(one.follow_up_due_at, one.followed_up_at, now):
            expected.add(f"SD-05/-/{one.complaint_id}")
    assert found == expected


def _missed(due: datetime | None, done: datetime | None, now: datetime) -> bool:
    return due is not None and now >= due + timedelta(seconds=1) and (done is None or done > due)
