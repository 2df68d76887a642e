"""What is there at the end: read by plain SQL and a plain consumer, with nothing of the services' storage code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from tests.crash.destinations import Arrivals, shown_delivered
from tests.support.stack import Stack

INPUT_TOPICS: Final = ("parcel.scans", "parcel.signatures", "parcel.complaints")
VERDICTS: Final = "arbitration.verdicts"
POSTINGS: Final = "penalties.postings"
PERIODS: Final = "penalties.periods"
NOTICES: Final = "notify.notices"
CONSUMERS: Final[Mapping[str, tuple[str, ...]]] = {
    "arbitration": INPUT_TOPICS,
    "penalties": (VERDICTS,),
    "notify": (VERDICTS,),
}
"""Service → the topics of its consumer, in the order of its stored positions."""
_SOON_S: Final = 10.0
"""A decision that is due so soon waits for its waybill to be quiet, not for a term of the rules."""
_TO_SEND: Final = """
    SELECT count(*) FROM notify.notices
    WHERE state = 'queued' AND channel <> 'in_app' AND coalesce(send_after, created_at) <= $1
    """
Row = Mapping[str, Any]


class Read(NamedTuple):
    """A record of a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes


@dataclass
class Snapshot:
    """Everything that the oracle looks at."""

    topics: dict[str, list[Read]] = field(default_factory=dict)
    journal: list[tuple[str, bytes]] = field(default_factory=list)
    """(subject, one event's bytes), every copy."""
    cases: list[Row] = field(default_factory=list)
    superseded: list[Row] = field(default_factory=list)
    parked: list[Row] = field(default_factory=list)
    dead_letters: dict[str, list[Row]] = field(default_factory=dict)
    entries: list[Row] = field(default_factory=list)
    balances: list[Row] = field(default_factory=list)
    chains: list[Row] = field(default_factory=list)
    closes: list[Row] = field(default_factory=list)
    notices: list[Row] = field(default_factory=list)
    shown_delivered: list[Row] = field(default_factory=list)
    """The webhooks that notify's API shows as delivered."""
    arrivals: Arrivals = field(default_factory=Arrivals)
    positions: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    durability: dict[str, str] = field(default_factory=dict)


async def take(stack: Stack, arrivals: Arrivals) -> Snapshot:
    """Read everything of a stack that has come to rest (`at_rest`). `arrivals`: what its receivers have got."""
    snapshot = Snapshot(arrivals=arrivals, shown_delivered=await shown_delivered(stack))
    dead_letter_topics = [f"{topic}.dlq" for topic in (*INPUT_TOPICS, VERDICTS)]
    snapshot.topics = await read_topics(
        stack, *INPUT_TOPICS, VERDICTS, POSTINGS, PERIODS, NOTICES, *dead_letter_topics
    )
    async with connected(stack) as db:
        for subject, events in await db.fetch("SELECT subject, events FROM arbitration.journal"):
            for raw in msgspec.json.decode(b"[%b]" % events, type=list[msgspec.Raw]):
                snapshot.journal.append((subject, bytes(raw)))
        snapshot.cases = await db.fetch("SELECT * FROM arbitration.cases")
        snapshot.superseded = await db.fetch("SELECT * FROM arbitration.superseded")
        snapshot.parked = await db.fetch("SELECT * FROM arbitration.parked")
        snapshot.entries = await db.fetch("SELECT * FROM penalties.entries")
        snapshot.balances = await db.fetch("SELECT * FROM penalties.balances")
        snapshot.chains = await db.fetch("SELECT * FROM penalties.chains")
        snapshot.closes = await db.fetch("SELECT * FROM penalties.period_closes")
        snapshot.notices = await db.fetch("SELECT * FROM notify.notices")
        for service in CONSUMERS:
            snapshot.dead_letters[service] = await db.fetch(f"SELECT * FROM {service}.dead_letters")
            snapshot.positions[service] = await _positions(db, service)
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            snapshot.durability[setting] = await db.fetchval(f"SHOW {setting}")
    return snapshot


