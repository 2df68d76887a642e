"""The ledger's transactions on the real database: batches, rollbacks, and what the schema itself refuses."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.penalties import closing, queries
from services.penalties.handlers import VerdictHandler
from services.penalties.store import balances, chains, entries, metadata, verdicts
from services.penalties.totals import turnover
from shared.bus.partitioner import partition_of
from shared.bus.producer import OutRecord
from shared.bus.tables import dead_letters, outbox
from shared.clock import Clock
from shared.db import create_engine, migrate
from shared.errors import StoppedConsumer
from shared.settings import ServiceSettings
from tests.support.parts import DatabaseFactory
from tests.support.penalties import DECIDED_AT, finding, verdict
from tests.support.verdicts import new_network

pytestmark = pytest.mark.stack

SITES = ["GZ01", "BJ02", "HUB-SH"]


@dataclass(frozen=True)
class Consumed:
    """A record as the runner hands it over."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    topic: str = "arbitration.verdicts"
    timestamp: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


@pytest.fixture
async def engine(database: DatabaseFactory) -> AsyncIterator[AsyncEngine]:
    fresh = await ledger(database)
    yield fresh
    await fresh.dispose()


async def ledger(database: DatabaseFactory) -> AsyncEngine:
    """An empty ledger."""
    engine = create_engine(ServiceSettings(database_url=database("penalties")))
    await migrate(engine, "penalties")
    return engine


def consumed(records: Sequence[OutRecord]) -> list[Consumed]:
    """Records as they would be read: partitioned by key, in the order of publishing."""
    ends: dict[int, int] = {}
    found = []
    for record in records:
        partition = partition_of(record.key or b"", 12)
        offset = ends[partition] = ends.get(partition, -1) + 1
        found.append(Consumed(partition, offset, record.key, record.value))
    return found


async def handle(engine: AsyncEngine, records: Sequence[Consumed]) -> None:
    async with engine.begin() as connection:
        await VerdictHandler(Clock(), lambda: None).handle(connection, records)


async def stored(engine: AsyncEngine) -> dict[str, list[Any]]:
    """Everything that the ledger is made of."""
    async with engine.connect() as connection:
        return {
            table.name: [
                tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key))
            ]
            for table in (entries, balances, verdicts, chains)
        }


async def test_however_the_topic_is_cut_into_batches_the_ledger_is_the_same(
    database: DatabaseFactory,
) -> None:
    chance = random.Random(11)
    network = new_network()
    arrivals = [
        verdict(
            f"{network}/{560000000000 + n}",
            version,
            [finding(chance.choice(SITES), {chance.choice([*SITES, "hq"]): chance.randrange(9_000)})][
                : version % 3
            ],
        )
        for n in range(40)
        for version in chance.sample(range(1, 6), 4)
    ]
    chance.shuffle(arrivals)
    records = consumed(arrivals)
    engines = [await ledger(database) for _ in range(3)]
    await handle(engines[0], records)
    for record in records:
        await handle(engines[1], [record])
    start = 0
    while start < len(records):
        # Redelivered as well: each batch begins somewhere before the last one ended.
        size = chance.randint(1, 30)
        await handle(engines[2], records[max(0, start - chance.randint(0, 20)) : start + size])
        start += size
    first, *others = [await stored(engine) for engine in engines]
    assert first["entries"]
    assert others == [first, first]
    for engine in engines:
        await engine.dispose()


async def test_a_batch_that_is_rolled_back_leaves_nothing_and_can_be_handled_again(
    engine: AsyncEngine,
) -> None:
    records = consumed([verdict(f"{new_network()}/560000000001", 1, [finding("BJ02", {"hq": 100})])])
    handler = VerdictHandler(Clock(), lambda: None)
    async with engine.connect() as connection:
        await handler.handle(connection, records)
        await connection.rollback()
    assert not any((await stored(engine)).values())
    async with engine.begin() as connection:
        await handler.handle(connection, records)
    assert len((await stored(engine))["entries"]) == 1
    async with engine.connect() as connection:
        assert len((await connection.execute(select(outbox))).all()) == 1


async def test_a_first_version_without_findings_is_remembered(engine: AsyncEngine) -> None:
    subject = f"{new_network()}/560000000001"
    await handle(engine, consumed([verdict(subject, 1, [], content="sha256:nothing")]))
    await handle(engine, consumed([verdict(subject, 1, [finding("BJ02", {"hq": 100})])]))
    after = await stored(engine)
    assert (len(after["verdicts"]), after["entries"]) == (1, []), "the other content is not booked"
    async with engine.connect() as connection:
        letters = (await connection.execute(select(dead_letters.c.reason))).scalars().all()
    assert letters == ["digest_conflict"]


@pytest.mark.parametrize(
    "statement", ["UPDATE entries SET amount_fen = 1", "DELETE FROM entries", "TRUNCATE entries"]
)
async def test_entries_can_be_neither_changed_nor_removed(engine: AsyncEngine, statement: str) -> None:
    await handle(
        engine, consumed([verdict(f"{new_network()}/560000000001", 1, [finding("BJ02", {"hq": 100})])])
    )
    before = await stored(engine)
    with pytest.raises(DBAPIError, match="immutable"):
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    assert await stored(engine) == before


async def test_the_largest_amounts_add_up(engine: AsyncEngine) -> None:
    network = new_network()
    largest_fen = 2**53 - 1
    await handle(
        engine,
        consumed(
            [
                verdict(f"{network}/{560000000000 + n}", 1, [finding("BJ02", {"hq": largest_fen})])
                for n in range(1_100)
            ]
        ),
    )
    async with engine.connect() as connection:
        owed = await queries.balance(connection, network, "BJ02")
        sums = await turnover(connection, network)
    assert owed.open_fen == 1_100 * largest_fen > 2**63
    assert sum(one.debits_fen for one in sums) == sum(one.credits_fen for one in sums) == 1_100 * largest_fen


async def test_when_nothing_can_be_read_the_consumer_stops(engine: AsyncEngine) -> None:
    records = consumed([OutRecord("arbitration.verdicts", b"tiantian/%012d" % n, b"{}") for n in range(300)])
    with pytest.raises(StoppedConsumer):
        await handle(engine, records)
    one_waybill = [replace(record, key=b"tiantian/560000000001") for record in records]
    await handle(engine, one_waybill)


async def test_a_close_waits_for_bookings_in_hand_and_gives_up_in_time(engine: AsyncEngine) -> None:
    network = new_network()
    records = consumed([verdict(f"{network}/560000000001", 1, [finding("BJ02", {"hq": 100})])])

    async def close() -> closing.Closing:
        async with engine.begin() as connection:
            return await closing.close(
                connection, "penalties", network, "2026-03", at=DECIDED_AT, by="/operators/x", wait_ms=200
            )

    async with engine.begin() as booking:
        await VerdictHandler(Clock(), lambda: None).handle(booking, records)
        with pytest.raises(DBAPIError) as refused:
            await close()
        assert getattr(refused.value.orig, "sqlstate", None) == "55P03"
    assert (await close()).debits_fen == 100


async def test_the_tables_of_the_code_are_those_of_the_migrations(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[Any]:
        names = set(metadata.tables)
        options = {"include_name": lambda name, kind, _: kind != "table" or name in names}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        # Comments are written once, in the migration and in the code, and wrapped differently.
        found = [d for d in await connection.run_sync(differences) if "comment" not in str(d[0])]
    assert found == []
