"""Working days of the Chinese public calendar, make-up workdays included.

The announced years come from `chinesecalendar`. Beyond them nobody can know the lunar holidays and the make-up workdays:
there, weekends and the holidays with a fixed date are free, and whoever used such a year is told so (`calendar_YYYY`).
"""

from __future__ import annotations

import logging
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import chinese_calendar
from chinese_calendar import constants

_log = logging.getLogger(__name__)
_ONE_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5
ANNOUNCED_YEARS: Final[frozenset[int]] = frozenset(day.year for day in constants.holidays)
"""The years whose holidays the State Council has announced, as far as the installed calendar knows."""
FIXED_HOLIDAYS: Final[frozenset[tuple[int, int]]] = frozenset(
    {(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)}
)
"""(month, day) of the statutory holidays that fall on the same date every year."""


class WorkingTerm(NamedTuple):
    """The last day of a term in working days, and the assumed calendars (`calendar_2031`) that it rests on."""

    last_day: date
    assumed: tuple[str, ...]


@lru_cache(maxsize=4096)
def is_working_day(day: date) -> bool:
    """Whether people work on this day. Logs a warning, once a year, where the calendar is not announced."""
    if day.year in ANNOUNCED_YEARS:
        return bool(chinese_calendar.is_workday(day))
    _warn_of(day.year)
    return day.weekday() < _SATURDAY and (day.month, day.day) not in FIXED_HOLIDAYS


def working_term(start: date, working_days: int) -> WorkingTerm:
    """The day on which a term of so many working days ends; the day of `start` is not counted.

    With 0 working days the term ends on `start`. Negative: ValueError.
    """
    if working_days < 0:
        raise ValueError(f"A term has no negative number of working days, got {working_days}.")
    day, left, assumed = start, working_days, set[str]()
    while left:
        day += _ONE_DAY
        if day.year not in ANNOUNCED_YEARS:
            assumed.add(f"calendar_{day.year}")
        if is_working_day(day):
            left -= 1
    return WorkingTerm(day, tuple(sorted(assumed)))


@lru_cache(maxsize=128)
def _warn_of(year: int) -> None:
    _log.warning(
        "The public calendar of %d is not announced: weekends and fixed holidays are assumed. "
        "Update the package chinesecalendar once it is.",
        year,
    )
