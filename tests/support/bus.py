"""A group of runners on topics and tables of its own, on the real broker and database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.bus.assignment import RunnerLimits
from shared.bus.connection import kafka_options
from shared.bus.producer import OutRecord, Producer
from shared.bus.records import Record
from shared.bus.runner import ConsumerRunner
from shared.db import create_engine, migrate
from shared.settings import ServiceSettings
from tests.support.fresh import fresh

WAIT_S = 120.0
"""How long tests wait for what must happen: long enough for a small machine with other things to do."""
_LOOK_S = 0.02
LIMITS = RunnerLimits(fetch_wait_ms=50, session_timeout_ms=6_000, retry_wait_ms=20)


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str | Callable[[], str]) -> None:
    """Wait until `condition` holds; AssertionError with `what` where it never does."""
    try:
        async with asyncio.timeout(WAIT_S):
            while True:
                met = condition()
                if met if isinstance(met, bool) else await met:
                    return
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise AssertionError(
            f"not within {WAIT_S:g} s: {what if isinstance(what, str) else what()}"
        ) from None


class Keeper:
    """A handler that keeps every value in the table `kept`, in the transaction it is given."""

    def __init__(self) -> None:
        self.before: Callable[[Sequence[Record]], Awaitable[None]] | None = None
        """Awaited with the records, before anything is stored."""
        self.after: Callable[[Sequence[Record]], Awaitable[None]] | None = None
        """Awaited with the records, when all is stored but not committed."""
        self.calls = 0
        self.commits = 0
        self.partitions: set[int] = set()

    async def handle(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        self.calls += 1
        if self.before is not None:
            await self.before(records)
        await connection.execute(
            text("INSERT INTO kept (topic, partition, value) VALUES (:topic, :partition, :value)"),
            [
                {"topic": r.topic, "partition": r.partition, "value": (r.value or b"").decode()}
                for r in records
            ],
        )
        if self.after is not None:
            await self.after(records)

    def committed(self, partitions: Sequence[int]) -> None:
        self.commits += 1

    def assigned(self, partitions: Sequence[int]) -> None:
        self.partitions = set(partitions)


class Group:
    """Topics, a database, and runners on them."""

    def __init__(self, settings: ServiceSettings, topics: Sequence[str], partitions: int) -> None:
        self.settings = settings
        self.topics = tuple(topics)
        self.name = topics[0]
        self.partitions = partitions
        self.engine = create_engine(settings)
        self.producer = Producer(settings)
        self._sent = 0

    @asynccontextmanager
    async def runner(
        self, keeper: Keeper, *, url: str | None = None, limits: RunnerLimits = LIMITS
    ) -> AsyncIterator[ConsumerRunner]:
        """A copy that runs while entered; `url`: another way to the database."""
        settings = self.settings if url is None else self.settings.model_copy(update={"database_url": url})
        engine = create_engine(settings)
        runner = ConsumerRunner(
            settings, engine, topics=self.topics, group=self.name, handler=keeper, limits=limits
        )
        task = asyncio.create_task(runner.run())
        try:
            yield runner
        finally:
            runner.stop()
            async with asyncio.timeout(WAIT_S):
                await task
            await engine.dispose()

    async def send(self, count: int, topic: int = 0, partition: int | None = None) -> list[str]:
        """Publish `count` new values, spread over the partitions or all to one; return them."""
        values = [f"{self._sent + n:06d}" for n in range(count)]
        self._sent += count
        await self.producer.send_all(
            [
                OutRecord(
                    self.topics[topic],
                    b"k",
                    value.encode(),
                    n % self.partitions if partition is None else partition,
                )
                for n, value in enumerate(values)
            ]
        )
        return values

    async def kept(self) -> list[str]:
        """Every value stored, in order."""
        return await kept(self.engine)

    async def until_kept(self, values: Sequence[str]) -> None:
        """Wait until these values are stored, each once; nothing else may be."""

        async def stored() -> bool:
            return len(await self.kept()) >= len(values)

        await until(stored, f"{len(values)} values are stored")
        assert await self.kept() == sorted(values)

    async def positions(self) -> dict[int, list[int]]:
        """The stored positions by partition number."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(text("SELECT partition, positions FROM partition_positions"))
            return {row.partition: list(row.positions) for row in rows}


async def kept(engine: AsyncEngine) -> list[str]:
    """Every value stored, in order."""
    async with engine.connect() as connection:
        return list((await connection.execute(text("SELECT value FROM kept ORDER BY value"))).scalars())


@asynccontextmanager
async def group(
    settings: ServiceSettings, database_url: str, *, topics: int = 1, partitions: int = 4
) -> AsyncIterator[Group]:
    """A fresh group; `database_url`: an empty database of notify's role, for the bus's tables."""
    settings = settings.model_copy(update={"database_url": database_url, "instance": "runner-test"})
    names = [f"test.runner.{fresh()}.{n}" for n in range(topics)]
    made = Group(settings, names, partitions)
    await migrate(made.engine, "notify")
    async with made.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE kept (topic text, partition integer, value text)"))
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1) for name in names])
        yield made
    finally:
        await made.producer.close()
        await made.engine.dispose()
        await admin.delete_topics(names)
        await admin.close()


async def read_topic(
    settings: ServiceSettings, topic: str, partition: int = 0
) -> list[tuple[bytes, bytes, dict[str, bytes]]]:
    """Key, value and headers of every record of a partition, to its present end."""
    consumer = AIOKafkaConsumer(**kafka_options(settings), group_id=None, auto_offset_reset="earliest")
    await consumer.start()
    try:
        tp = TopicPartition(topic, partition)
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        found: list[tuple[bytes, bytes, dict[str, bytes]]] = []
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [(r.key, r.value, dict(r.headers)) for r in records]
        return found
    finally:
        await consumer.stop()
