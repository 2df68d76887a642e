"""Publishing what a transaction decided: rows written with it, sent afterwards, deleted once acknowledged.

One row carries many records of one topic and partition, so that a batch of verdicts costs one row. A crash between
the acknowledgement and the deletion sends the records again; consumers know them by their ids.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import structlog
from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import metrics
from shared.bus.producer import OutRecord, Producer
from shared.bus.tables import outbox
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.bus.waiting import wait_at_most

log = structlog.get_logger(__name__)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]])
_ROW_BYTES_MAX = 4 * 1024 * 1024

_published = metrics.counter(
    "outbox_published", "Records that left through the outbox.", "records", ["topic"]
)


async def enqueue(
    connection: AsyncConnection,
    topic: str,
    partition: int | None,
    records: Iterable[tuple[bytes | None, bytes | None]],
    headers: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Publish `(key, value)` records to `topic` once the transaction of `connection` is committed.

    `partition` None leaves the choice to the key. Order within one call is kept.
    """
    rows, chunk, size = [], [], 0
    for key, value in records:
        chunk.append((key, value, headers))
        size += len(value or b"") + 64
        if size >= _ROW_BYTES_MAX:
            rows.append(chunk)
            chunk, size = [], 0
    if chunk:
        rows.append(chunk)
    if rows:
        values = [{"topic": topic, "partition": partition, "records": _encoder.encode(c)} for c in rows]
        await connection.execute(insert(outbox), values)


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
        """Publish up to `rows_max` rows and delete them; False where there was none."""
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
            await connection.execute(delete(outbox).where(outbox.c.id.in_([row.id for row in rows])))
        for topic, count in Counter(record.topic for record in records).items():
            _published.labels(topic).inc(count)
        return True
