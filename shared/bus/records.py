"""A record as it was read from a topic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Record(Protocol):
    """What the bus needs of a consumed record; aiokafka's records are such."""

    @property
    def topic(self) -> str:
        """Where it was read."""

    @property
    def partition(self) -> int:
        """Its partition number."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """The broker's time of appending, in real milliseconds since the epoch."""

    @property
    def key(self) -> bytes | None:
        """Its key; the subject of an event."""

    @property
    def value(self) -> bytes | None:
        """Its bytes; None for a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Names and values beside the value."""
