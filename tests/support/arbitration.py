"""Arbitration in this process, on the real broker and database, fed by publishing straight to its topics."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

import httpx
import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.main import application
from services.arbitration.settings import ArbitrationSettings
from services.arbitration.store import reviews
from shared.bus.partitioner import partition_of
from shared.bus.producer import OutRecord, Producer
from shared.clock import Clock
from shared.db import create_engine
from shared.events import topic_of
from shared.http.auth import digest, new_key
from shared.registry import KEYS_TOPIC, KeyRecord
from tests.support.bus import read_topic, until
from tests.support.fresh import fresh
from tests.support.line import event

OPERATOR_KEY = "operator-of-the-arbitration-tests"
PARTITIONS = 12
STREAM_EVENTS_MAX = 60
"""Of the copy that the tests share: a flood of one waybill is soon one."""
START = datetime(2026, 3, 4, 10, tzinfo=timezone(timedelta(hours=8)))
"""10:00 local time of a day when the rules were in force."""
Json = dict[str, Any]


def new_subject(network: str = "tiantian") -> str:
    """A subject that no other test has."""
    return f"{network}/A{fresh()}"


def subject_in(partition: int, network: str = "tiantian") -> str:
    """A subject that no other test has, of a partition."""
    return next(
        s for _ in count() if partition_of((s := new_subject(network)).encode(), PARTITIONS) == partition
    )


def record_of(event: Json, **changed: Any) -> OutRecord:
    """The record by which a trusted hub publishes an event; `changed` members are put wrong."""
    subject = event["subject"].encode()
    record = OutRecord(
        topic_of(event["type"]),
        subject,
        json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        partition_of(subject, PARTITIONS),
    )
    return record._replace(**changed)


class Arbitration:
    """A copy of arbitration and a client of it with the operator's key."""

    def __init__(
        self, settings: ArbitrationSettings, transport: httpx.ASGITransport, client: httpx.AsyncClient
    ) -> None:
        self.settings = settings
        self.transport = transport
        self.http = client
        self.engine: AsyncEngine = create_engine(settings)
        self.producer = Producer(settings)
        self.clock = Clock(settings.clock_file)

    async def caught_up(self) -> None:
        """Return once what earlier tests left on the topics is consumed and decided upon."""
        last = [subject_in(number, "caughtup") for number in range(PARTITIONS)]
        await self.publish(*map(arrival, last))
        for subject in last:
            await self.known(subject, 1)
            await self.reviewed(subject)

    async def publish(self, *events: Json) -> None:
        """Publish events as a trusted hub does."""
        await self.send(*(record_of(event) for event in events))

    async def send(self, *records: OutRecord) -> None:
        """Publish records, whatever they are."""
        await self.producer.send_all(records)

    async def get(self, path: str, **query: Any) -> Any:
        """A GET that must succeed."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    async def case(self, subject: str, **query: Any) -> Json | None:
        """The case document; None where nobody has heard of the waybill."""
        answer = await self.http.get(f"/v1/cases/{subject}", params=query)
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, (subject, answer.status_code, answer.text)
        return answer.json()  # type: ignore[no-any-return]

    async def known(self, subject: str, events: int) -> Json:
        """The case once so many distinct events are journalled."""
        found: list[Json] = []

        async def there() -> bool:
            case = await self.case(subject)
            if case is None or case["events"] < events:
                return False
            found.append(case)
            return True

        await until(there, f"{events} events of {subject}")
        return found[0]

    async def decided(self, subject: str, version: int = 1, *, events: int = 1) -> Json:
        """The case once its newest version, `version` at least, has seen everything, so many events at least."""
        found: list[Json] = []

        async def settled() -> bool:
            case = await self.case(subject)
            if case is None or case["pending"] or case["events"] < events:
                return False
            if not case["verdict"] or case["verdict"]["version"] < version:
                return False
            found.append(case)
            return True

        await until(settled, f"{subject} is decided")
        return found[0]

    async def dead_letters(self, key: str | None, count: int = 1, **query: Any) -> list[Json]:
        """The dead letters of a record key, once there are `count`."""
        found: list[Json] = []

        async def there() -> bool:
            letters = await self.get("/v1/dead-letters", limit=500, **query)
            found[:] = [letter for letter in letters["items"] if letter["key"] == key]
            return len(found) >= count

        await until(there, f"{count} dead letters of {key}")
        assert len(found) == count
        return found

    async def journalled(self, subject: str, event_id: str) -> None:
        """Return once the event is in the journal, whether or not it can be shown."""
        there = "SELECT 1 FROM journal WHERE subject = :subject AND position(:id in events) > 0"

        async def found() -> bool:
            return bool(await self.rows(there, subject=subject, id=f'"{event_id}"'.encode()))

        await until(found, f"event {event_id} of {subject} is journalled")

    async def reviewed(self, subject: str) -> None:
        """Return once everything consumed so far is decided upon: no review of the waybill waits but for its term."""
        planned = "SELECT 1 FROM reviews WHERE subject = :subject AND priority <> ALL(:later)"
        later = [reviews.TIMED, reviews.WINDOW]

        async def none_waits() -> bool:
            return not await self.rows(planned, subject=subject, later=later)

        await until(none_waits, f"no review of {subject} waits")

    @asynccontextmanager
    async def caller(self, owner: str, network: str | None, *scopes: Any) -> AsyncIterator[httpx.AsyncClient]:
        """A client with a key of its own, published as intake would; accepted already."""
        key = new_key()
        record = KeyRecord(
            key_id=fresh(),
            owner=owner,
            network=network,
            scopes=list(scopes),
            sha256=digest(key),
            created_at=self.clock.now(),
        )
        await self.send(OutRecord(KEYS_TOPIC, record.key_id.encode(), msgspec.json.encode(record)))
        async with httpx.AsyncClient(
            transport=self.transport,
            base_url=self.http.base_url,
            headers={"Authorization": f"Bearer {key}"},
        ) as client:

            async def accepted() -> bool:
                return (await client.get("/v1/rulebooks")).status_code != 401

            await until(accepted, "the key is accepted")
            yield client

    async def rows(self, sql: str, **values: Any) -> Sequence[Any]:
        """What a query says."""
        async with self.engine.connect() as connection:
            return (await connection.execute(text(sql), values)).all()

    async def execute(self, sql: str, **values: Any) -> None:
        """Change the database behind the service's back."""
        async with self.engine.begin() as connection:
            await connection.execute(text(sql), values)


