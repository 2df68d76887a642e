"""SD-02, SD-03 and SD-05: the complaint desk's terms. Day 5 is Friday 6 March 2026: three working days end with day 10."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from services.arbitration.domain import ExemptionFact, Facts
from tests.unit.arbitration.build import at
from tests.unit.arbitration.rules.desk_events import Complained

OPENED = at(5, "09:30")


def complained(network: str = "zto", category: str = "other", **data: Any) -> Complained:
    waybill = Complained(network)
    waybill.way()
    waybill.complained(category, OPENED, **data)
    return waybill


@pytest.mark.parametrize("network", ["zto", "tiantian", "yunda", "freight", "unheard-of"])
def test_no_contact_within_24_hours_in_every_network(network: str) -> None:
    waybill = complained(network)
    assert waybill.decide(OPENED).next_review_at == at(6, "09:30:01")
    assert waybill.of("SD-02", at(6, "09:30")) == []
    found = waybill.only("SD-02", at(6, "09:30:01"))
    assert (found.finding_id, found.kind, found.role) == ("SD-02/BJ02/C1", "alert", "delivery")
    assert (found.amount_fen, found.awards) == (0, [])


@pytest.mark.parametrize(("contacted", "alert"), [(at(6, "09:30"), False), (at(6, "09:30:01"), True)])
@pytest.mark.parametrize("means", ["reply", "handled", "contact_log", "own contact_log"])
def test_contact_in_time(means: str, contacted: datetime, alert: bool) -> None:
    waybill = complained()
    if means == "reply":
        waybill.replied("progress", contacted)
    elif means == "handled":
        waybill.handled(contacted)
    elif means == "contact_log":
        waybill.evidence("contact_log", at(7), site="BJ02", contacted_at=contacted)
    else:
        waybill.add("evidence.submitted", "BJ02", contacted, kind="contact_log", evidence_id="E1")
    assert bool(waybill.of("SD-02", at(7))) is alert


def test_contact_of_another_site_or_before_the_complaint_does_not_count() -> None:
    waybill = complained()
    waybill.replied("contacted", at(5, "10:00"), "HBJ1")
    waybill.evidence("contact_log", at(5, "10:00"), "E1", site="HBJ1", contacted_at=at(5, "10:00"))
    waybill.evidence("contact_log", at(5, "10:00"), "E2", site="BJ02", contacted_at=at(5, "09:29:59"))
    assert len(waybill.of("SD-02", at(7))) == 1


def test_the_clock_starts_when_the_site_has_the_form() -> None:
    waybill = complained()
    waybill.received("BJ02", at(5, "18:00"))
    assert waybill.decide(at(6)).next_review_at == at(6, "18:00:01")
    assert waybill.of("SD-02", at(6, "18:00")) == []
    assert len(waybill.of("SD-02", at(6, "18:00:01"))) == 1


@pytest.mark.parametrize(("settled", "alert"), [(at(10, "23:59:59"), False), (at(11, "00:00"), True)])
@pytest.mark.parametrize("means", ["handled", "closed"])
def test_settled_within_three_working_days(means: str, settled: datetime, alert: bool) -> None:
    waybill = complained()
    waybill.replied("resolved", at(5, "10:00"))
    if means == "handled":
        waybill.handled(settled)
    else:
        waybill.closed(settled, satisfied=False)
    assert bool(waybill.of("SD-03", at(11))) is alert


def test_unsettled_after_three_working_days() -> None:
    waybill = complained()
    waybill.replied("progress", at(5, "10:00"))
    assert waybill.of("SD-03", at(10, "23:59:59")) == []
    found = waybill.only("SD-03", at(11, "00:00"))
    assert (found.finding_id, found.kind, found.triggered_at) == ("SD-03/BJ02/C1", "alert", at(11, "00:00"))


def test_reminders_are_no_moments_at_which_a_verdict_differs() -> None:
    waybill = complained("unheard-of")
    waybill.replied("contacted", at(5, "10:00"))
    assert waybill.decide(at(5, "10:00")).next_review_at == at(11, "00:00")


def test_closed_satisfied_at_intake_concerns_no_site() -> None:
    waybill = complained()
    waybill.closed(at(5, "10:30"), satisfied=True)
    assert [f for f in waybill.decide(at(30)).findings if f.rule.startswith("SD-")] == []


@pytest.mark.parametrize(
    ("follow_up", "satisfied", "alert"),
    [
        (at(11, "23:59:59"), True, False),
        (at(11, "23:59:59"), False, False),
        (at(11, "23:59:59"), None, True),
        (at(12, "00:00"), True, True),
    ],
)
def test_follow_up_with_satisfaction(follow_up: datetime, satisfied: bool | None, alert: bool) -> None:
    waybill = complained()
    waybill.replied("resolved", at(5, "10:00"))
    waybill.handled(at(8, "16:00"))  # Monday 9 March: until Thursday 12 March
    waybill.closed(follow_up, satisfied=satisfied)
    assert bool(waybill.of("SD-05", at(12))) is alert


def test_follow_up_is_the_desks() -> None:
    waybill = complained()
    waybill.handled(at(8, "16:00"))
    assert waybill.of("SD-05", at(11, "23:59:59")) == []
    found = waybill.only("SD-05", at(12, "00:00"))
    assert (found.finding_id, found.site, found.role, found.person) == ("SD-05/-/C1", None, "other", "cs")


def test_closed_with_satisfaction_needs_no_further_follow_up() -> None:
    waybill = complained()
    waybill.closed(at(8), satisfied=False)
    assert waybill.of("SD-05", at(30)) == []


def test_reopening_before_the_follow_up_was_due_makes_it_void() -> None:
    waybill = complained()
    waybill.handled(at(8, "16:00"))
    waybill.reopened(at(11, "23:59:59"))
    assert waybill.of("SD-05", at(30)) == []
    waybill.handled(at(15))  # Monday 16 March: until Thursday 19 March
    assert waybill.of("SD-05", at(18, "23:59:59")) == []
    assert len(waybill.of("SD-05", at(19, "00:00"))) == 1


def test_reopening_after_it_does_not() -> None:
    waybill = complained()
    waybill.handled(at(8, "16:00"))
    waybill.reopened(at(12, "00:00"))
    assert len(waybill.of("SD-05", at(12))) == 1


def exempt(first: int, last: int, *sites: str) -> Facts:
    span = ExemptionFact(
        exemption_id="flood", sites=list(sites), from_=date(2026, 3, first + 1), to=date(2026, 3, last + 1)
    )
    return Facts(exemptions=[span])


def test_hours_of_exempt_days_do_not_count() -> None:
    waybill = complained()
    # 14.5 hours of day 5, days 6 and 7 left out, 9.5 hours of day 8.
    facts = exempt(6, 7, "BJ02")
    assert waybill.of("SD-02", at(8, "09:30"), facts) == []
    found = waybill.only("SD-02", at(8, "09:30:01"), facts)
    assert found.exemptions == ["flood"]
    assert len(waybill.of("SD-02", at(6, "09:30:01"), exempt(6, 7, "GZ01"))) == 1


def test_an_exemption_that_moved_a_term_is_shown_before_anything_is_found() -> None:
    assert complained().decide(OPENED, exempt(6, 7, "BJ02")).exemptions == ["flood"]
    assert complained().decide(OPENED, exempt(6, 7, "SH99")).exemptions == []


def test_exempt_working_days_do_not_count() -> None:
    waybill = complained()
    # Monday day 8 and Tuesday day 9 are left out: Wednesday 10, Thursday 11, Friday 12.
    facts = exempt(8, 9, "BJ02")
    assert waybill.of("SD-03", at(12, "23:59:59"), facts) == []
    assert waybill.only("SD-03", at(13, "00:00"), facts).exemptions == ["flood"]
    # A flood at the weekend changes nothing and is not shown.
    assert waybill.only("SD-03", at(11, "00:00"), exempt(6, 7, "BJ02")).exemptions == []


@pytest.mark.parametrize(
    ("category", "data", "until", "site"),
    [
        ("attitude", {"against_site": "HBJ1"}, "signed", "HBJ1"),
        ("loss", {}, "hubs", "HBJ1"),
        ("damage", {}, "signed", "BJ02"),
        ("dispatch_delay", {}, "signed", "GZ01"),
        ("other", {}, "signed", "BJ02"),
        ("other", {}, "hubs", "GZ01"),
    ],
)
def test_the_responsible_site(category: str, data: dict[str, str], until: str, site: str) -> None:
    waybill = Complained("tiantian")
    waybill.way(until=until)
    waybill.complained(category, at(5), **data)
    assert waybill.only("SD-02", at(7)).site == site


def test_a_late_link_answers_for_a_complaint_of_delay() -> None:
    waybill = Complained("tiantian")
    waybill.way(until="departed")
    waybill.arrived("HGZ1", at(1, "21:30"))
    waybill.departed("HGZ1", "BJ02", at(4))
    waybill.arrived("BJ02", at(4, "18:00"))
    waybill.out("BJ02", at(5, "08:00"))
    waybill.signed("BJ02", at(5, "15:00"))
    waybill.complained("delay", at(6))
    assert waybill.only("SD-02", at(8)).site == "HGZ1"


def test_nobody_to_ask_where_no_site_is_known() -> None:
    waybill = Complained("unheard-of")
    waybill.complained("other", OPENED)
    assert waybill.decide(at(30)).findings == []
