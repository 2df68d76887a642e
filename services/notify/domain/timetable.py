"""When the scheduled reports fall due, and which days each of them tells of. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal, NamedTuple, get_args

from shared.workdays import is_working_day

ReportKind = Literal["weekly_bulletin", "monthly_report", "silent_parcels"]
REPORT_KINDS: tuple[ReportKind, ...] = get_args(ReportKind)

_ONE_DAY = timedelta(days=1)
_ONE_WEEK = timedelta(days=7)


class Round(NamedTuple):
    """One report that has fallen due: the period it tells of (`2026-W47`, `2026-10` or a day), and its moment."""

    period: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Timetable:
    """When reports are made: days and times of day in the networks' `zone`.

    `bulletin_weekday`: 1 is Monday. `monthly_working_day`: which working day of the month, from 1.
    """

    zone: tzinfo
    bulletin_weekday: int
    bulletin_time: time
    monthly_working_day: int
    monthly_time: time
    silent_time: time

    def next_after(self, kind: ReportKind, moment: datetime) -> datetime:
        """The first moment after `moment` at which a report of this kind is due, in UTC."""
        day = moment.astimezone(self.zone).date()
        while (due_at := self._due_on(kind, day)) is None or due_at <= moment:
            day += _ONE_DAY
        return due_at

    def rounds(self, kind: ReportKind, first_due_at: datetime, now: datetime) -> list[Round]:
        """What has fallen due from the stored moment `first_due_at` until `now`, oldest first.

        After a long silence, or a move of the clock, of bulletins and lists of silent parcels only the newest is left:
        they are news, each makes the one before it old. Every month has its report, however late: SD-06 asks for it.
        """
        found: list[Round] = []
        due_at = first_due_at
        while due_at <= now:
            found.append(Round(self._period(kind, due_at), due_at))
            due_at = self.next_after(kind, due_at)
        return found if kind == "monthly_report" else found[-1:]

    def _due_on(self, kind: ReportKind, day: date) -> datetime | None:
        if kind == "weekly_bulletin":
            due, at = day.isoweekday() == self.bulletin_weekday, self.bulletin_time
        elif kind == "monthly_report":
            due, at = working_day_of_month(day) == self.monthly_working_day, self.monthly_time
        else:
            due, at = True, self.silent_time
        return datetime.combine(day, at, self.zone).astimezone(UTC) if due else None

    def _period(self, kind: ReportKind, due_at: datetime) -> str:
        day = due_at.astimezone(self.zone).date()
        if kind == "weekly_bulletin":
            year, week, _ = (day - _ONE_WEEK).isocalendar()
            return f"{year}-W{week:02d}"
        if kind == "monthly_report":
            return f"{day.replace(day=1) - _ONE_DAY:%Y-%m}"
        return day.isoformat()


def working_day_of_month(day: date) -> int | None:
    """Which working day of its month `day` is, from 1; None where it is none."""
    if not is_working_day(day):
        return None
    return sum(is_working_day(day.replace(day=number)) for number in range(1, day.day + 1))


def days_of(period: str) -> tuple[date, date]:
    """The first and the last day of a week (`2026-W47`), a month (`2026-10`) or a day."""
    if "W" in period:
        year, week = period.split("-W")
        first = date.fromisocalendar(int(year), int(week), 1)
        return first, first + _ONE_WEEK - _ONE_DAY
    if len(period) == len("2026-10"):
        first = date.fromisoformat(f"{period}-01")
        return first, (first + timedelta(days=31)).replace(day=1) - _ONE_DAY
    return date.fromisoformat(period), date.fromisoformat(period)
