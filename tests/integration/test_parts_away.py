"""Broker or database away, hanging or full: the service stays up, says which it is, and goes on by itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import httpx
import psutil
import pytest
from sqlalchemy import text

from shared.bus.outbox import OutboxRelay, enqueue
from shared.bus.producer import Producer
from shared.db import create_engine
from shared.settings import ServiceSettings
from tests.support.arbitration import START, Json, new_subject, record_of
from tests.support.bus import WAIT_S, group, read_topic, until
from tests.support.line import event, parcel
from tests.support.stack import Stack, running_stack

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    """Broker, database and arbitration that nobody else needs."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FAULTLINE_DATABASE_READ_TIMEOUT_MS", "3000")
        with running_stack(parts=("broker", "database", "arbitration")) as stack:
            yield stack


@pytest.fixture
async def client(own: Stack) -> AsyncIterator[httpx.AsyncClient]:
    url = own.urls["arbitration"]
    async with httpx.AsyncClient(base_url=url, headers=own.headers, timeout=30, trust_env=False) as made:
        yield made


@pytest.fixture
async def producer(own: Stack) -> AsyncIterator[Producer]:
    made = Producer(ServiceSettings(kafka_bootstrap_servers=own.bootstrap_servers))
    yield made
    await made.close()


@asynccontextmanager
async def frozen(own: Stack, name: str) -> AsyncIterator[None]:
    """The part hangs while entered: it keeps its connections and answers nothing."""
    main = psutil.Process(own.part(name)["pid"])
    # First, so that it starts no more children; those that end by themselves meanwhile are none to stop.
    main.suspend()
    children = main.children(recursive=True)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.suspend()
    try:
        yield
    finally:
        for process in (main, *children):
            with suppress(psutil.NoSuchProcess):
                process.resume()


@asynccontextmanager
async def killed_after_hanging(own: Stack, name: str) -> AsyncIterator[None]:
    """The part hangs while entered; then it is killed, and awaited as another process."""
    pid = own.kill(name, signal.SIGSTOP)
    try:
        yield
    finally:
        own.kill(name)
        await asyncio.to_thread(own.wait_up, name, other_than_pid=pid)


async def until_named(client: httpx.AsyncClient, *parts: str) -> None:
    """Wait until `/readyz` answers 503 for these parts, and for them only of broker and database."""

    async def named() -> bool:
        answer = await client.get("/readyz")
        checks: Json = answer.json()["checks"]
        # Where all checks together took too long, none is shown by itself.
        away = {name for name in ("broker", "database") if name in checks and not checks[name]["ok"]}
        return answer.status_code == 503 and away == set(parts)

    await until(named, f"/readyz names {parts}")


async def until_ready(client: httpx.AsyncClient) -> None:
    async def ready() -> bool:
        return (await client.get("/readyz")).status_code == 200

    await until(ready, "arbitration is ready")


async def until_decided(client: httpx.AsyncClient, *subjects: str) -> None:
    async def decided() -> bool:
        for subject in subjects:
            answer = await client.get(f"/v1/cases/{subject}")
            if answer.status_code != 200 or not answer.json()["verdict"] or answer.json()["pending"]:
                return False
        return True

    await until(decided, f"{len(subjects)} waybills are decided")


async def send(producer: Producer, *subjects: str) -> None:
    await producer.send_all([record_of(e) for subject in subjects for e in parcel(subject, START)])


