"""When a waybill is decided ex officio, and how many are at a time: few for what is pressing, many in a backlog."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from services.arbitration.store import reviews
from services.arbitration.store.reviews import Review

_GROWS_AFTER: Final = 10
"""Full batches in a row, each so many of which double the next ones: fewer are a burst, not a backlog."""


class Pace:
    """The batches of one lane, between `waybills_min` and `waybills_max` waybills."""

    def __init__(self, waybills_min: int, waybills_max: int) -> None:
        self._min = min(waybills_min, waybills_max)
        self._max = waybills_max
        self._full_in_a_row = 0
        self._pressing_alone = False

    @property
    def limit(self) -> int:
        """Waybills in the next batch at most."""
        return min(self._min << self._full_in_a_row // _GROWS_AFTER, self._max)

    def pick(self, due: Sequence[Review]) -> Sequence[Review]:
        """Which of up to `limit` due reviews make the batch in hand.

        What is pressing goes by itself, since a small batch is written sooner; every other time only, so that the rest has
        its turn as well.
        """
        self._full_in_a_row = self._full_in_a_row + 1 if len(due) >= self.limit else 0
        pressing = [review for review in due if review.priority <= reviews.AT_ONCE]
        self._pressing_alone = 0 < len(pressing) < len(due) and not self._pressing_alone
        return pressing if self._pressing_alone else due


def quiet_at(last: datetime, since: datetime, settle: timedelta, settle_max: timedelta) -> datetime:
    """When a waybill is quiet that was heard of `last`, and that has waited for its look `since` then.

    It waits no longer than `settle_max`, also where a sender's clock is ahead.
    """
    return min(last + settle, since + settle_max)
