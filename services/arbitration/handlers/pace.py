"""When a waybill is decided ex officio, and how many are at a time: many in a backlog only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

_GROWS_AFTER: Final = 10
"""Full batches in a row, each so many of which double the next ones: fewer are a burst, not a backlog."""


class Pace:
    """The size of batches, between `waybills_min` and `waybills_max` waybills."""

    def __init__(self, waybills_min: int, waybills_max: int) -> None:
        self._min = min(waybills_min, waybills_max)
        self._max = waybills_max
        self._full_in_a_row = 0

    @property
    def limit(self) -> int:
        """Waybills in the next batch at most."""
        return min(self._min << self._full_in_a_row // _GROWS_AFTER, self._max)

    def found(self, due: int) -> None:
        """So many reviews, of up to `limit`, were due."""
        self._full_in_a_row = self._full_in_a_row + 1 if due >= self.limit else 0


def quiet_at(last: datetime, since: datetime, settle: timedelta, settle_max: timedelta) -> datetime:
    """When a waybill is quiet that was heard of `last`, and that has waited for its look `since` then.

    It waits no longer than `settle_max`, also where a sender's clock is ahead.
    """
    return min(last + settle, since + settle_max)
