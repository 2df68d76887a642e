"""The outbox relay on the real broker and database: everything leaves, in order, at least once, and then is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from shared.bus.outbox import OutboxRelay, enqueue, is_left, newest
from shared.bus.producer import Producer
from shared.db import create_engine
from shared.settings import ServiceSettings
from tests.support.bus import Group, group, read_topic, until
from tests.support.parts import DatabaseFactory
from tests.support.proxy import DatabaseProxy

pytestmark = pytest.mark.stack


@pytest.fixture
async def bus(kafka_settings: ServiceSettings, database: DatabaseFactory) -> AsyncIterator[Group]:
    async with group(kafka_settings, database("notify"), partitions=1) as made:
        yield made


@contextlib.asynccontextmanager
async def relaying(
    bus: Group, *, poll_interval_ms: int = 50, rows_max: int = 32, url: str | None = None
) -> AsyncIterator[OutboxRelay]:
    """A relay that runs while entered; it is cut off at the end, as a crash would. `url`: another way to the database."""
    producer = Producer(bus.settings)
    engine = create_engine(bus.settings.model_copy(update={"database_url": url or bus.settings.database_url}))
    relay = OutboxRelay(engine, producer, poll_interval_ms=poll_interval_ms, rows_max=rows_max)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await producer.close()
        await engine.dispose()


async def put(bus: Group, *values: str, partition: int | None = 0) -> None:
    """One call of a transaction of its own."""
    async with bus.engine.begin() as connection:
        await enqueue(connection, bus.name, partition, [(b"k", v.encode()) for v in values], [("h", b"1")])


async def waiting(bus: Group) -> int:
    async with bus.engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one())


async def until_empty(bus: Group) -> None:
    async def empty() -> bool:
        return await waiting(bus) == 0

    await until(empty, "the outbox is empty")


async def published(bus: Group) -> list[str]:
    return [value.decode() for _, value, _ in await read_topic(bus.settings, bus.name)]


async def test_records_leave_in_the_order_of_their_call_and_are_deleted(bus: Group) -> None:
    values = [f"{n:04d}" for n in range(500)]
    await put(bus, *values)
    async with relaying(bus):
        await until_empty(bus)
    assert await published(bus) == values
    key, _, headers = (await read_topic(bus.settings, bus.name))[0]
    assert (key, headers) == (b"k", {"h": b"1"})


async def test_events_say_what_they_are(bus: Group) -> None:
    async with bus.engine.begin() as connection:
        await enqueue(connection, bus.name, 0, [(b"k", b"{}")])
    async with relaying(bus):
        await until_empty(bus)
    ((_, _, headers),) = await read_topic(bus.settings, bus.name)
    assert headers == {"content-type": b"application/cloudevents+json; charset=UTF-8"}


async def test_large_calls_are_split_and_keep_their_order(bus: Group) -> None:
    values = [f"{n}-" + "x" * 300_000 for n in range(40)]
    await put(bus, *values)
    assert await waiting(bus) > 1
    async with relaying(bus, rows_max=1):
        await until_empty(bus)
    assert await published(bus) == values


async def test_what_is_rolled_back_never_leaves(bus: Group) -> None:
    async with relaying(bus) as relay:

        async def fail() -> None:
            async with bus.engine.begin() as connection:
                await enqueue(connection, bus.name, 0, [(b"k", b"never")])
                raise LookupError

        with pytest.raises(LookupError):
            await fail()
        await put(bus, "then")
        relay.wake()
        await until_empty(bus)
    assert await published(bus) == ["then"]


async def test_a_waking_relay_does_not_wait_for_its_interval(bus: Group) -> None:
    async with relaying(bus, poll_interval_ms=600_000) as relay:
        await until(lambda: relay.trouble is None, "it runs")
        await put(bus, "now")
        relay.wake()
        await until_empty(bus)


async def test_a_crash_between_acknowledgement_and_deletion_publishes_again(bus: Group) -> None:
    """The deletion fails once, after the broker has acknowledged: nothing is lost, and the order is kept."""
    async with bus.engine.begin() as connection:
        await connection.execute(text("CREATE SEQUENCE deletions"))
        await connection.execute(
            text(
                "CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF nextval('deletions') = 1 THEN RAISE 'crash'; END IF; RETURN NULL; END $$"
            )
        )
        await connection.execute(
            text("CREATE TRIGGER crash BEFORE DELETE ON outbox EXECUTE FUNCTION fail_once()")
        )
    await put(bus, "a", "b", "c")
    async with relaying(bus):
        await until_empty(bus)
    assert await published(bus) == ["a", "b", "c", "a", "b", "c"]


async def test_a_deletion_whose_commit_was_not_answered_is_not_repeated(bus: Group) -> None:
    async with DatabaseProxy(bus.settings.database_url).running() as proxy:
        await put(bus, "a")
        proxy.commits_to_lose = 1
        async with relaying(bus, url=proxy.url):
            await proxy.lost.wait()
            await put(bus, "b")
            await until_empty(bus)
    assert await published(bus) == ["a", "b"]


async def test_two_relays_publish_each_row_once(bus: Group) -> None:
    calls = [[f"{call:03d}-{n}" for n in range(5)] for call in range(120)]
    for values in calls:
        await put(bus, *values)
    async with relaying(bus, rows_max=4), relaying(bus, rows_max=4):
        await until_empty(bus)
    found = await published(bus)
    assert sorted(found) == sorted(value for values in calls for value in values)
    for values in calls:
        assert [value for value in found if value in values] == values


async def test_rows_that_one_relay_holds_do_not_stop_the_other(bus: Group) -> None:
    await put(bus, "held")
    async with bus.engine.begin() as connection:
        await connection.execute(text("SELECT id FROM outbox FOR UPDATE"))
        async with relaying(bus):
            await put(bus, "free")

            async def one_left() -> bool:
                return await waiting(bus) == 1

            await until(one_left, "the free row has left")
            assert await published(bus) == ["free"]
    async with relaying(bus):
        await until_empty(bus)
    assert await published(bus) == ["free", "held"]


async def test_what_is_left_is_told_from_what_came_later(bus: Group) -> None:
    async with bus.engine.connect() as connection:
        assert await newest(connection) == 0
    await put(bus, "a")
    async with bus.engine.begin() as connection:
        last = await newest(connection)
        assert await is_left(connection, last)
    async with relaying(bus):
        await until_empty(bus)
    await put(bus, "b")
    async with bus.engine.begin() as connection:
        assert not await is_left(connection, last)
        assert await newest(connection) > last
