"""One consumer, several topics: each batch's records go to the handler of their topic, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.bus.records import BatchHandler, Record


class Dispatcher:
    """Hands records over by topic, in the order of `handlers`, which is the order of the stored positions too."""

    def __init__(self, handlers: Mapping[str, BatchHandler]) -> None:
        self._handlers = dict(handlers)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that are handled. A new one comes last: its positions are added behind the others' by a migration."""
        return tuple(self._handlers)

    async def handle(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Let each topic's handler take its records."""
        for topic, handler in self._handlers.items():
            mine = [record for record in records if record.topic == topic]
            if mine:
                await handler.handle(connection, mine)

    def committed(self, partitions: Sequence[int]) -> None:
        """Pass it on."""
        for handler in self._handlers.values():
            handler.committed(partitions)

    def assigned(self, partitions: Sequence[int]) -> None:
        """Pass it on."""
        for handler in self._handlers.values():
            handler.assigned(partitions)