async def at_rest(stack: Stack, timeout_s: float = 60) -> None:
    """Wait until nothing is on its way any more; AssertionError saying what still is.

    Only for a stack into which nothing flows: each stage is asked after the one that feeds it.
    """
    ends: dict[str, list[int]] = {}
    waiting = "nothing was asked yet"
    try:
        async with asyncio.timeout(timeout_s):
            while waiting:
                waiting = await _what_is_under_way(stack, ends)
                if waiting:
                    await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(
            f"The stack does not come to rest within {timeout_s:g} s: {waiting}. "
            "Likely cause: a service that did not recover; look at its log and at /readyz."
        ) from None


async def _what_is_under_way(stack: Stack, ends: dict[str, list[int]]) -> str:
    """The first thing that is not finished, in words; empty where all is."""
    try:
        ends.update(await _ends(stack))
        async with connected(stack) as db:
            if behind := await _behind(db, "arbitration", ends):
                return behind
            soon = stack.now() + timedelta(seconds=_SOON_S)
            due = await db.fetchval("SELECT count(*) FROM arbitration.reviews WHERE due_at <= $1", soon)
            if due:
                return f"{due} waybills wait for their decision"
            if rows := await db.fetchval("SELECT count(*) FROM arbitration.outbox"):
                return f"{rows} rows in arbitration's outbox"
            if (await _ends(stack))[VERDICTS] != ends[VERDICTS]:
                return "verdicts were just published"
            for service in ("penalties", "notify"):
                if behind := await _behind(db, service, ends):
                    return behind
                if service == "notify" and (jobs := await db.fetchval("SELECT count(*) FROM notify.jobs")):
                    return f"{jobs} reports are to be made"
                if service == "notify" and (left := await db.fetchval(_TO_SEND, stack.now())):
                    return f"{left} webhooks are to be sent"
                if rows := await db.fetchval(f"SELECT count(*) FROM {service}.outbox"):
                    return f"{rows} rows in the outbox of {service}"
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError) as error:
        return f"the database or the broker does not answer: {error!r}"
    return ""


async def _behind(db: asyncpg.Connection, service: str, ends: Mapping[str, Sequence[int]]) -> str:
    stored = await _positions(db, service)
    for place, topic in enumerate(CONSUMERS[service]):
        for partition, end in enumerate(ends[topic]):
            position = stored.get(partition, [0] * 3)[place]
            if position != end:
                return f"{service} stands at {position} of {end} of {topic}/{partition}"
    return ""


async def _positions(db: asyncpg.Connection, service: str) -> dict[int, list[int]]:
    rows = await db.fetch(
        f"SELECT partition, positions FROM {service}.partition_positions WHERE consumer_group = $1", service
    )
    return {row["partition"]: list(row["positions"]) for row in rows}


@asynccontextmanager
async def connected(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """A connection as superuser."""
    connection = await asyncpg.connect(stack.database_url("postgres"), timeout=30)
    try:
        yield connection
    finally:
        await connection.close(timeout=2)


@asynccontextmanager
async def _consumer(stack: Stack, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group that holds every partition of `topics`, from the first record on."""
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=stack.bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        if {partition.topic for partition in consumer.assignment()} != set(topics):
            raise AssertionError(f"The broker does not have all of {topics}: the stack was not laid out.")
        yield consumer
    finally:
        await consumer.stop()


async def _ends(stack: Stack) -> dict[str, list[int]]:
    """The ends of the consumed topics' partitions."""
    async with _consumer(stack, *INPUT_TOPICS, VERDICTS) as consumer:
        found = await consumer.end_offsets(list(consumer.assignment()))
    ends: dict[str, list[int]] = {}
    for partition in sorted(found):
        ends.setdefault(partition.topic, []).append(found[partition])
    return ends


async def read_topics(stack: Stack, *topics: str) -> dict[str, list[Read]]:
    """Every record of these topics, from the first to what is the last now."""
    records: dict[str, list[Read]] = {topic: [] for topic in topics}
    async with _consumer(stack, *topics) as consumer:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        wanted = [partition for partition, end in ends.items() if end]
        async with asyncio.timeout(120):
            while any([await consumer.position(p) < ends[p] for p in wanted]):
                for batch in (await consumer.getmany(timeout_ms=500, max_records=20_000)).values():
                    for r in batch:
                        records[r.topic].append(Read(r.partition, r.offset, r.key, r.value or b""))
    return records
