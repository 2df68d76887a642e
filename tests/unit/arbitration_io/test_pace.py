"""Batches stay small until there is a backlog."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.arbitration.handlers.pace import Pace, quiet_at

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_batches_grow_in_a_backlog_and_shrink_after_it() -> None:
    pace = Pace(10, 35)
    limits = []
    for _ in range(31):
        limits.append(pace.limit)
        pace.found(pace.limit)
    assert limits == [10] * 10 + [20] * 10 + [35] * 11
    pace.found(1)
    assert pace.limit == 10


def test_a_smallest_batch_beyond_the_largest_is_the_largest() -> None:
    assert Pace(100, 7).limit == 7


def test_a_waybill_is_quiet_in_time_though_its_senders_clock_is_ahead() -> None:
    settle, longest = timedelta(seconds=2), timedelta(seconds=60)
    assert quiet_at(NOW, NOW, settle, longest) == NOW + settle
    assert quiet_at(NOW + timedelta(minutes=9), NOW, settle, longest) == NOW + longest
