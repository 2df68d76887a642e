"""Moments as whole seconds and days as day numbers in the networks' zone.

Rules judge to the second and by local dates. Asia/Shanghai has been UTC+8 without summer time since 1992, so local dates
are plain arithmetic: `at` is seconds since the epoch, `day` is days since 1970-01-01 of the local calendar.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final

DAY_S: Final = 86_400
HOUR_S: Final = 3_600
OFFSET_S: Final = 8 * HOUR_S
"""Asia/Shanghai, ahead of UTC."""
ZONE: Final = timezone(timedelta(seconds=OFFSET_S))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_ZONES_MAX: Final = 1_024
_epochs: dict[tzinfo | None, datetime] = {}


def since_epoch(moment: datetime) -> timedelta:
    """The exact time since the epoch of an aware moment. Raises TypeError for a moment without offset.

    A subtraction within one zone is several times cheaper than one across zones, so the epoch is kept in each zone met.
    """
    epoch = _epochs.get(moment.tzinfo)
    if epoch is None:
        if not isinstance(moment.tzinfo, timezone):
            return moment - _EPOCH  # a zone with summer time: its wall clock is no measure
        if len(_epochs) >= _ZONES_MAX:
            _epochs.clear()
        epoch = _epochs[moment.tzinfo] = _EPOCH.astimezone(moment.tzinfo)
    return moment - epoch


def seconds(moment: datetime) -> int:
    """Whole seconds since the epoch, the fraction dropped: terms are judged to the second."""
    delta = since_epoch(moment)
    return delta.days * DAY_S + delta.seconds


def moment_of(at: int) -> datetime:
    """Seconds since the epoch as an aware moment in UTC."""
    return _EPOCH + timedelta(seconds=at)


def day_of(at: int) -> int:
    """The local day of a moment."""
    return (at + OFFSET_S) // DAY_S


def start_of(day: int) -> int:
    """00:00 local time of a day: the first second after a term that ends with the day before."""
    return day * DAY_S - OFFSET_S


def clock_of(day: int, hour: int) -> int:
    """A full hour, local time, of a day."""
    return day * DAY_S - OFFSET_S + hour * HOUR_S


def day_number(day: date) -> int:
    """The number of a calendar day."""
    return day.toordinal() - _EPOCH_ORDINAL


def date_of(day: int) -> date:
    """The calendar day of a number."""
    return date.fromordinal(day + _EPOCH_ORDINAL)


def say_day(day: int) -> str:
    """A local day as it stands in reasons: 2026-03-04."""
    return date_of(day).isoformat()


def say_moment(at: int) -> str:
    """A moment in local time as it stands in reasons: 2026-03-04 07:30, with seconds where there are any."""
    moment = datetime.fromtimestamp(at, ZONE)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M")


def one_month_after(day: int) -> int:
    """The same day number of the next month, its last day where the month is shorter."""
    start = date_of(day)
    year, month = (start.year + 1, 1) if start.month == 12 else (start.year, start.month + 1)
    return day_number(date(year, month, min(start.day, monthrange(year, month)[1])))
