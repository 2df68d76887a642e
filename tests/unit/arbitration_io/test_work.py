"""Which planned looks a newer verdict has made superfluous: never one that could still find something."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.arbitration.handlers.work import Work
from services.arbitration.store.cases import Head
from services.arbitration.store.reviews import (
    AT_ONCE,
    FACTS,
    PROJECT,
    QUIET,
    RETRY,
    TIMED,
    WINDOW,
    Review,
)
from services.arbitration.watch import HERE, OUT, Place, Watch
from tests.unit.arbitration_io.test_watch import Terms

SUBJECT = "tiantian/560000000001"
DECIDED_AT = datetime(2026, 3, 4, 2, tzinfo=UTC)
NOW = DECIDED_AT + timedelta(days=1)
BEFORE, AFTER = DECIDED_AT - timedelta(minutes=1), DECIDED_AT + timedelta(minutes=1)
HOUR = timedelta(hours=1)


def head(next_look_at: datetime | None) -> Head:
    return Head(SUBJECT, 0, 1, "clear", DECIDED_AT, 9, 0, next_look_at, "sha256:", b"{}", next_look_at)


def wanted(*rows: tuple[int, datetime], decided: Head | None = None, place: Place | None = None) -> list[int]:
    """The priorities of the looks that are left of `rows` (priority, since when it is asked for)."""
    watch = Watch(Terms(), 10, 1)
    if place is not None:
        watch.places(0)[SUBJECT] = place
    work = Work(NOW)
    for number, (priority, since) in enumerate(rows):
        work.add(Review(f"(0,{number})", 0, priority, NOW, since, SUBJECT))
    work.heads = {SUBJECT: decided} if decided else {}
    work.drop_settled_terms(watch)
    return [review.priority for review in work.wanted.values()]


@pytest.mark.parametrize("priority", [QUIET, TIMED, WINDOW])
@pytest.mark.parametrize("next_look_at", [None, NOW + HOUR])
def test_what_was_planned_before_the_verdict_is_dropped(priority: int, next_look_at: datetime | None) -> None:
    assert wanted((priority, BEFORE), decided=head(next_look_at)) == []


@pytest.mark.parametrize("priority", [QUIET, TIMED, WINDOW])
@pytest.mark.parametrize("since", [AFTER, DECIDED_AT, DECIDED_AT - timedelta(seconds=4)])
def test_what_was_planned_since_is_looked_at(priority: int, since: datetime) -> None:
    """The watch has forgotten the waybill: the look may be that of a scan which came after the verdict."""
    assert wanted((priority, since), decided=head(None)) == [priority]


def test_an_old_plan_does_not_take_a_newer_one_along() -> None:
    assert wanted((QUIET, BEFORE), (TIMED, AFTER), decided=head(None)) == [QUIET]
    assert wanted((TIMED, AFTER), (QUIET, BEFORE), decided=head(None)) == [QUIET]


def test_the_verdicts_own_next_look_is_made() -> None:
    assert wanted((TIMED, BEFORE), decided=head(NOW)) == [TIMED]


def test_what_is_asked_for_is_looked_at() -> None:
    for priority in (RETRY, AT_ONCE, FACTS, PROJECT):
        assert wanted((priority, BEFORE), decided=head(None)) == [priority]


def test_a_dropped_look_leaves_that_of_a_rebuild() -> None:
    assert wanted((TIMED, BEFORE), (PROJECT, BEFORE), decided=head(None)) == [PROJECT]


def test_without_a_verdict_only_a_parcel_that_went_on_needs_no_look() -> None:
    stays, gone = (HERE, "BJ02", NOW, False, "BJ02"), (OUT, "BJ02", NOW, False, "BJ02")
    assert wanted((WINDOW, BEFORE), place=gone) == []
    assert wanted((WINDOW, BEFORE), place=stays) == [WINDOW]
    assert wanted((WINDOW, BEFORE)) == [WINDOW]
    assert wanted((TIMED, BEFORE), place=gone) == [TIMED]
