"""Verdicts and closes that meet, and a ledger that was filled before it had chains."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.penalties import audit, closing
from services.penalties.store import chains, entries
from shared.db import create_engine, migrate
from shared.settings import ServiceSettings
from tests.integration.test_penalties_model import Books
from tests.integration.test_penalties_store import Consumed, ledger
from tests.support.parts import DatabaseFactory
from tests.support.penalties import finding, verdict
from tests.support.verdicts import new_network

pytestmark = pytest.mark.stack

CHAINED = ("clause_source", "clause_text", "note", "position", "hash")


def record(network: str, offset: int, fen: int = 100) -> Consumed:
    made = verdict(f"{network}/{560000000000 + offset}", 1, [finding("BJ02", {"hq": fen})])
    return Consumed(0, offset, made.key, made.value)


async def close(engine: AsyncEngine, network: str, by: str = "/operators/x") -> closing.Closing:
    async with engine.begin() as connection:
        return await closing.close(
            connection, "penalties", network, "2026-03", at=datetime.now(UTC), by=by, wait_ms=20_000
        )


async def waiting(engine: AsyncEngine, number: int) -> None:
    """Return once so many sessions wait for the closing lock."""
    question = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with asyncio.timeout(20), engine.connect() as connection:
        while (await connection.execute(question)).scalar_one() < number:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.02)


async def test_a_verdict_that_arrives_during_the_close_is_before_it_or_after_it(
    database: DatabaseFactory,
) -> None:
    network = new_network()
    books = Books(await ledger(database))
    await books.claim()
    async with books.engine.begin() as booking:
        await books.handle(booking, [record(network, 0)])
        first = asyncio.create_task(close(books.engine, network, "/operators/one"))
        second = asyncio.create_task(close(books.engine, network, "/operators/two"))
        await waiting(books.engine, 2)
    closed, again = await asyncio.gather(first, second)
    assert closed == again, "two closers at once close once"
    assert (closed.cut["0"], closed.debits_fen, closed.seals["0"]["position"]) == (1, 100, 1)

    async with books.engine.begin() as booking:
        await books.handle(booking, [record(network, 1)])
    async with books.engine.connect() as connection:
        found = await connection.execute(
            select(entries.c.record_offset, entries.c.period, entries.c.belongs_to).order_by(
                entries.c.record_offset
            )
        )
        assert [tuple(row) for row in found] == [(0, "2026-03", None), (1, "2026-04", "2026-03")]
    await books.engine.dispose()


async def test_a_verdict_waits_for_a_close_in_hand(database: DatabaseFactory) -> None:
    network = new_network()
    books = Books(await ledger(database))
    await books.claim()

    async def book() -> None:
        async with books.engine.begin() as connection:
            await books.handle(connection, [record(network, 0)])

    async with books.engine.begin() as connection:
        await closing.close(
            connection, "penalties", network, "2026-03", at=datetime.now(UTC), by="/operators/x", wait_ms=500
        )
        booking = asyncio.create_task(book())
        await waiting(books.engine, 1)
    await booking
    async with books.engine.connect() as connection:
        assert (await connection.execute(select(entries.c.period))).scalars().all() == ["2026-04"]
    await books.engine.dispose()


async def test_a_ledger_without_chains_is_chained_as_if_it_had_always_had_them(
    database: DatabaseFactory,
) -> None:
    network = new_network()
    books = Books(await ledger(database))
    await books.claim()
    async with books.engine.begin() as connection:
        await books.handle(connection, [record(network, offset) for offset in range(5)])
    older = create_engine(ServiceSettings(database_url=database("penalties")))
    async with older.begin() as connection:
        await connection.run_sync(lambda inner: _upgrade(inner, "0001"))
    names = [column.name for column in entries.c if column.name not in CHAINED]
    async with books.engine.connect() as source, older.begin() as target:
        columns = ", ".join(names)
        for row in await source.execute(text(f"SELECT {columns} FROM entries")):
            places = ", ".join(f":{name}" for name in names)
            await target.execute(text(f"INSERT INTO entries ({columns}) VALUES ({places})"), row._asdict())
        for row in await source.execute(text("SELECT * FROM balances")):
            places = ", ".join(f":{name}" for name in row._asdict())
            await target.execute(text(f"INSERT INTO balances VALUES ({places})"), row._asdict())
    await migrate(older, "penalties")
    proof = await audit.prove(older, (network, 0), chunk_entries=2)
    assert (proof.ok, proof.entries) == (True, 5), proof
    async with older.connect() as connection:
        assert (await connection.execute(select(chains.c.position))).scalar_one() == 5
    await older.dispose()
    await books.engine.dispose()


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "services/penalties/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
