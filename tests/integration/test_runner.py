"""The consumer runner on the real broker and database: nothing lost, nothing twice, and when it must not go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from sqlalchemy import text

from shared.bus import positions
from shared.bus.connection import kafka_options
from shared.bus.dead_letters import Fuse
from shared.bus.positions import Fenced
from shared.bus.records import Record
from shared.settings import ServiceSettings
from tests.support.bus import LIMITS, Group, Keeper, group, until
from tests.support.parts import DatabaseFactory
from tests.support.proxy import DatabaseProxy

pytestmark = pytest.mark.stack

Bus = Group


@pytest.fixture
async def bus(kafka_settings: ServiceSettings, database: DatabaseFactory) -> AsyncIterator[Bus]:
    async with group(kafka_settings, database("notify")) as made:
        yield made


class Gate:
    """Holds a handler up in its transaction."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, _: Sequence[Record]) -> None:
        self.reached.set()
        await self.open.wait()


def shared_out(first: Keeper, second: Keeper) -> bool:
    """Whether two of the four partitions went to each; while a rebalance goes on, both may count the same as theirs."""
    return len(first.partitions) == len(second.partitions) == 2 and first.partitions.isdisjoint(
        second.partitions
    )


async def raise_epochs(bus: Bus, partitions: Sequence[int]) -> None:
    """Do what another worker does that believes it was assigned these partitions."""
    async with bus.engine.begin() as connection:
        await positions.claim(connection, bus.name, "somebody else", {p: [0] for p in partitions})


async def test_a_batch_that_was_rolled_back_comes_again_whole(bus: Bus) -> None:
    failures = iter([OSError("disk"), OSError("disk")])

    async def fail(_: Sequence[Record]) -> None:
        if error := next(failures, None):
            raise error

    keeper = Keeper()
    keeper.after = fail
    values = await bus.send(40)
    async with bus.runner(keeper):
        await bus.until_kept(values)
        values += await bus.send(40)
        await bus.until_kept(values)
    assert next(failures, None) is None


async def test_a_commit_whose_answer_was_lost_is_neither_lost_nor_repeated(bus: Bus) -> None:
    keeper = Keeper()
    async with (
        DatabaseProxy(bus.settings.database_url).running() as proxy,
        bus.runner(keeper, url=proxy.url),
    ):
        values = await bus.send(20)
        await bus.until_kept(values)
        for _ in range(3):
            proxy.lost.clear()
            proxy.commits_to_lose = 1
            values += await bus.send(20)
            await proxy.lost.wait()
            await bus.until_kept(values)
        values += await bus.send(20)
        await bus.until_kept(values)
    assert sum(p for (p,) in (await bus.positions()).values()) == len(values)


async def test_the_drivers_own_errors_do_not_end_the_runner(bus: Bus) -> None:
    """The database cuts the connection in the middle of the transaction, under SQL that goes past SQLAlchemy."""
    cuts = iter(range(2))

    async def cut(_: Sequence[Record]) -> None:
        if next(cuts, None) is not None:
            async with bus.engine.connect() as connection:
                await connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'"
                        " AND state = 'idle in transaction'"
                    )
                )

    keeper = Keeper()
    keeper.after = cut
    values = await bus.send(12)
    settings = bus.settings
    bus.settings = settings.model_copy(update={"instance": "victim"})
    async with bus.runner(keeper) as runner:
        await bus.until_kept(values)
        assert runner.failure is None
    bus.settings = settings


async def test_two_runners_share_the_partitions_and_give_them_back(bus: Bus) -> None:
    first, second = Keeper(), Keeper()
    values = await bus.send(40)
    async with bus.runner(first):
        await bus.until_kept(values)
        async with bus.runner(second):
            await until(lambda: shared_out(first, second), "two partitions each")
            values += await bus.send(40)
            await bus.until_kept(values)
            await until(lambda: bool(first.commits and second.commits), "both have heard of their commits")
        await until(lambda: len(first.partitions) == 4, "all partitions are back")
        values += await bus.send(40)
        await bus.until_kept(values)


