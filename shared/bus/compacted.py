"""Reading a compacted topic: to its end before the service is ready, then on and on.

No consumer group and no stored offsets: every process reads the whole topic at start, since its memory is its only copy.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared import metrics
from shared.bus.connection import kafka_options
from shared.health import Check
from shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

POLL_MS = 500
STALE_S = 5.0
"""A broker that has not answered a fetch for so long (ten polls) is away."""
_RETRY_FIRST_S = 0.2
_RETRY_MAX_S = 5.0

UNREADABLE_MAX = 1_000
"""So many unreadable records of a topic are kept for people to see; all are counted."""

Apply = Callable[[str, bytes | None], None]

_lag = metrics.gauge(
    "registry_lag_records", "Records of a compacted topic not read yet.", "records", ("topic",)
)
_refused = metrics.counter(
    "registry_records_refused", "Records of a compacted topic that could not be read.", "records", ("topic",)
)


class _Recreated(Exception):
    """The topic is shorter than what has been read of it, or partitions of it have vanished: it is not the same one."""


class Unreadable(NamedTuple):
    """A record that could not be read and that no later one of its key has replaced. `timestamp`: ms since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    detail: str


class CompactedReader:
    """Follows `topic` and hands every record, in the order of its partition, to `apply(key, value)`.

    `apply` runs in the event loop and must not block; value None is a tombstone; it may raise ValueError for a record
    that it cannot read: such a record is counted, logged and shown by `check`, and reading goes on. A broker that is away
    is waited for; nothing is read twice afterwards, so an older record never covers a newer one.
    """

    def __init__(self, topic: str, settings: ServiceSettings, apply: Apply) -> None:
        self.topic = topic
        self._settings = settings
        self._apply = apply
        self._positions: dict[TopicPartition, int] = {}
        self._read_to_end = asyncio.Event()
        self._heard_s = float("-inf")
        self._refused_count = 0
        self._unreadable: dict[bytes | None, Unreadable] = {}
        self._lag_records = 0
        self._failure: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> bool:
        """Whether the topic has been read to where it ended when reading began. Once true, it stays so."""
        return self._read_to_end.is_set()

    @property
    def unreadable(self) -> list[Unreadable]:
        """The newest `UNREADABLE_MAX` records that could not be read, while they are the last of their key."""
        return list(self._unreadable.values())

    async def wait_loaded(self) -> None:
        """Return once `loaded`."""
        await self._read_to_end.wait()

    def check(self) -> Check:
        """Whether the topic is read to its end and the broker still answers, with the lag in records."""
        values = {"lag": self._lag_records, "refused": self._refused_count}
        if self._failure is not None:
            return Check(
                False,
                f"Reading {self.topic} stopped by a defect, {self._failure!r}: restart the service.",
                values,
            )
        if not self.loaded:
            return Check(
                False,
                f"{self.topic} is not read to its end yet: the broker is away or still answering.",
                values,
            )
        if time.monotonic() - self._heard_s > STALE_S:
            return Check(
                False,
                f"The broker has not answered for {STALE_S:g} s: {self.topic} may have moved on.",
                values,
            )
        return Check(True, "", values)

    async def start(self) -> None:
        """Begin to read, in a task of its own."""
        self._task = asyncio.create_task(self._run(), name=f"read {self.topic}")
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Stop reading and disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
            log.error("registry_reader_failed", topic=self.topic, exc_info=error)

    async def _run(self) -> None:
        pause_s = _RETRY_FIRST_S
        while True:
            began_s = time.monotonic()
            try:
                await self._follow()
            except _Recreated:
                log.error(
                    "registry_topic_recreated",
                    topic=self.topic,
                    remedy="if the broker was replaced, restart all services",
                )
                self._positions.clear()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("registry_broker_away", topic=self.topic, error=repr(error), retry_s=pause_s)
            if time.monotonic() - began_s > STALE_S:
                pause_s = _RETRY_FIRST_S
            # The machine's time, not the product's clock: a moved clock must not hurry the broker.
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _RETRY_MAX_S)

    async def _follow(self) -> None:
        """Read until the broker fails. Raises KafkaError, OSError, TimeoutError, _Recreated."""
        consumer = AIOKafkaConsumer(
            self.topic,
            **kafka_options(self._settings),
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=POLL_MS,
            metadata_max_age_ms=30_000,
        )
        try:
            await consumer.start()
            ends = await consumer.end_offsets(list(consumer.assignment()))
            for partition, end in ends.items():
                if (position := self._positions.setdefault(partition, 0)) > end:
                    raise _Recreated
                if position:
                    consumer.seek(partition, position)
            self._note_loaded(ends)
            while True:
                fetched = await consumer.getmany(timeout_ms=POLL_MS)
                for partition, records in fetched.items():
                    self._take(partition, records)
                await self._note_progress(consumer, ends)
        finally:
            with contextlib.suppress(KafkaError, OSError):
                await consumer.stop()

    def _take(self, partition: TopicPartition, records: Iterable[ConsumerRecord]) -> None:
        position = self._positions.get(partition, 0)
        for record in records:
            if record.offset < position:
                continue
            position = record.offset + 1
            self._unreadable.pop(record.key, None)
            try:
                self._apply((record.key or b"").decode(), record.value)
            except ValueError as error:
                self._refused_count += 1
                _refused.labels(self.topic).inc()
                self._keep(record, str(error))
                log.error(
                    "registry_record_refused",
                    topic=self.topic,
                    partition=record.partition,
                    offset=record.offset,
                    error=str(error),
                )
        self._positions[partition] = position

    def _keep(self, record: ConsumerRecord, detail: str) -> None:
        place = (self.topic, record.partition, record.offset, record.timestamp)
        self._unreadable[record.key] = Unreadable(*place, record.key, record.value, detail)
        if len(self._unreadable) > UNREADABLE_MAX:
            del self._unreadable[next(iter(self._unreadable))]

    async def _note_progress(self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> None:
        if not ends.keys() <= consumer.assignment():
            raise _Recreated
        lag_records = 0
        heard_s = time.monotonic()
        for partition in consumer.assignment():
            highwater = consumer.highwater(partition)
            polled_ms = consumer.last_poll_timestamp(partition)
            if highwater is None or polled_ms is None:
                return
            position = self._positions.get(partition, 0)
            if highwater < position:
                raise _Recreated
            async with asyncio.timeout(STALE_S):
                # The consumer's position also passes what compaction has removed.
                position = max(position, await consumer.position(partition))
            self._positions[partition] = position
            lag_records += max(0, highwater - position)
            heard_s = min(heard_s, time.monotonic() - max(0.0, time.time() - polled_ms / 1000))
        self._heard_s, self._lag_records = heard_s, lag_records
        _lag.labels(self.topic).set(lag_records)
        self._note_loaded(ends)

    def _note_loaded(self, ends: dict[TopicPartition, int]) -> None:
        if not self.loaded and all(
            self._positions.get(partition, 0) >= end for partition, end in ends.items()
        ):
            self._heard_s = max(self._heard_s, time.monotonic())
            self._read_to_end.set()
