"""Following a compacted topic on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.bus.compacted import CompactedReader
from shared.bus.connection import kafka_options
from shared.bus.producer import OutRecord, Producer
from shared.settings import ServiceSettings
from tests.support.bus import WAIT_S, until
from tests.support.fresh import fresh

pytestmark = pytest.mark.stack


class Topic:
    """A compacted topic of this test alone."""

    def __init__(self, settings: ServiceSettings, producer: Producer) -> None:
        self.name = f"test.compacted.{fresh()}"
        self._settings = settings
        self._producer = producer

    async def create(self, partitions: int = 1) -> None:
        configuration = {"cleanup.policy": "compact"}
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(self.name, partitions, 1, topic_configs=configuration)])
            await self._until_shown(admin, True)

    async def delete(self) -> None:
        async with self._admin() as admin:
            await admin.delete_topics([self.name])
            await self._until_shown(admin, False)

    async def _until_shown(self, admin: AIOKafkaAdminClient, shown: bool) -> None:
        """The broker hears of what its controller has decided: what it takes for a deleted topic until then is lost."""

        async def heard() -> bool:
            return (self.name in await admin.list_topics()) is shown

        await until(heard, f"{self.name} is {'there' if shown else 'gone'}")

    async def put(self, key: str, value: bytes | None, partition: int = 0) -> None:
        await self._producer.send_all([OutRecord(self.name, key.encode(), value, partition)])

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**kafka_options(self._settings))
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()


class Seen:
    """What a reader handed over, in order; `junk` is refused as a registry refuses what it cannot decode."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes | None]] = []
        self._changed = asyncio.Event()

    def __call__(self, key: str, value: bytes | None) -> None:
        if value == b"junk":
            raise ValueError("not a record")
        self.records.append((key, value))
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def topic(kafka_settings: ServiceSettings) -> AsyncIterator[Topic]:
    producer = Producer(kafka_settings)
    yield Topic(kafka_settings, producer)
    await producer.close()


async def loaded(reader: CompactedReader) -> None:
    async with asyncio.timeout(WAIT_S):
        await reader.wait_loaded()


async def test_it_is_loaded_only_once_the_topic_is_read_to_its_end(
    kafka_settings: ServiceSettings, topic: Topic
) -> None:
    await topic.create()
    for number in range(5):
        await topic.put("k", str(number).encode())
    await topic.put("gone", b"x")
    await topic.put("gone", None)
    seen = Seen()
    reader = CompactedReader(topic.name, kafka_settings, seen)
    assert not reader.loaded
    assert not reader.check().ok
    async with reader:
        await loaded(reader)
        assert seen.records == [*(("k", str(n).encode()) for n in range(5)), ("gone", b"x"), ("gone", None)]
        await topic.put("k", b"later")
        await seen.until(lambda: ("k", b"later") in seen.records)
        assert reader.check().ok


async def test_an_empty_topic_is_read_at_once(kafka_settings: ServiceSettings, topic: Topic) -> None:
    await topic.create()
    async with CompactedReader(topic.name, kafka_settings, Seen()) as reader:
        await loaded(reader)
        assert reader.check().ok


async def test_all_partitions_are_read(kafka_settings: ServiceSettings, topic: Topic) -> None:
    await topic.create(partitions=3)
    for partition in range(3):
        await topic.put(f"k{partition}", b"v", partition)
    seen = Seen()
    async with CompactedReader(topic.name, kafka_settings, seen) as reader:
        await loaded(reader)
    assert sorted(key for key, _ in seen.records) == ["k0", "k1", "k2"]


async def test_a_record_that_cannot_be_read_is_counted_and_passed(
    kafka_settings: ServiceSettings, topic: Topic
) -> None:
    await topic.create()
    await topic.put("a", b"junk")
    await topic.put("b", b"v")
    seen = Seen()
    async with CompactedReader(topic.name, kafka_settings, seen) as reader:
        await loaded(reader)
        assert seen.records == [("b", b"v")]
        assert reader.check().ok
        assert reader.check().values["refused"] == 1


async def test_a_topic_that_is_not_there_yet_is_waited_for(
    kafka_settings: ServiceSettings, topic: Topic
) -> None:
    seen = Seen()
    async with CompactedReader(topic.name, kafka_settings, seen) as reader:
        assert not reader.check().ok
        await topic.create()
        await topic.put("k", b"v")
        await loaded(reader)
        await seen.until(lambda: ("k", b"v") in seen.records)


async def test_a_broker_that_cannot_be_reached_leaves_it_unready(kafka_settings: ServiceSettings) -> None:
    nowhere = kafka_settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    async with CompactedReader("registry.keys", nowhere, Seen()) as reader:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await reader.wait_loaded()
        assert "not read to its end" in reader.check().detail


async def test_a_topic_made_anew_is_read_from_its_start(
    kafka_settings: ServiceSettings, topic: Topic
) -> None:
    await topic.create()
    for number in range(3):
        await topic.put("old", str(number).encode())
    seen = Seen()
    async with CompactedReader(topic.name, kafka_settings, seen) as reader:
        await loaded(reader)
        await topic.delete()
        await topic.create()
        await topic.put("new", b"v")
        await seen.until(lambda: ("new", b"v") in seen.records)
    assert seen.records.count(("old", b"2")) == 1


async def test_a_defect_of_the_receiver_is_shown_not_swallowed(
    kafka_settings: ServiceSettings, topic: Topic
) -> None:
    await topic.create()
    await topic.put("k", b"v")
    hit = asyncio.Event()

    def broken(_key: str, _value: bytes | None) -> None:
        hit.set()
        raise RuntimeError("the receiver is broken")

    reader = CompactedReader(topic.name, kafka_settings, broken)
    async with reader:
        async with asyncio.timeout(WAIT_S):
            await hit.wait()
    assert not reader.check().ok
    assert "the receiver is broken" in reader.check().detail
