"""What a rebalance must not do: lose or double what was being fetched while it happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.bus.assignment import Listener, RunnerLimits
from shared.bus.connection import kafka_options
from shared.bus.producer import OutRecord, Producer
from shared.bus.records import Record
from shared.bus.runner import ConsumerRunner
from shared.db import create_engine, migrate
from shared.settings import ServiceSettings
from tests.support.bus import LIMITS, WAIT_S, Keeper, group
from tests.support.fresh import fresh
from tests.support.parts import DatabaseFactory

pytestmark = pytest.mark.stack

PARTITIONS = 4
REBALANCES = 4
FETCH_WAIT_MS = 1_000
"""Long polls: a fetch that began before a rebalance is still under way after it."""
TRICKLE_S = 0.02


class Seen:
    """The handler of one runner: what it was handed, and which partitions it has."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.running = True
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
        handler.task = asyncio.create_task(runner.run())
        try:
            yield handler
        finally:
            runner.stop()
            await handler.task
            handler.running = False
            await engine.dispose()

    async def until_shared(self) -> None:
        """Wait until every copy has its part of the partitions."""
        share = PARTITIONS // sum(handler.running for handler in self.handlers)
        await self.until(
            lambda: all(len(handler.partitions) == share for handler in self.handlers if handler.running)
        )

    async def until_handed_over(self, values: set[bytes]) -> None:
        """Wait until these were handed to somebody. TimeoutError where they never are."""
        await self.until(lambda: values <= {value for handler in self.handlers for value in handler.values})

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds. TimeoutError where it never does."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                waits = [asyncio.create_task(handler.changed.wait()) for handler in self.handlers]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for handler, wait in zip(self.handlers, waits, strict=True):
                    wait.cancel()
                    handler.changed.clear()


class Trickle:
    """Records that never stop coming, each another one."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self.values: set[bytes] = set()
        self._producer = producer
        self._topic = topic

    async def send(self) -> None:
        """One record to every partition."""
        records = [
            OutRecord(self._topic, b"k", f"{len(self.values) + n}".encode(), n) for n in range(PARTITIONS)
        ]
        await self._producer.send_all(records)
        self.values |= {record.value or b"" for record in records}

    async def flow(self, enough: asyncio.Event) -> None:
        """Send until it is enough; what was begun is finished."""
        while not enough.is_set():
            await self.send()
            await asyncio.sleep(TRICKLE_S)


@pytest.fixture
async def consumers(
    kafka_settings: ServiceSettings, database: DatabaseFactory
) -> AsyncIterator[tuple[Consumers, Producer, str]]:
    topic = f"test.rebalance.{fresh()}"
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


async def test_records_that_come_during_rebalances_are_neither_lost_nor_doubled(
    consumers: tuple[Consumers, Producer, str],
) -> None:
    """A fetch that began before a rebalance and ends after it must not take along what was sought anew."""
    group, producer, topic = consumers
    trickle = Trickle(producer, topic)
    await trickle.send()
    async with group.one_more() as first:
        await group.until_handed_over(trickle.values)
        enough = asyncio.Event()
        flowing = asyncio.create_task(trickle.flow(enough))
        for _ in range(REBALANCES // 2):
            async with group.one_more() as second:
                await group.until_shared()
            second.partitions = set()
            await group.until(lambda: first.partitions == set(range(PARTITIONS)))
        enough.set()
        await flowing
        await group.until_handed_over(trickle.values)
    handed = sorted(value for handler in group.handlers for value in handler.values)
    assert handed == sorted(trickle.values)


async def test_a_copy_without_partitions_stays_up(consumers: tuple[Consumers, Producer, str]) -> None:
    """More copies than partitions: the spare one has nothing to tell Kafka, and waits for its turn."""
    group, producer, topic = consumers
    await producer.send_all([OutRecord(topic, b"k", b"first", 0)])
    async with AsyncExitStack() as copies:
        for _ in range(PARTITIONS + 1):
            await copies.enter_async_context(group.one_more())
        await group.until(lambda: sorted(len(h.partitions) for h in group.handlers) == [0, *[1] * PARTITIONS])
        # Longer than it takes until the positions are told.
        await asyncio.sleep(RunnerLimits().commit_interval_ms / 1000 + 1)
        assert not any(handler.task.done() for handler in group.handlers)


async def test_a_lost_assignment_that_none_follows_begins_a_new_session(
    kafka_settings: ServiceSettings, database: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker says that the group assigns anew, and then does not."""

    async def refused(*_: object) -> None:
        raise CommitFailedError

    async with (
        group(kafka_settings, database("notify")) as bus,
        bus.runner(Keeper(), limits=replace(LIMITS, rebalance_timeout_ms=1_000)) as runner,
    ):
        lost = await runner.wait_assigned()
        monkeypatch.setattr(runner._consumer, "commit", refused)
        await runner.lost(lost)
        async with asyncio.timeout(WAIT_S):
            assert await runner.wait_assigned() is not lost
        await bus.until_kept(await bus.send(8))


async def test_a_session_that_gets_no_assignment_begins_anew(
    kafka_settings: ServiceSettings, database: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the group assigned is never told, the first time."""
    told = 0
    tell = Listener.on_partitions_assigned

    async def tell_from_the_second_on(self: Listener, assigned: Sequence[TopicPartition]) -> None:
        nonlocal told
        told += 1
        if told > 1:
            await tell(self, assigned)

    monkeypatch.setattr(Listener, "on_partitions_assigned", tell_from_the_second_on)
    async with (
        group(kafka_settings, database("notify")) as bus,
        bus.runner(Keeper(), limits=replace(LIMITS, rebalance_timeout_ms=1_000)),
    ):
        await bus.until_kept(await bus.send(8))
    assert told == 2


async def test_a_client_that_does_not_close_ends_the_work(
    kafka_settings: ServiceSettings, database: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever hung on here would hold partitions in the group and work on none: the process is to end."""
    stop, hang = AIOKafkaConsumer.stop, asyncio.Event()

    async def stop_late(self: AIOKafkaConsumer) -> None:
        await hang.wait()
        await stop(self)

    async with group(kafka_settings, database("notify")) as bus:
        limits = replace(LIMITS, close_timeout_ms=1_000)
        runner = ConsumerRunner(
            bus.settings, bus.engine, topics=bus.topics, group=bus.name, handler=Keeper(), limits=limits
        )
        work = asyncio.create_task(runner.run())
        await runner.wait_assigned()
        monkeypatch.setattr(AIOKafkaConsumer, "stop", stop_late)
        runner.stop()
        with pytest.raises(RuntimeError, match="stop_late"):
            async with asyncio.timeout(WAIT_S):
                await work
        hang.set()
        monkeypatch.undo()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if "stop_late" in repr(task)))
