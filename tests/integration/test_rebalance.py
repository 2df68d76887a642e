"""What a rebalance must not do: lose or double what was being fetched while it happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.bus.assignment import RunnerLimits
from shared.bus.connection import kafka_options
from shared.bus.producer import OutRecord, Producer
from shared.bus.records import Record
from shared.bus.runner import ConsumerRunner
from shared.db import create_engine, migrate
from shared.settings import ServiceSettings
from tests.support.parts import DatabaseFactory

pytestmark = pytest.mark.stack

PARTITIONS = 4
FETCH_WAIT_MS = 3_000
"""Long polls: whoever has nothing to fetch is still asking when the rebalance comes."""
WAIT_S = 60.0


class Seen:
    """The handler of one runner: what it was handed, and which partitions it has."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.partitions: set[int] = set()
        self.changed = asyncio.Event()

    async def handle(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Keep the values."""
        self.values += [record.value or b"" for record in records]

    def committed(self, partitions: Sequence[int]) -> None:
        """Something was stored."""
        self.changed.set()

    def assigned(self, partitions: Sequence[int]) -> None:
        """These are ours now."""
        self.partitions = set(partitions)
        self.changed.set()


class Consumers:
    """Runners of one group on one topic of their own."""

    def __init__(self, settings: ServiceSettings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self.handlers: list[Seen] = []

    @asynccontextmanager
    async def one_more(self) -> AsyncIterator[Seen]:
        """Run another copy while entered."""
        handler = Seen()
        self.handlers.append(handler)
        engine = create_engine(self._settings)
        limits = RunnerLimits(fetch_wait_ms=FETCH_WAIT_MS)
        runner = ConsumerRunner(
            self._settings, engine, topics=(self._topic,), group=self._topic, handler=handler, limits=limits
        )
        task = asyncio.create_task(runner.run())
        try:
            yield handler
        finally:
            runner.stop()
            await task
            await engine.dispose()

    async def until_shared(self) -> None:
        """Wait until every copy has its part of the partitions."""
        share = PARTITIONS // len(self.handlers)
        await self._until(lambda: all(len(handler.partitions) == share for handler in self.handlers))

    async def until_handed_over(self, values: set[bytes]) -> None:
        """Wait until these were handed to somebody. TimeoutError where they never are."""
        await self._until(lambda: values <= {value for handler in self.handlers for value in handler.values})

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                waits = [asyncio.create_task(handler.changed.wait()) for handler in self.handlers]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for handler, wait in zip(self.handlers, waits, strict=True):
                    wait.cancel()
                    handler.changed.clear()


@pytest.fixture
async def consumers(
    kafka_settings: ServiceSettings, database: DatabaseFactory
) -> AsyncIterator[tuple[Consumers, Producer, str]]:
    topic = f"test.rebalance.{uuid4().hex[:12]}"
    settings = kafka_settings.model_copy(
        update={"database_url": database("notify"), "session_timeout_ms": 6_000}
    )
    engine = create_engine(settings)
    await migrate(engine, "notify")
    await engine.dispose()
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    producer = Producer(settings)
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        yield Consumers(settings, topic), producer, topic
    finally:
        await producer.close()
        await admin.delete_topics([topic])
        await admin.close()


async def test_a_fetch_under_way_at_a_rebalance_loses_nothing(
    consumers: tuple[Consumers, Producer, str],
) -> None:
    """The partitions that stay where they were are sought anew while their long polls are still open."""
    group, producer, topic = consumers
    async with group.one_more():
        await group.until_shared()
        async with group.one_more():
            await group.until_shared()
            values = {f"{topic}/{number}".encode() for number in range(PARTITIONS)}
            records = [OutRecord(topic, b"k", value, number) for number, value in enumerate(sorted(values))]
            await producer.send_all(records)
            await group.until_handed_over(values)
        handed = sorted(value for handler in group.handlers for value in handler.values)
        assert handed == sorted(values)
