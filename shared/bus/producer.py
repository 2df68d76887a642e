"""Publishing with an idempotent producer that answers only when the broker has acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, OutOfOrderSequenceNumber, ProducerFenced

from shared.bus.connection import kafka_options
from shared.bus.partitioner import partition_of
from shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

_DEAD = (OutOfOrderSequenceNumber, ProducerFenced)


class OutRecord(NamedTuple):
    """One record to publish. `partition` None: the one its key belongs to."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Sequence[tuple[str, bytes]] = ()


class Producer:
    """An idempotent producer, acks=all. It connects on first use and is built anew after it broke."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        batch_bytes_max: int = 512 * 1024,
        request_bytes_max: int = 8 * 1024 * 1024,
        request_timeout_ms: int = 10_000,
        linger_ms: int = 0,
    ) -> None:
        self._settings = settings
        self._options = {
            "max_batch_size": batch_bytes_max,
            "max_request_size": request_bytes_max,
            "request_timeout_ms": request_timeout_ms,
            "linger_ms": linger_ms,
            "enable_idempotence": True,
            "acks": "all",
        }
        self._client: AIOKafkaProducer | None = None
        self._building = asyncio.Lock()

    async def send_all(self, records: Sequence[OutRecord]) -> None:
        """Publish `records` and return when all are acknowledged. Records of one partition keep their order.

        Raises KafkaError where the broker did not take all of them; some may have been stored then, and the same
        records can be sent again (consumers know them by their ids).
        """
        client = await self._connected()
        groups: dict[tuple[str, int], list[OutRecord]] = {}
        for record in records:
            number = record.partition
            if number is None:
                number = await self._partition(client, record)
            groups.setdefault((record.topic, number), []).append(record)
        try:
            sent = [
                await self._send_group(client, topic, number, group)
                for (topic, number), group in groups.items()
            ]
            results = await asyncio.gather(*(f for futures in sent for f in futures), return_exceptions=True)
        except _DEAD:
            await self.close()
            raise
        failed = [r for r in results if isinstance(r, BaseException)]
        if any(isinstance(error, _DEAD) for error in failed):
            await self.close()
        if failed:
            raise failed[0]

    async def close(self) -> None:
        """Flush and disconnect; the next `send_all` connects anew."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(KafkaError, asyncio.TimeoutError):
                await client.stop()

    async def _connected(self) -> AIOKafkaProducer:
        async with self._building:
            if self._client is None:
                client = AIOKafkaProducer(**kafka_options(self._settings), **self._options)
                try:
                    await client.start()
                except BaseException:
                    await client.stop()
                    raise
                self._client = client
            return self._client

    async def _partition(self, client: AIOKafkaProducer, record: OutRecord) -> int:
        count = len(await client.partitions_for(record.topic))
        return partition_of(record.key, count) if record.key is not None else 0

    async def _send_group(
        self, client: AIOKafkaProducer, topic: str, number: int, group: Sequence[OutRecord]
    ) -> list[asyncio.Future[object]]:
        """Pack `group` into as few broker batches as fit and hand them over; their futures end with the ack."""
        futures: list[asyncio.Future[object]] = []
        batch = client.create_batch()
        for record in group:
            taken = batch.append(
                key=record.key, value=record.value, timestamp=None, headers=list(record.headers)
            )
            if taken is None:
                futures.append(await client.send_batch(batch, topic, partition=number))
                batch = client.create_batch()
                batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
        futures.append(await client.send_batch(batch, topic, partition=number))
        return futures