async def test_partitions_that_go_while_a_position_is_found_again_end_no_session(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer that begins anew for that would make the whole group share out its partitions once more."""
    await bus.send(4)
    async with bus.runner(Keeper(), limits=replace(LIMITS, lanes=0)) as runner:
        assignment = await runner.wait_assigned()
        consumer = runner._consumer
        assert consumer is not None
        held = list(consumer.assignment())
        gone: list[bool] = []

        def go(*_: object) -> None:
            # What the group's protocol does as it takes all partitions away.
            consumer._subscription.assign_from_subscribed([])
            gone.append(True)

        monkeypatch.setattr("shared.bus.runner.check_range", go)
        for tp in held:
            consumer.seek(tp, 1_000)
        while not gone:
            assert await runner._fetch(held, assignment) == {}


async def test_the_batch_in_hand_is_finished_before_its_partitions_go(bus: Bus) -> None:
    gate, first, second = Gate(), Keeper(), Keeper()
    first.before = gate
    values = await bus.send(40)
    async with bus.runner(first):
        await gate.reached.wait()
        async with bus.runner(second):
            # The group waits for the first copy: nothing can be assigned while its batch is open.
            await asyncio.sleep(1)
            assert second.partitions == set()
            first.before = None
            gate.open.set()
            await until(lambda: len(second.partitions) == 2, "the second copy has its share")
            assert len(await bus.kept()) > 0
            await bus.until_kept(values)


async def test_a_worker_that_lost_its_partitions_writes_nothing(bus: Bus) -> None:
    """As one that was frozen for longer than the session time-out: its batch is open when the epochs move on."""
    keeper = Keeper()
    values = await bus.send(8)
    async with bus.runner(keeper) as runner:
        await bus.until_kept(values)
        stale = await runner.wait_assigned()
        await raise_epochs(bus, range(4))
        values += await bus.send(40)
        # The broker still counts it as the owner, so it claims once more and goes on.
        await bus.until_kept(values)
        assert await runner.wait_assigned() is not stale
        with pytest.raises(Fenced):
            async with runner.fenced([0], stale):
                raise AssertionError("entered")


async def test_fenced_work_is_rolled_back_even_where_the_partitions_came_back(bus: Bus) -> None:
    """What was read under one assignment must not be written under the next: others may have written in between."""
    keeper = Keeper()
    async with bus.runner(keeper) as runner:
        read_under = await runner.wait_assigned()
        await raise_epochs(bus, range(4))
        with pytest.raises(Fenced):
            async with runner.fenced([1, 2], read_under):
                raise AssertionError("entered")
        # Nothing comes in: who meets the fence says so, and the partitions are claimed anew.
        await runner.lost(read_under)
        fresh = await runner.wait_assigned()
        assert fresh is not read_under
        async with runner.fenced([1, 2], fresh) as (_, stored):
            assert stored == {1: [0], 2: [0]}
        with pytest.raises(Fenced):
            async with runner.fenced([1, 2], read_under):
                raise AssertionError("entered")


async def test_an_error_inside_a_fenced_transaction_leaves_nothing(bus: Bus) -> None:
    async with bus.runner(Keeper()) as runner:
        assignment = await runner.wait_assigned()

        async def write_and_fail() -> None:
            async with runner.fenced([0], assignment) as (connection, _):
                await connection.execute(text("INSERT INTO kept (value) VALUES ('x')"))
                raise LookupError

        with pytest.raises(LookupError):
            await write_and_fail()
        assert await bus.kept() == []


async def test_another_broker_stops_it_with_a_clear_error(bus: Bus) -> None:
    async with bus.runner(Keeper()) as runner:
        await runner.wait_assigned()
    async with bus.engine.begin() as connection:
        await connection.execute(text("UPDATE broker_identity SET cluster_id = 'the-old-one'"))
    async with bus.runner(Keeper()) as runner:
        await until(lambda: runner.failure is not None, "it stops")
        assert "the-old-one" in str(runner.failure)
        assert "KAFKA_BOOTSTRAP_SERVERS" in str(runner.failure)
        assert runner.trouble == str(runner.failure)


async def test_a_broker_that_changes_while_it_runs_is_noticed_at_the_next_assignment(bus: Bus) -> None:
    async with bus.runner(Keeper()) as runner:
        assignment = await runner.wait_assigned()
        async with bus.engine.begin() as connection:
            await connection.execute(text("UPDATE broker_identity SET cluster_id = 'the-old-one'"))
        await runner.lost(assignment)
        await until(lambda: runner.failure is not None, "it stops")
        assert "the-old-one" in str(runner.failure)


async def test_an_offset_that_retention_removed_stops_it(bus: Bus) -> None:
    values = await bus.send(8, partition=0)
    async with bus.runner(Keeper()):
        await bus.until_kept(values)
    await bus.send(8, partition=0)
    admin = AIOKafkaAdminClient(**kafka_options(bus.settings))
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(bus.name, 0): RecordsToDelete(12)})
    finally:
        await admin.close()
    async with bus.runner(Keeper()) as runner:
        await until(lambda: runner.failure is not None, "it stops")
        assert "stands at offset 8" in str(runner.failure)
        assert "the broker has 12 to 16" in str(runner.failure)
    assert await bus.kept() == values


async def test_an_offset_beyond_the_end_stops_it(bus: Bus) -> None:
    values = await bus.send(4, partition=0)
    async with bus.runner(Keeper()):
        await bus.until_kept(values)
    async with bus.engine.begin() as connection:
        await connection.execute(text("UPDATE partition_positions SET positions = '{9}' WHERE partition = 0"))
    async with bus.runner(Keeper()) as runner:
        await until(lambda: runner.failure is not None, "it stops")
        assert "stands at offset 9" in str(runner.failure)


async def test_topics_of_different_partition_counts_stop_it(
    kafka_settings: ServiceSettings, database: DatabaseFactory
) -> None:
    async with (
        group(kafka_settings, database("notify"), partitions=2) as narrow,
        group(kafka_settings, database("notify"), partitions=3) as wide,
    ):
        narrow.topics = (*narrow.topics, *wide.topics)
        async with narrow.runner(Keeper()) as runner:
            await until(lambda: runner.failure is not None, "it stops")
            assert "Partitions [2] are not assigned over all of" in str(runner.failure)


async def test_failures_from_everywhere_stop_it_and_store_nothing(bus: Bus) -> None:
    fuse = Fuse(failures_in_a_row_max=20, sources_min=3)

    async def refuse(records: Sequence[Record]) -> None:
        for record in records:
            fuse.bad(f"source {record.offset}", record)

    keeper = Keeper()
    keeper.before = refuse
    await bus.send(80, partition=0)
    async with bus.runner(keeper) as runner:
        await until(lambda: runner.failure is not None, "it stops")
        assert "20 records in a row" in str(runner.failure)
    assert await bus.kept() == []


async def test_one_source_alone_never_blows_the_fuse_and_retries_count_once(bus: Bus) -> None:
    fuse = Fuse(failures_in_a_row_max=40, sources_min=3)
    attempts = 0

    async def refuse(records: Sequence[Record]) -> None:
        for record in records:
            fuse.bad("one", record)

    async def fail_often(records: Sequence[Record]) -> None:
        nonlocal attempts
        attempts += 1
        for record in records:
            fuse.bad(f"source {record.offset}", record)
        if attempts < 8:
            raise OSError("the database is away in the middle of it")

    keeper = Keeper()
    keeper.before = refuse
    values = await bus.send(60, partition=0)
    async with bus.runner(keeper) as runner:
        await bus.until_kept(values)
        fuse.good()
        keeper.before = fail_often
        values += await bus.send(20, partition=0)
        await bus.until_kept(values)
        assert runner.failure is None


async def test_lag_is_what_is_not_stored_yet(bus: Bus) -> None:
    gate, keeper = Gate(), Keeper()
    keeper.before = gate
    async with bus.runner(keeper) as runner:
        await runner.wait_assigned()
        values = await bus.send(10, partition=2)
        await gate.reached.wait()
        await until(lambda: sum(runner.lag().values()) == 10, "a lag of 10")
        gate.open.set()
        await bus.until_kept(values)
        await until(lambda: sum(runner.lag().values()) == 0, "no lag")


async def test_a_stop_drains(bus: Bus) -> None:
    gate, keeper = Gate(), Keeper()
    keeper.before = gate
    values = await bus.send(10, partition=1)
    async with bus.runner(keeper) as runner:
        await gate.reached.wait()
        runner.stop()
        await asyncio.sleep(0.2)
        assert await bus.kept() == []
        gate.open.set()
    assert await bus.kept() == values
    more = await bus.send(10, partition=1)
    async with bus.runner(Keeper()):
        await bus.until_kept(values + more)


async def test_the_end_mark_of_a_transaction_is_passed(bus: Bus) -> None:
    """Such a mark stands at the end of what a transactional publisher sends, and is no record."""
    publisher = AIOKafkaProducer(**kafka_options(bus.settings), transactional_id=bus.name)
    await publisher.start()
    keeper = Keeper()
    try:
        async with bus.runner(keeper) as runner:
            await runner.wait_assigned()
            async with publisher.transaction():
                for _ in range(3):
                    await publisher.send_and_wait(bus.name, b"a", b"k", partition=3)
            ends = await runner.high_watermarks([0, 1, 2, 3])
            assert ends[TopicPartition(bus.name, 3)] == 4
            await until(lambda: runner.has_passed(ends), "the mark is passed")
            assert (await bus.positions())[3] == [4]
            assert len(await bus.kept()) == 3
    finally:
        await publisher.stop()


async def test_positions_are_claimed_over_all_topics(
    kafka_settings: ServiceSettings, database: DatabaseFactory
) -> None:
    async with group(kafka_settings, database("notify"), topics=3, partitions=2) as three:
        values = [
            value for topic in range(3) for value in await three.send(6 + topic, topic=topic, partition=1)
        ]
        async with three.runner(Keeper()) as runner:
            await three.until_kept(values)
            assert await three.positions() == {0: [0, 0, 0], 1: [6, 7, 8]}
            assert runner.lane_partitions(0) == [0]
            assert runner.lane_partitions(1) == [1]
