"""A record as it was read from a topic, and who takes such records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection


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


class BatchHandler(Protocol):
    """What a service does with records."""

    async def handle(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Store the effects of `records` in the transaction that also stores their offsets.

        Records of one partition number come in their topics' order. May be called again with the same records after a
        rollback. Bad records are given to `record_dead_letters`, never raised.
        """

    def committed(self, partitions: Sequence[int]) -> None:
        """Called after each commit, to wake whatever waits for what was stored for these partition numbers."""

    def assigned(self, partitions: Sequence[int]) -> None:
        """Called when these partition numbers, and no others, have become ours; other workers may have written."""
