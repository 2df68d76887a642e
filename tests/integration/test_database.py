"""A database that says nothing any more: requests that read are given up in time, and nothing stays occupied by them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus.transient import TRANSIENT
from shared.db import create_engine, cut_off, is_away, reader
from shared.settings import ServiceSettings
from tests.support.bus import WAIT_S, until
from tests.support.parts import DatabaseFactory
from tests.support.proxy import DatabaseProxy

pytestmark = pytest.mark.stack

POOL_SIZE = 2


@pytest.fixture
async def proxy(database: DatabaseFactory) -> AsyncIterator[DatabaseProxy]:
    async with DatabaseProxy(database("notify")).running() as made:
        yield made


@pytest.fixture
async def engine(proxy: DatabaseProxy) -> AsyncIterator[AsyncEngine]:
    made = create_engine(
        ServiceSettings(database_url=proxy.url, database_pool_size=POOL_SIZE, database_read_timeout_ms=500)
    )
    yield made
    await made.dispose()


async def asked(engine: AsyncEngine) -> int:
    async with reader(engine) as connection:
        return int((await connection.execute(text("SELECT 7"))).scalar_one())


async def asked_past_sqlalchemy(engine: AsyncEngine) -> int:
    """As the journal is read: by the driver itself, within a transaction of SQLAlchemy's."""
    async with reader(engine) as connection:
        await connection.execute(text("SELECT 1"))
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        return int(await driver.fetchval("SELECT 7"))


async def asked_of_the_driver(engine: AsyncEngine) -> int:
    """As due reviews are read: nothing goes through SQLAlchemy, which would wrap the driver's errors."""
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        return int(await driver.fetchval("SELECT 7"))


async def test_reading_is_given_up_in_time_and_works_again(engine: AsyncEngine, proxy: DatabaseProxy) -> None:
    questions = (asked, asked_past_sqlalchemy)
    for _ in range(2):
        assert [await ask(engine) for ask in questions] == [7, 7]
        proxy.passing.clear()
        async with asyncio.timeout(WAIT_S):
            # More than there are connections: the first ones must not keep theirs.
            ended = await asyncio.gather(
                *(ask(engine) for ask in questions * POOL_SIZE), return_exceptions=True
            )
        assert [type(error) for error in ended] == [TimeoutError] * len(ended)
        assert all(is_away(error) for error in ended if isinstance(error, BaseException))
        proxy.passing.set()
    assert [await ask(engine) for ask in questions * POOL_SIZE] == [7] * 2 * POOL_SIZE


async def test_whoever_waits_can_be_cut_off(engine: AsyncEngine, proxy: DatabaseProxy) -> None:
    """As a stop does that cannot wait for a database that hangs: the rollback fails too, instead of waiting."""
    begun = asyncio.Event()

    async def ask_for_ever() -> None:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT 1"))
            proxy.passing.clear()
            begun.set()
            await connection.execute(text("SELECT 2"))

    waiting = asyncio.create_task(ask_for_ever())
    await begun.wait()
    cut_off(engine)
    async with asyncio.timeout(WAIT_S):
        with pytest.raises(DBAPIError) as caught:
            await waiting
    assert is_away(caught.value)
    proxy.passing.set()
    assert await asked(engine) == 7


@pytest.mark.parametrize("ask", [asked, asked_of_the_driver])
async def test_a_server_that_takes_its_leave_is_away_and_its_connections_are_not_used_again(
    engine: AsyncEngine, proxy: DatabaseProxy, ask: Callable[[AsyncEngine], Awaitable[int]]
) -> None:
    async with reader(engine) as connection:
        await connection.execute(text("SELECT 1"))
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
    proxy.take_leave()
    # Each turn of the loop reads what has come: the driver hears the farewell before it is asked anything.
    for _ in range(20):
        await asyncio.sleep(0)
    said: list[BaseException] = []

    async def fails() -> bool:
        try:
            await ask(engine)
        except TRANSIENT as error:
            said.append(error)
        return bool(said)

    await until(fails, "the connection is of no use any more")
    assert is_away(said[0])
    proxy.cut()
    await until(driver.is_closed, "the driver knows of the end")
    assert await ask(engine) == 7


async def test_an_error_of_the_one_who_reads_is_passed_on(engine: AsyncEngine) -> None:
    with pytest.raises(LookupError):
        async with reader(engine):
            raise LookupError
    assert await asked(engine) == 7


async def test_a_server_that_is_gone_without_a_word_is_noticed(engine: AsyncEngine) -> None:
    """Only the system can find that out for those that wait for an answer; it is told to."""
    async with reader(engine) as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        sock = driver._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
