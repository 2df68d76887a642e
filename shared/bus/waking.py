"""Waking whoever goes on with what a batch stored: once it is committed, and only where there was something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from shared.bus.records import Record


class Waking:
    """Calls `wake` after the commit of partitions for which something was stored that somebody waits for.

    Lanes commit disjoint partitions at any time: what one has stored is not taken for committed when another commits.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._stored: set[int] = set()

    def stored(self, records: Iterable[Record]) -> None:
        """Something was stored for the partitions of `records`, in a transaction that is still open."""
        self._stored.update(record.partition for record in records)

    def committed(self, partitions: Sequence[int]) -> None:
        """A transaction of `partitions` is committed."""
        if not self._stored.isdisjoint(partitions):
            self._stored.difference_update(partitions)
            self._wake()