@asynccontextmanager
async def arbitration(
    bootstrap_servers: str, database_url: str, **settings: Any
) -> AsyncIterator[Arbitration]:
    """Run arbitration while entered."""
    made = ArbitrationSettings(
        kafka_bootstrap_servers=bootstrap_servers,
        database_url=database_url,
        instance="arbitration-test",
        operator_key=OPERATOR_KEY,
        **{"settle_ms": 200, "review_poll_ms": 50, "session_timeout_ms": 6_000, **settings},
    )
    app = application(made)
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": f"Bearer {OPERATOR_KEY}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://arbitration", headers=headers) as client,
    ):
        running = Arbitration(made, transport, client)

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await until(ready, "arbitration is ready")
        try:
            yield running
        finally:
            await running.producer.close()
            await running.engine.dispose()


def at(moment: datetime) -> str:
    """A moment as events write it."""
    return moment.isoformat()


def arrival(subject: str, event_id: str = "e-1", /, **data: Any) -> Json:
    """An arrival scan of GZ01, recorded when it happened."""
    return event(
        subject,
        "/sites/GZ01",
        "scan.arrived",
        START,
        event_id,
        **({"site": "GZ01", "previous_site": "HGZ1"} | data),
    )


async def published_dead_letter(hub: Arbitration, topic: str, key: str, value: bytes) -> dict[str, bytes]:
    """The headers of a dead letter on its topic."""
    found: list[dict[str, bytes]] = []

    async def there() -> bool:
        letters = await read_topic(hub.settings, f"{topic}.dlq", partition_of(key.encode(), PARTITIONS))
        found[:] = [headers for k, v, headers in letters if (k, v) == (key.encode(), value)]
        return bool(found)

    await until(there, f"the dead letter of {key} is published")
    assert len(found) == 1
    return found[0]
