"""Batches stay small until there is a backlog, and what is pressing goes by itself, but does not starve the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.arbitration.handlers.pace import Pace, quiet_at
from services.arbitration.store.reviews import AT_ONCE, QUIET, RETRY, Review

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def due(*priorities: int) -> list[Review]:
    return [Review(f"(0,{n})", 0, p, NOW, NOW, f"tiantian/{n}") for n, p in enumerate(priorities)]


def test_batches_grow_in_a_backlog_and_shrink_after_it() -> None:
    pace = Pace(10, 35)
    limits = []
    for _ in range(31):
        limits.append(pace.limit)
        pace.pick(due(*[QUIET] * pace.limit))
    assert limits == [10] * 10 + [20] * 10 + [35] * 11
    pace.pick(due(QUIET))
    assert pace.limit == 10


def test_a_smallest_batch_beyond_the_largest_is_the_largest() -> None:
    assert Pace(100, 7).limit == 7


def test_what_is_pressing_goes_by_itself_every_other_time() -> None:
    pace, mixed = Pace(10, 10), due(RETRY, AT_ONCE, QUIET)
    assert pace.pick(mixed) == mixed[:2]
    assert pace.pick(mixed) == mixed
    assert pace.pick(mixed) == mixed[:2]


def test_what_is_all_alike_goes_together() -> None:
    pace = Pace(10, 10)
    for alike in (due(AT_ONCE, AT_ONCE), due(QUIET, QUIET), due()):
        assert pace.pick(alike) == alike


def test_a_waybill_is_quiet_in_time_though_its_senders_clock_is_ahead() -> None:
    settle, longest = timedelta(seconds=2), timedelta(seconds=60)
    assert quiet_at(NOW, NOW, settle, longest) == NOW + settle
    assert quiet_at(NOW + timedelta(minutes=9), NOW, settle, longest) == NOW + longest
