"""Local dates and working days."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.arbitration.rules.localtime import (
    date_of,
    day_number,
    day_of,
    moment_of,
    one_month_after,
    say_moment,
    seconds,
    start_of,
)
from shared import workdays
from shared.workdays import is_working_day, working_term

SHANGHAI = ZoneInfo("Asia/Shanghai")
_naive = st.builds(datetime.combine, st.dates(date(1992, 1, 1), date(2099, 12, 30)), st.times())


@given(_naive)
def test_fixed_offset_is_the_zone(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    at = seconds(moment)
    local = moment.astimezone(SHANGHAI)
    assert date_of(day_of(at)) == local.date()
    assert say_moment(at).startswith(local.strftime("%Y-%m-%d %H:%M"))
    assert moment_of(at) == moment.replace(microsecond=0)
    assert moment_of(start_of(day_of(at))).astimezone(SHANGHAI) == datetime.combine(
        local.date(), datetime.min.time(), SHANGHAI
    )


@given(
    _naive,
    st.sampled_from(
        [timezone(timedelta(hours=h, minutes=m)) for h, m in ((8, 0), (-3, -30), (0, 0), (14, 0))]
    ),
)
def test_seconds_in_any_zone(naive: datetime, zone: timezone) -> None:
    moment = naive.replace(tzinfo=zone)
    assert seconds(moment) == int(moment.astimezone(UTC).timestamp() // 1)
    assert seconds(moment.astimezone(ZoneInfo("Europe/Berlin"))) == seconds(moment)


def test_one_month_ends_on_the_same_day_number() -> None:
    for start, end in (
        (date(2026, 3, 3), date(2026, 4, 3)),
        (date(2026, 1, 31), date(2026, 2, 28)),
        (date(2027, 12, 31), date(2028, 1, 31)),
    ):
        assert date_of(one_month_after(day_number(start))) == end


def test_announced_holidays_and_make_up_workdays() -> None:
    assert not is_working_day(date(2026, 10, 1))
    assert is_working_day(date(2025, 9, 28)), "a Sunday worked for the National Day of 2025"
    assert working_term(date(2026, 3, 6), 3).last_day == date(2026, 3, 11)
    assert working_term(date(2026, 3, 6), 3).assumed == ()
    assert working_term(date(2026, 3, 6), 0).last_day == date(2026, 3, 6)


def test_beyond_the_announced_years_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    workdays._warn_of.cache_clear()
    is_working_day.cache_clear()
    year = max(workdays.ANNOUNCED_YEARS) + 1
    with caplog.at_level(logging.WARNING):
        term = working_term(date(year - 1, 12, 31), 1)
    assert term.last_day > date(year, 1, 1), "1 January is a holiday in every year"
    assert term.assumed == (f"calendar_{year}",)
    assert str(year) in caplog.text


def test_no_negative_terms() -> None:
    with pytest.raises(ValueError, match="negative"):
        working_term(date(2026, 3, 6), -1)