async def verdicts(own: Stack, subject: str) -> list[bytes]:
    """What is on the verdicts topic about a waybill, once nothing waits to be published."""
    engine = create_engine(ServiceSettings(database_url=own.database_url("arbitration")))

    async def all_published() -> bool:
        async with engine.connect() as connection:
            return not (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one()

    await until(all_published, "arbitration's outbox is empty")
    await engine.dispose()
    settings = ServiceSettings(kafka_bootstrap_servers=own.bootstrap_servers)
    partition = record_of(event(subject, "/sites/GZ01", "scan.arrived", START, "x")).partition
    return [
        v
        for key, v, _ in await read_topic(settings, "arbitration.verdicts", partition or 0)
        if key == subject.encode()
    ]


async def test_a_database_that_is_killed_in_the_middle_of_the_work(
    own: Stack, client: httpx.AsyncClient, producer: Producer
) -> None:
    pid = own.part("arbitration")["pid"]
    for _ in range(2):
        subjects = [new_subject() for _ in range(30)]
        await send(producer, *subjects[:15])
        down = own.kill("database")
        await send(producer, *subjects[15:])
        await asyncio.to_thread(own.wait_up, "database", other_than_pid=down)
        await until_decided(client, *subjects)
        await until_ready(client)
        for subject in subjects:
            assert len(set(await verdicts(own, subject))) == 1
    # It went on by itself: the same process, never restarted.
    assert own.part("arbitration")["pid"] == pid


async def test_a_database_that_hangs_is_named_and_waited_for(
    own: Stack, client: httpx.AsyncClient, producer: Producer
) -> None:
    subject = new_subject()
    async with frozen(own, "database"):
        await send(producer, subject)
        await until_named(client, "database")
        assert (await client.get("/healthz")).status_code == 200
        for path in (f"/v1/cases/{subject}", "/v1/cases?limit=1", "/v1/parked", "/v1/dead-letters"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            assert (answer.json()["title"], int(answer.headers["retry-after"]) > 0) == ("Database away", True)
    await until_decided(client, subject)
    await until_ready(client)


async def test_a_stop_ends_though_the_database_hangs(
    own: Stack, client: httpx.AsyncClient, producer: Producer
) -> None:
    process = psutil.Process(own.part("arbitration")["pid"])
    subject = new_subject()
    async with frozen(own, "database"):
        await send(producer, subject)
        await until_named(client, "database")
        own.kill("arbitration", signal.SIGTERM)
        await asyncio.to_thread(process.wait, WAIT_S)
    await asyncio.to_thread(own.wait_up, "arbitration", other_than_pid=process.pid)
    await until_decided(client, subject)


async def test_a_broker_that_is_killed_is_named_and_waited_for(
    own: Stack, client: httpx.AsyncClient, producer: Producer
) -> None:
    pid = own.part("arbitration")["pid"]
    subjects = [new_subject() for _ in range(20)]
    await send(producer, *subjects[:10])
    async with killed_after_hanging(own, "broker"):
        await until_named(client, "broker")
        # What is known can still be read.
        assert (await client.get("/v1/cases?limit=1")).status_code == 200
    await send(producer, *subjects[10:])
    await until_decided(client, *subjects)
    await until_ready(client)
    for subject in subjects:
        assert len(set(await verdicts(own, subject))) == 1
    assert own.part("arbitration")["pid"] == pid


async def test_the_relay_goes_on_when_the_broker_is_back(own: Stack) -> None:
    settings = ServiceSettings(kafka_bootstrap_servers=own.bootstrap_servers)
    async with group(settings, own.database_url("notify"), partitions=1) as bus:
        producer = Producer(bus.settings)
        engine = create_engine(bus.settings)
        relay = OutboxRelay(engine, producer, poll_interval_ms=50)

        async def put(value: bytes) -> None:
            async with bus.engine.begin() as connection:
                await enqueue(connection, bus.name, 0, [(b"k", value)])

        async def empty() -> bool:
            async with bus.engine.connect() as connection:
                return not (await connection.execute(text("SELECT 1 FROM outbox"))).all()

        task = asyncio.create_task(relay.run())
        try:
            await put(b"before")
            await until(empty, "the first record is published")
            pid = own.kill("broker")
            await put(b"while away")
            await asyncio.to_thread(own.wait_up, "broker", other_than_pid=pid)
            await until(empty, "the second record is published")
            await until(lambda: relay.trouble is None, "it works")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await producer.close()
            await engine.dispose()
        found = [value for _, value, _ in await read_topic(bus.settings, bus.name)]
        assert found[0] == b"before"
        assert set(found[1:]) == {b"while away"}


async def test_a_month_changes_while_it_works(
    own: Stack, client: httpx.AsyncClient, producer: Producer
) -> None:
    """The journal's next partition is there when the clock says so, and the one after it."""
    before, after = new_subject(), new_subject()
    await send(producer, before)
    await until_decided(client, before)
    now = own.now()
    # To the middle of a month: the month must not end while this test looks.
    middle = (now.replace(day=1) + timedelta(days=64)).replace(day=15)
    moved = own.advance_clock(middle - now)
    await send(producer, after)
    await until_decided(client, after, before)
    engine = create_engine(ServiceSettings(database_url=own.database_url("arbitration")))
    try:
        async with engine.connect() as connection:
            names = (
                await connection.execute(
                    text(
                        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'journal'::regclass"
                    )
                )
            ).scalars()
            months = set(names)
    finally:
        await engine.dispose()
    following = moved.replace(day=1) + timedelta(days=32)
    assert {f"journal_{moved:%Y_%m}", f"journal_{following:%Y_%m}"} <= months
