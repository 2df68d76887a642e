"""When a notice is tried again and when it is given up; when a destination is broken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.delivery.policy import Answer, Health, Policy

NOW = datetime(2026, 3, 2, tzinfo=UTC)
POLICY = Policy(
    attempts_max=16,
    rejected_attempts_max=4,
    pause_min_s=1,
    pause_first_s=10,
    pause_max_s=3_600,
    retry_after_max_s=21_600,
    broken_after_failures=5,
    broken_pause_min_s=60,
)
FAILED, DELIVERED = Answer("failed", "HTTP 500"), Answer("delivered")


def after(before: Health, answer: Answer, tries: int = 1, chance: float = 1.0) -> Health:
    return POLICY.after(before, answer, tries, NOW, lambda: chance)


def pause_s(health: Health) -> float:
    assert health.next_attempt_at is not None
    return (health.next_attempt_at - NOW).total_seconds()


@pytest.mark.parametrize(
    ("answer", "tries", "fate"),
    [
        (DELIVERED, 1, "delivered"),
        (DELIVERED, 99, "delivered"),
        (FAILED, 1, "queued"),
        (FAILED, 15, "queued"),
        (FAILED, 16, "failed"),
        (Answer("rejected"), 3, "queued"),
        (Answer("rejected"), 4, "failed"),
        (Answer("undeliverable"), 1, "failed"),
        (Answer("ended"), 1, "failed"),
    ],
)
def test_a_notice_is_done_when_it_arrived_or_was_tried_often_enough(
    answer: Answer, tries: int, fate: str
) -> None:
    assert POLICY.fate(answer, tries) == fate


def test_pauses_double_up_to_their_bound_and_chance_decides_below_it() -> None:
    health, pauses = Health(), []
    for _ in range(12):
        health = after(health, FAILED)
        pauses.append(pause_s(health))
    assert pauses == [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600, 3_600]
    assert pause_s(after(Health("open", 2), FAILED, chance=0.5)) == 20
    assert pause_s(after(Health("open", 2), FAILED, chance=0.0)) == 1


def test_all_attempts_together_reach_over_hours() -> None:
    health, hours = Health(), 0.0
    for _ in range(POLICY.attempts_max - 1):
        health = after(health, FAILED, chance=0.5)
        hours += pause_s(health) / 3_600
    assert 2 < hours < 24


def test_a_destination_that_fails_often_in_a_row_is_broken_until_one_notice_gets_through() -> None:
    health = Health()
    for failures in range(1, 5):
        health = after(health, FAILED)
        assert (health.state, health.failures) == ("open", failures)
    health = after(health, FAILED, chance=0.0)
    assert health == Health("broken", 5, NOW + timedelta(seconds=60))
    assert after(health, DELIVERED) == Health()


def test_a_rejected_notice_does_not_break_its_destination() -> None:
    health = after(Health("open", 3), Answer("rejected"), tries=2)
    assert health == Health("open", 3, NOW + timedelta(seconds=20))
    assert after(health, Answer("rejected"), tries=4).next_attempt_at == NOW


def test_410_ends_a_destination() -> None:
    assert after(Health("open", 3), Answer("ended")) == Health("ended")


@pytest.mark.parametrize(("asked_s", "pause"), [(5.0, 10), (600.0, 600), (10.0**9, 21_600), (None, 10)])
def test_what_a_receiver_asks_for_is_honoured_within_bounds(asked_s: float | None, pause: float) -> None:
    assert pause_s(after(Health(), Answer("failed", retry_after_s=asked_s))) == pause


@given(
    st.integers(0, 10**6),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.floats(0, 1e12),
    st.integers(1, 99),
)
def test_a_pause_is_always_within_its_bounds(
    failures: int, chance: float, asked_s: float | None, tries: int
) -> None:
    health = after(Health("open", failures), Answer("failed", retry_after_s=asked_s), tries, chance)
    assert 1 <= pause_s(health) <= max(POLICY.pause_max_s, POLICY.retry_after_max_s)
    assert (health.state == "broken") == (failures + 1 >= POLICY.broken_after_failures)
