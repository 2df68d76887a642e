"""Publishing what a transaction decided: rows written with it, sent afterwards, deleted once acknowledged.

One row carries many records of one topic and partition, so that a batch of verdicts costs one row. A crash between
the acknowledgement and the deletion sends the records again; consumers know them by their ids.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import structlog
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import metrics
from shared.bus.producer import EVENT_HEADERS, OutRecord, Producer
from shared.bus.tables import outbox
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.bus.waiting import wait_at_most

log = structlog.get_logger(__name__)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]])
_ROW_BYTES_MAX = 4 * 1024 * 1024
_INSERT = text(
    "INSERT INTO outbox (topic, partition, records) SELECT topic, partition, records FROM"
    " unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:records AS bytea[]))"
    " WITH ORDINALITY AS fresh(topic, partition, records, place) ORDER BY place"
)
_DELETE = text("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))")

_published = metrics.counter(
    "outbox_published", "Records that left through the outbox.", "records", ["topic"]
)


class Outgoing(NamedTuple):
    """`(key, value)` records for one topic. `partition` None leaves the choice to the key."""

    topic: str
    partition: int | None
    records: Iterable[tuple[bytes | None, bytes | None]]
    headers: Sequence[tuple[str, bytes]] = EVENT_HEADERS


async def enqueue(
    connection: AsyncConnection,
    topic: str,
    partition: int | None,
    records: Iterable[tuple[bytes | None, bytes | None]],
    headers: Sequence[tuple[str, bytes]] = EVENT_HEADERS,
) -> None:
    """`enqueue_all` for one topic and partition."""
    await enqueue_all(connection, [Outgoing(topic, partition, records, headers)])


async def enqueue_all(connection: AsyncConnection, outgoing: Iterable[Outgoing]) -> None:
    """Publish records once the transaction of `connection` is committed; their order within one call is kept."""
    rows = [(one.topic, one.partition, packed) for one in outgoing for packed in _packed(one)]
    if rows:
        topics, partitions, records = map(list, zip(*rows, strict=True))
        await connection.execute(_INSERT, {"topics": topics, "partitions": partitions, "records": records})


def _packed(outgoing: Outgoing) -> Iterator[bytes]:
    """The contents of as few rows as take the records."""
    chunk, size = [], 0
    for key, value in outgoing.records:
        chunk.append((key, value, outgoing.headers))
        size += len(value or b"") + 64
        if size >= _ROW_BYTES_MAX:
            yield _encoder.encode(chunk)
            chunk, size = [], 0
    if chunk:
        yield _encoder.encode(chunk)


async def newest(connection: AsyncConnection) -> int:
    """The id of the newest stored row; 0 where there is none."""
    return int((await connection.execute(select(func.coalesce(func.max(outbox.c.id), 0)))).scalar_one())


async def is_left(connection: AsyncConnection, row_id: int) -> bool:
    """Whether `row_id` or a row before it is not acknowledged yet."""
    left = select(outbox.c.id).where(outbox.c.id <= row_id).limit(1)
    return (await connection.execute(left)).first() is not None


class OutboxRelay:
    """Publishes the outbox of a service. Copies of a service share the rows without waiting for one another."""

    def __init__(
        self, engine: AsyncEngine, producer: Producer, *, rows_max: int = 32, poll_interval_ms: int = 1_000
    ) -> None:
        self._engine = engine
        self._producer = producer
        self._rows_max = rows_max
        self._poll_interval_s = poll_interval_ms / 1000
        self._wanted = asyncio.Event()
        self.trouble: str | None = None
        """Why nothing can be published at present, None while it works."""

    def wake(self) -> None:
        """Look now: a transaction with outbox rows has been committed."""
        self._wanted.set()

    async def run(self) -> None:
        """Publish until cancelled. What cannot be sent now stays in the table and is tried again."""
        while True:
            self._wanted.clear()
            try:
                while await self._publish_some():
                    pass
                self.trouble = None
            except TRANSIENT as error:
                unless_cancelled(error)
                self.trouble = f"{type(error).__name__}: {error}"
                log.warning("outbox waits", error=self.trouble)
            await wait_at_most(self._wanted, self._poll_interval_s)

    async def _publish_some(self) -> bool:
        """Publish up to `rows_max` rows and delete them; True where there may be more."""
        async with self._engine.begin() as connection:
            found = await connection.execute(
                select(outbox.c.id, outbox.c.topic, outbox.c.partition, outbox.c.records)
                .order_by(outbox.c.id)
                .limit(self._rows_max)
                .with_for_update(skip_locked=True)
            )
            rows = found.all()
            if not rows:
                return False
            records = [
                OutRecord(topic, key, value, partition, tuple(headers))
                for _, topic, partition, packed in rows
                for key, value, headers in _decoder.decode(packed)
            ]
            await self._producer.send_all(records)
            await connection.execute(_DELETE, {"ids": [row.id for row in rows]})
        for topic, count in Counter(record.topic for record in records).items():
            _published.labels(topic).inc(count)
        return len(rows) == self._rows_max
