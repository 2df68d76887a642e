"""Which duty is told, reminded of and escalated, when and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
import pytest

from services.notify.domain.duties import PLANS, Said, Step, advance
from services.notify.domain.occasions import OCCASIONS
from services.notify.domain.sayings import Saying, bundled, telling
from shared.events.duties import ESCALATED, DutiesData, Duty, DutyKind
from tests.unit.notify.duties import (
    COMPLAINT,
    CONTACT,
    FINE,
    FOLLOW_UP,
    HOUR,
    LIMITS,
    OPENED_AT,
    SETTLE,
    duties,
    duty,
)

SECOND = timedelta(seconds=1)


def step(known: Sequence[Duty], new: DutiesData, *, now: datetime = OPENED_AT) -> Step:
    return advance(known, new, partition=3, now=now, limits=LIMITS)


def shown(sayings: Sequence[Saying]) -> list[tuple[str, datetime, tuple[str, ...]]]:
    return [(saying.occasion, saying.at, saying.to) for saying in sayings]


def moved(one: Duty, **members: object) -> Duty:
    return msgspec.structs.replace(one, **members)


def test_every_kind_of_duty_has_a_plan_and_every_thing_said_is_an_occasion() -> None:
    assert set(PLANS) == set(get_args(DutyKind))
    said = {one.occasion for plan in PLANS.values() for one in (plan.at_once, plan.before, plan.after) if one}
    assert said <= set(OCCASIONS)


def test_a_complaint_is_forwarded_at_once_with_its_terms_and_their_reminders_and_escalations_are_planned() -> (
    None
):
    result = step([], duties(1, COMPLAINT, CONTACT, SETTLE))
    (opened,) = result.say
    assert (opened.occasion, opened.to, opened.due_at) == ("complaint_opened", ("site",), CONTACT.due_at)
    assert [term.kind for term in opened.terms] == ["contact", "settle"]
    assert CONTACT.due_at
    assert SETTLE.due_at
    assert shown(result.plan) == [
        ("contact_due", CONTACT.due_at - 4 * HOUR, ("site",)),
        ("contact_overdue", CONTACT.due_at + SECOND, ("parent", "manager")),
        ("settle_due", SETTLE.due_at - 24 * HOUR, ("site",)),
        ("settle_overdue", SETTLE.due_at + SECOND, ("parent", "manager")),
    ]
    assert result.drop == []


@pytest.mark.parametrize(
    ("kind", "to"), [("major", ("manager", "operations", "deputy")), ("flagged", ("deputy",))]
)
def test_headquarters_is_told_at_once(kind: str, to: tuple[str, ...]) -> None:
    (said,) = step([], duties(1, duty(kind, note="regulator"))).say
    assert said.to == to


def test_headquarters_reads_which_site_is_responsible() -> None:
    major = duty("major", site=None, note="regulator")
    (said, _) = step([], duties(1, major, COMPLAINT, CONTACT)).say
    assert (said.occasion, said.site, said.due_at) == ("complaint_major", "BJ02", None)


def test_a_complaint_without_a_site_is_told_to_headquarters_and_then_to_its_site() -> None:
    nobodys = moved(COMPLAINT, site=None)
    (said,) = step([], duties(1, nobodys)).say
    assert (said.occasion, said.site, said.desk, said.due_at) == ("complaint_opened", None, None, None)
    found = step([nobodys], duties(2, COMPLAINT, CONTACT))
    assert [(said.occasion, said.site) for said in found.say] == [("complaint_opened", "BJ02")]
    assert found.drop == ["duty/complaint/C1"]


def test_what_is_found_after_its_term_is_escalated_no_sooner_than_it_was_found() -> None:
    assert CONTACT.due_at
    found = CONTACT.due_at + HOUR
    (late,) = step([], duties(1, CONTACT, as_of=found), now=found).plan
    assert (late.occasion, late.at, late.escalation) == ("contact_overdue", found, True)


def test_arbitration_says_for_every_kind_that_is_escalated_when_its_lists_are_complete() -> None:
    assert {kind for kind, plan in PLANS.items() if plan.after} == ESCALATED
    for kind, plan in PLANS.items():
        sayings = step([], duties(1, duty(kind, due_at=OPENED_AT + 100 * HOUR))).plan
        assert [saying.escalation for saying in sayings] == [False] * bool(plan.before) + [True] * bool(
            plan.after
        )


def test_what_stays_is_not_told_again_and_what_is_done_is_dropped() -> None:
    result = step([COMPLAINT, CONTACT, SETTLE], duties(2, COMPLAINT, SETTLE))
    assert result == Step([], [], ["duty/contact/C1"])


def test_a_moved_due_moment_is_planned_anew() -> None:
    later = moved(CONTACT, due_at=OPENED_AT + 30 * HOUR)
    result = step([COMPLAINT, CONTACT], duties(2, COMPLAINT, later))
    assert result.drop == ["duty/contact/C1"]
    assert [saying.at for saying in result.plan] == [OPENED_AT + 26 * HOUR, OPENED_AT + 30 * HOUR + SECOND]
    assert result.say == []


def test_a_complaint_that_goes_to_another_site_is_forwarded_to_it() -> None:
    result = step([COMPLAINT], duties(2, moved(COMPLAINT, site="SH03")))
    assert [(said.occasion, said.site) for said in result.say] == [("complaint_opened", "SH03")]
    assert result.drop == ["duty/complaint/C1"]


def test_who_takes_a_complaint_over_late_is_told_while_its_terms_are_news() -> None:
    assert SETTLE.due_at
    elsewhere = duties(2, moved(COMPLAINT, site="SH03"), moved(SETTLE, site="SH03"))
    for late, told in ((SETTLE.due_at + 71 * HOUR, ["SH03"]), (SETTLE.due_at + 73 * HOUR, [])):
        assert late > OPENED_AT + LIMITS.news_within
        assert [said.site for said in step([COMPLAINT, SETTLE], elsewhere, now=late).say] == told
        assert step([], elsewhere, now=late).say == [], "to a backfill it is old"


def test_a_new_amount_takes_the_place_of_the_old_without_a_second_reminder() -> None:
    result = step([FINE], duties(2, moved(FINE, amount_fen=10_000)))
    (again,) = result.plan
    (first,) = step([], duties(1, FINE)).plan
    assert (again.saying_id, again.duty.amount_fen if again.duty else 0) == (first.saying_id, 10_000)
    assert result.drop == []


def test_old_news_is_neither_told_nor_reminded_of_nor_escalated() -> None:
    new = duties(1, COMPLAINT, CONTACT, SETTLE)
    assert step([], new, now=OPENED_AT + 72 * HOUR).say == []
    assert CONTACT.due_at
    late = step([], new, now=CONTACT.due_at)
    assert [saying.occasion for saying in late.plan] == ["contact_overdue", "settle_due", "settle_overdue"]
    years = step([], new, now=OPENED_AT + timedelta(days=1_000))
    assert years == Step([], [], [])


def test_a_duty_found_within_its_reminders_time_is_reminded_of_at_once_unless_it_is_told_then() -> None:
    found = OPENED_AT + 22 * HOUR
    reminder = step([], duties(1, CONTACT, as_of=found), now=found).plan[0]
    assert (reminder.occasion, reminder.at) == ("contact_due", found)
    asked = duty("return_request", "R1", due_at=OPENED_AT + 6 * HOUR)
    result = step([], duties(1, asked))
    assert [said.occasion for said in result.say] == ["return_requested"]
    assert result.plan == []


def test_a_follow_up_is_the_desks() -> None:
    found = FOLLOW_UP.begun_at
    result = step([], duties(1, FOLLOW_UP, as_of=found), now=found)
    assert [(one.occasion, one.to, one.desk) for one in result.plan] == [
        ("follow_up_due", ("doer",), "desk1"),
        ("follow_up_overdue", ("doer", "manager"), "desk1"),
    ]


def test_an_operator_chooses_another_lead() -> None:
    limits = type(LIMITS)(leads={"contact": HOUR}, news_within=LIMITS.news_within, bundling=LIMITS.bundling)
    result = advance([], duties(1, CONTACT), partition=0, now=OPENED_AT, limits=limits)
    assert result.plan[0].at == OPENED_AT + 23 * HOUR


def test_warnings_fall_on_a_grid_and_into_one_bundle() -> None:
    # 11:59:59 less three hours is 08:59:59; the grid's point before is 08:45.
    (one,) = step([], duties(1, FINE)).plan
    other_due = moved(FINE, due_at=datetime(2026, 3, 3, 3, 50, tzinfo=UTC))
    (other,) = step([], duties(1, other_due, waybill="560000000002")).plan
    assert one.at == datetime(2026, 3, 3, 0, 45, tzinfo=UTC)
    assert one.bundle == other.bundle == "tiantian/BJ02/fines_ahead/2026-03-03T00:45:00+00:00"
    (elsewhere,) = step([], duties(1, moved(FINE, site="SH03"))).plan
    assert elsewhere.bundle != one.bundle


def test_a_warning_found_late_waits_for_the_next_point_but_never_beyond_the_term() -> None:
    found = datetime(2026, 3, 3, 2, 50, tzinfo=UTC)
    (late,) = step([], duties(1, FINE, as_of=found), now=found).plan
    assert late.at == datetime(2026, 3, 3, 3, 0, tzinfo=UTC)
    found = datetime(2026, 3, 3, 3, 50, tzinfo=UTC)
    (last,) = step([], duties(1, FINE, as_of=found), now=found).plan
    assert last.at == found


def test_a_bundle_lists_the_first_and_dearest_and_counts_the_rest() -> None:
    sayings = []
    for number in range(5):
        fine = moved(FINE, amount_fen=1_000 * number)
        sayings += step([], duties(1, fine, waybill=f"56000000000{number}")).plan
    told = bundled(sayings, "BJ02", listed_max=2)
    assert [waybill for waybill, _ in told.values["items"]] == ["560000000004", "560000000003"]  # type: ignore[attr-defined]
    assert (told.values["rest"], told.values["count"], told.values["total_fen"]) == (3, 5, 10_000)
    assert told.waybill is None
    again = bundled(sayings[::-1], "BJ02", listed_max=2)
    assert again.notice_id("in_app") == told.notice_id("in_app")
    assert bundled(sayings[1:], "BJ02", listed_max=2).notice_id("in_app") != told.notice_id("in_app") or (
        min(saying.saying_id for saying in sayings) != sayings[0].saying_id
    )


def test_a_bundle_counts_parcels_and_sums_what_all_their_duties_cost() -> None:
    late = moved(FINE, duty_id="fine/TT-04/BJ02", rule="TT-04", amount_fen=2_000)
    twice = step([], duties(1, moved(FINE, amount_fen=1_000), late)).plan
    once = step([], duties(1, moved(FINE, amount_fen=500), waybill="560000000002")).plan
    told = bundled([*once, *twice], "BJ02", listed_max=1)
    assert len(twice) == 2
    items = told.values["items"]
    assert isinstance(items, list)
    assert [(waybill, [one.rule for one in listed]) for waybill, listed in items] == [
        (twice[0].waybill, ["TT-04", "TT-02"])
    ]
    assert (told.values["rest"], told.values["count"], told.values["total_fen"]) == (1, 2, 3_500)


def test_what_is_stored_reads_back_as_it_was_and_names_the_same_notice() -> None:
    for saying in step([], duties(1, COMPLAINT, CONTACT, SETTLE, FINE)).plan:
        stored = msgspec.json.decode(msgspec.json.encode(saying), type=Saying)
        assert stored == saying
        assert stored.saying_id == saying.saying_id
        assert telling(stored, "BJ02").notice_id("email") == telling(saying, "BJ02").notice_id("email")


def test_no_plan_reminds_without_a_lead() -> None:
    for plan in PLANS.values():
        assert bool(plan.before) == bool(plan.lead)
        assert plan.at_once is None or isinstance(plan.at_once, Said)
