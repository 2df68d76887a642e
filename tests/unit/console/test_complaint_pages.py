"""A complaint's next duty, the order of the desk's list, what is missing on the form, and the ranking of sites."""

from __future__ import annotations

from typing import Any

import pytest

from services.console.clocks import TERMS, next_duty, pressing
from services.console.complaint_form import ComplaintForm
from services.console.ranking import ranked, total


def complaint(overdue: tuple[str, ...] = (), **clocks: Any) -> dict[str, Any]:
    """A complaint that was forwarded, with `term=due` or `term=(done, due)` hours of one day."""

    def at(hour: int | None) -> str | None:
        return None if hour is None else f"2026-03-01T{hour:02d}:00:00Z"

    shown: dict[str, Any] = {"received_at": at(1), "first_settled_at": None}
    for term in TERMS:
        done, due = clocks.get(term, (None, None)) if term != "forwarded" else (1, 2)
        shown[term] = {"at": at(done), "due_at": at(due), "late": False}
    return {
        "complaint_id": "C1",
        "responsible_site": "BJ02",
        "class": None,
        "satisfied": None,
        "closed_at_intake": False,
        "clocks": shown,
        "overdue": [{"term": term} for term in overdue],
    }


def test_the_next_duty_is_the_one_due_first() -> None:
    one = complaint(contacted=(None, 9), settled=(None, 20))
    duty = next_duty(one)
    assert duty is not None
    assert (duty.term, duty.due_at.hour, duty.overdue) == ("contacted", 9, False)


def test_what_is_overdue_comes_before_what_is_due() -> None:
    one = complaint(("settled",), contacted=(3, 9), settled=(None, 10), followed_up=(None, 4))
    duty = next_duty(one)
    assert duty is not None
    assert (duty.term, duty.overdue) == ("settled", True)


def test_a_complaint_that_came_back_has_no_new_term() -> None:
    one = complaint(contacted=(3, 9), settled=(None, 10))
    one["clocks"]["first_settled_at"] = "2026-03-01T05:00:00Z"
    assert next_duty(one) is None


def test_the_desk_sees_what_presses_most_first() -> None:
    calm = complaint(contacted=(3, 9), settled=(4, 10), followed_up=(5, 11))
    soon, later = complaint(contacted=(None, 5)), complaint(contacted=(None, 8))
    late, later_late = (
        complaint(("contacted",), contacted=(None, 6)),
        complaint(("contacted",), contacted=(None, 7)),
    )
    listed = [calm, later, later_late, soon, late]
    assert sorted(listed, key=pressing) == [late, later_late, soon, later, calm]


def said(kind: str, complaint_id: str = "C1", **data: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "time": "2026-03-01T01:00:00Z",
        "source": "/desks/cs",
        "data": {"complaint_id": complaint_id, **data},
    }


def missing(one: dict[str, Any], *events: dict[str, Any]) -> set[str]:
    return {field.name for field in ComplaintForm.of(one, events).missing}


def test_an_empty_form_lacks_everything() -> None:
    one = complaint(contacted=(None, 9), settled=(None, 20))
    one["responsible_site"] = one["clocks"]["received_at"] = None
    assert missing(one, said("complaint.opened")) == {
        "text",
        "responsible_site",
        "received_at",
        "contacted",
        "reply",
        "settled",
        "class",
        "followed_up",
    }


def test_a_reply_asks_for_its_audit_and_others_complaints_do_not_count() -> None:
    one = complaint(contacted=(3, 9), settled=(None, 20))
    opened = said("complaint.opened", text="nothing came")
    assert "reply" in missing(one, opened, said("reply.registered", "C2"))
    assert missing(one, opened, said("reply.registered")) == {"audit", "settled", "class", "followed_up"}
    assert "audit" not in missing(one, opened, said("reply.registered"), said("reply.audited"))


def test_a_form_that_is_complete_lacks_nothing() -> None:
    one = complaint(contacted=(3, 9), settled=(4, 20), followed_up=(5, 30 - 10))
    one |= {"class": "operations", "satisfied": False}
    events = said("complaint.opened", text="x"), said("reply.registered"), said("reply.audited")
    assert not missing(one, *events)


def test_what_was_settled_at_intake_never_went_to_a_site() -> None:
    one = complaint() | {"closed_at_intake": True}
    assert missing(one, said("complaint.opened", text="x")) == {"class", "followed_up"}


def test_what_is_overdue_says_until_when_it_was_due() -> None:
    one = complaint(("contacted",), contacted=(None, 9))
    (field,) = [one for one in ComplaintForm.of(one, []).missing if one.name == "contacted"]
    assert (field.by, field.due_at, field.overdue) == ("site", "2026-03-01T09:00:00Z", True)


def card(site: str | None, parcels: int, complaints: int, escalations: int) -> dict[str, Any]:
    return {"site": site, "parcels": parcels, "complaints": complaints, "escalations": escalations}


CARDS = [card("A", 2_000, 1, 0), card("B", 500, 4, 1), card("C", 2_000, 9, 1), card("D", 0, 1, 0)]


@pytest.mark.parametrize(("by", "order"), [("escalations", "BCA"), ("complaints", "BCA")])
def test_the_worst_rate_comes_first(by: str, order: str) -> None:
    rows = ranked([*CARDS, card(None, 9, 9, 9)], by)
    assert "".join(row.card["site"] for row in rows) == order
    assert rows[0].escalations_rate == 2_000.0
    assert rows[0].few
    assert not rows[1].few


def test_equal_rates_share_their_rank() -> None:
    rows = ranked([card("A", 10, 1, 0), card("B", 20, 2, 0), card("C", 10, 0, 0)], "complaints")
    assert [(row.card["site"], row.rank) for row in rows] == [("A", 1), ("B", 1), ("C", 3)]


def test_the_whole_network_has_the_rate_of_its_sums() -> None:
    whole = total(CARDS)
    assert (whole["parcels"], whole["complaints"], whole["escalations"]) == (4_500, 15, 2)
    assert whole["escalations_rate"] == round(2 * 1_000_000 / 4_500, 2)
    assert total([])["complaints_rate"] == 0.0
