"""How many waybills are decided at a time: few, so that what is pressing is soon its turn; many in a backlog."""

from __future__ import annotations

from collections.abc import Sequence
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
