"""When reports fall due: weeks, working days, month ends, and long silences."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.timetable import (
    REPORT_KINDS,
    ReportKind,
    Round,
    Timetable,
    days_of,
    working_day_of_month,
)

ZONE = ZoneInfo("Asia/Shanghai")
EIGHT = time(8)
TIMETABLE = Timetable(
    zone=ZONE,
    bulletin_weekday=1,
    bulletin_time=EIGHT,
    monthly_working_day=1,
    monthly_time=EIGHT,
    silent_time=EIGHT,
)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("kind", "after", "due_at"),
    [
        ("weekly_bulletin", "2026-11-22T23:59:59", "2026-11-23T08:00"),
        ("weekly_bulletin", "2026-11-23T07:59:59", "2026-11-23T08:00"),
        ("weekly_bulletin", "2026-11-23T08:00:00", "2026-11-30T08:00"),
        # 1 November 2026 is a Sunday; 1 to 7 October is the National Day holiday; 1 January and 1 May are holidays.
        ("monthly_report", "2026-10-31T12:00", "2026-11-02T08:00"),
        ("monthly_report", "2026-09-30T12:00", "2026-10-08T08:00"),
        ("monthly_report", "2025-12-31T12:00", "2026-01-04T08:00"),
        ("monthly_report", "2026-11-02T08:00", "2026-12-01T08:00"),
        ("silent_parcels", "2026-12-31T08:00", "2027-01-01T08:00"),
    ],
)
def test_the_next_moment(kind: ReportKind, after: str, due_at: str) -> None:
    assert TIMETABLE.next_after(kind, local(after)) == local(due_at)


@given(
    st.timedeltas(timedelta(0), timedelta(days=5 * 365)),
    st.sampled_from(REPORT_KINDS),
    st.integers(1, 7),
    st.integers(1, 15),
    st.times(),
)
def test_the_next_moment_is_later_and_none_lies_between(
    since: timedelta, kind: ReportKind, weekday: int, working_day: int, at: time
) -> None:
    at = at.replace(tzinfo=None)
    timetable = Timetable(ZONE, weekday, at, working_day, at, at)
    after = datetime(2024, 1, 1, tzinfo=UTC) + since
    due_at = timetable.next_after(kind, after)
    assert due_at > after
    assert timetable.next_after(kind, due_at - timedelta(microseconds=1)) == due_at
    assert timetable.next_after(kind, after + (due_at - after) / 2) == due_at
    shown = due_at.astimezone(ZONE)
    assert shown.time() == at
    if kind == "weekly_bulletin":
        assert shown.isoweekday() == weekday
    if kind == "monthly_report":
        assert working_day_of_month(shown.date()) == working_day


@pytest.mark.parametrize(
    ("kind", "first", "now", "rounds"),
    [
        ("weekly_bulletin", "2026-11-23T08:00", "2026-11-23T07:59:59", []),
        ("weekly_bulletin", "2026-11-23T08:00", "2026-11-23T08:00", [("2026-W47", "2026-11-23T08:00")]),
        # Weeks later only the newest: each makes the one before it old.
        ("weekly_bulletin", "2026-11-23T08:00", "2026-12-20T08:00", [("2026-W50", "2026-12-14T08:00")]),
        ("weekly_bulletin", "2027-01-04T08:00", "2027-01-04T08:00", [("2026-W53", "2027-01-04T08:00")]),
        ("silent_parcels", "2026-11-23T08:00", "2026-12-20T09:00", [("2026-12-20", "2026-12-20T08:00")]),
        # Every month has its report.
        (
            "monthly_report",
            "2026-11-02T08:00",
            "2027-01-04T08:00",
            [
                ("2026-10", "2026-11-02T08:00"),
                ("2026-11", "2026-12-01T08:00"),
                ("2026-12", "2027-01-04T08:00"),
            ],
        ),
    ],
)
def test_what_has_fallen_due(kind: ReportKind, first: str, now: str, rounds: list[tuple[str, str]]) -> None:
    expected = [Round(period, local(due_at)) for period, due_at in rounds]
    assert TIMETABLE.rounds(kind, local(first), local(now)) == expected


def test_a_bulletin_in_mid_week_tells_of_the_last_whole_week() -> None:
    timetable = Timetable(ZONE, 3, EIGHT, 1, EIGHT, EIGHT)
    due_at = local("2026-11-25T08:00")
    assert timetable.rounds("weekly_bulletin", due_at, due_at) == [Round("2026-W47", due_at)]


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("2026-W47", "2026-11-16", "2026-11-22"),
        ("2026-W53", "2026-12-28", "2027-01-03"),
        ("2026-02", "2026-02-01", "2026-02-28"),
        ("2028-02", "2028-02-01", "2028-02-29"),
        ("2026-12", "2026-12-01", "2026-12-31"),
        ("2026-11-23", "2026-11-23", "2026-11-23"),
    ],
)
def test_the_days_of_a_period(period: str, first: str, last: str) -> None:
    assert days_of(period) == (date.fromisoformat(first), date.fromisoformat(last))
