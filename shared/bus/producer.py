"""Publishing with an idempotent producer that answers only when the broker has acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, OutOfOrderSequenceNumber, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.bus.connection import kafka_options
from shared.bus.partitioner import partition_of
from shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

EVENT_HEADERS: Final = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
"""Of every record whose value is an event (contract.md §1)."""
_DEAD = (OutOfOrderSequenceNumber, ProducerFenced)
_SINGLY_MAX = 4
"""So few records are handed over one by one: the client then packs those of many callers into one broker batch."""
_STOP_TIMEOUT_S = 5.0


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
        self._queues: dict[tuple[str, int], asyncio.Lock] = {}

    async def send_all(self, records: Sequence[OutRecord]) -> None:
        """Publish `records` and return when all are acknowledged. Records of one partition keep their order.

        Raises KafkaError where the broker did not take all of them; some may have been stored then, and the same
        records can be sent again (consumers know them by their ids).
        """
        client = await self._connected()
        try:
            results = await self._hand_over(client, records)
        except KafkaError:
            await self._retire_if_dead(client)
            raise
        failed = [result for result in results if isinstance(result, BaseException)]
        if failed:
            await self._retire_if_dead(client, failed)
            raise failed[0]

    async def ping(self) -> bool:
        """Whether the broker answers now."""
        try:
            client = await self._connected()
            return bool(await client.client.force_metadata_update())
        except (KafkaError, OSError):
            return False

    async def close(self) -> None:
        """Flush and disconnect; the next `send_all` connects anew. What a broker that is away has not taken is given up."""
        client, self._client = self._client, None
        if client is not None:
            await _stop(client)

    async def _hand_over(self, client: AIOKafkaProducer, records: Sequence[OutRecord]) -> list[Any]:
        counts = {topic: len(await client.partitions_for(topic)) for topic in {r.topic for r in records}}
        groups: dict[tuple[str, int], list[OutRecord]] = {}
        for record in records:
            number = record.partition
            if number is None:
                number = partition_of(record.key, counts[record.topic]) if record.key is not None else 0
            groups.setdefault((record.topic, number), []).append(record)
        futures: list[asyncio.Future[Any]] = []
        try:
            for (topic, number), group in groups.items():
                futures += await self._send_group(client, topic, number, group)
            return await asyncio.gather(*futures, return_exceptions=True)
        finally:
            for future in futures:
                # The caller may have given up: what becomes of the rest is nobody's error then.
                future.add_done_callback(_take_note)

    async def _retire_if_dead(self, client: AIOKafkaProducer, errors: Sequence[BaseException] = ()) -> None:
        """Let go of a client that can never send again. It is dead where its sending task has ended."""
        sender = client._sender.sender_task  # aiokafka has no public way to ask
        dead = sender is None or sender.done() or any(isinstance(error, _DEAD) for error in errors)
        if dead and self._client is client:
            log.warning("producer_broken", remedy="none needed: a new one is built for the next records")
            self._client = None
            await _stop(client)

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

    async def _send_group(
        self, client: AIOKafkaProducer, topic: str, number: int, group: Sequence[OutRecord]
    ) -> list[asyncio.Future[Any]]:
        """Pack `group` into as few broker batches as fit and hand them over; their futures end with the ack."""
        futures: list[asyncio.Future[Any]] = []
        if len(group) <= _SINGLY_MAX:
            for record in group:
                futures.append(
                    await client.send(
                        topic, record.value, record.key, partition=number, headers=list(record.headers)
                    )
                )
            return futures
        batch = client.create_batch()
        for record in group:
            taken = batch.append(
                key=record.key, value=record.value, timestamp=None, headers=list(record.headers)
            )
            if taken is None:
                futures.append(await self._send_batch(client, batch, topic, number))
                batch = client.create_batch()
                batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
        futures.append(await self._send_batch(client, batch, topic, number))
        return futures

    async def _send_batch(
        self, client: AIOKafkaProducer, batch: BatchBuilder, topic: str, number: int
    ) -> asyncio.Future[Any]:
        """Queue a whole batch. One at a time for a partition: the client counts a crowd's waiting several times over."""
        async with self._queues.setdefault((topic, number), asyncio.Lock()):
            future: asyncio.Future[Any] = await client.send_batch(batch, topic, partition=number)
            return future


async def _stop(client: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            with contextlib.suppress(KafkaError):
                await client.stop()
    except TimeoutError:
        log.warning("producer_not_flushed", cause="the broker did not take what was left in time")


def _take_note(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
