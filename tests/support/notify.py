"""Notify as a process on the real broker and database, and verdicts to feed it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec

from services.notify.handlers import notice_id
from shared.bus.producer import OutRecord, Producer
from shared.events.outputs import Award, OutputEvent, VerdictData
from shared.http.auth import digest, new_key
from shared.registry import KEYS_TOPIC, KeyRecord
from shared.settings import ServiceSettings
from tests.support.topics import end_offsets, read_all
from tests.unit.notify.verdicts import DECIDED_AT, finding, told, verdict

OPERATOR_KEY = "operator-of-the-tests"
VERDICTS_TOPIC = "arbitration.verdicts"
NOTICES_TOPIC = "notify.notices"
WAIT_S = 60.0
_LOOK_S = 0.05


class NotifyProcess:
    """One copy of notify on `database_url`; `environment` adds to its settings."""

    def __init__(self, bootstrap_servers: str, database_url: str, **environment: str) -> None:
        self.settings = ServiceSettings(
            kafka_bootstrap_servers=bootstrap_servers, database_url=database_url, instance="notify-test"
        )
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    async def start(self) -> None:
        """Start the process and wait until `/readyz` answers 200."""
        self._spawn()
        async with self.client() as client:
            await until(lambda: self._is_ready(client), "notify is ready")

    def _spawn(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.notify.main"],
            env={
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": self.settings.kafka_bootstrap_servers,
                "DATABASE_URL": self.settings.database_url,
                "FAULTLINE_HTTP_PORT": str(port),
                "FAULTLINE_OPERATOR_KEY": OPERATOR_KEY,
                "FAULTLINE_LOG_LEVEL": "WARNING",
                **self._environment,
            },
            start_new_session=True,
        )

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "notify ended before it was ready"
        try:
            return (await client.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(WAIT_S)

    def client(self, key: str | None = OPERATOR_KEY) -> httpx.AsyncClient:
        """A client with a key; None sends none."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=30)

    async def publish(self, *records: OutRecord) -> None:
        """Publish records and wait for the broker's acknowledgement."""
        producer = Producer(self.settings)
        try:
            await producer.send_all(records)
        finally:
            await producer.close()

    async def told(self, *records: OutRecord) -> None:
        """Publish records, and return once they are worked through."""
        await self.publish(*records)
        await self.drained()

    async def drained(self) -> None:
        """Return once every verdict that is on the topic now is worked through and nothing waits in the outbox."""
        ends = await end_offsets(self.settings, VERDICTS_TOPIC)
        wanted = {number: end for number, end in ends.items() if end}
        connection = await asyncpg.connect(self.settings.database_url)

        async def is_drained() -> bool:
            rows = await connection.fetch("SELECT partition, positions[1] AS next FROM partition_positions")
            positions = {row["partition"]: row["next"] for row in rows}
            waiting = await connection.fetchval("SELECT count(*) FROM outbox")
            return waiting == 0 and all(positions.get(p, 0) >= end for p, end in wanted.items())

        try:
            await until(is_drained, "all verdicts are worked through")
        finally:
            await connection.close()

    async def items(self, *, key: str | None = OPERATOR_KEY, limit: int = 500, **asked: Any) -> list[Any]:
        """All notices asked for, page by page, newest first."""
        found, cursor = [], None
        async with self.client(key) as client:
            while True:
                params = {**asked, "limit": limit} | ({"cursor": cursor} if cursor else {})
                answer = await client.get("/v1/notices", params=params)
                assert answer.status_code == 200, answer.text
                page = answer.json()
                assert len(page["items"]) <= limit
                found += page["items"]
                if (cursor := page["next"]) is None:
                    return found

    async def new_key(self, owner: str, network: str | None, scopes: list[Any]) -> str:
        """A key in force for `owner`, published as intake would; returns once the service accepts it."""
        key = new_key()
        record = KeyRecord(
            key_id=uuid4().hex,
            owner=owner,
            network=network,
            scopes=scopes,
            sha256=digest(key),
            created_at=DECIDED_AT,
        )
        await self.publish(OutRecord(KEYS_TOPIC, record.key_id.encode(), msgspec.json.encode(record)))
        async with self.client(key) as client:

            async def is_known() -> bool:
                return (await client.get("/v1/notices?limit=1")).status_code != 401

            await until(is_known, "the key is accepted")
        return key

    @asynccontextmanager
    async def stream(
        self, *, key: str = OPERATOR_KEY, since: str | None = None, **asked: str
    ) -> AsyncIterator[Stream]:
        """The server-sent events, once the service has begun to send."""
        headers = {"Last-Event-ID": since} if since else {}
        async with (
            self.client(key) as client,
            client.stream("GET", "/v1/notices/stream", params=asked, headers=headers) as answer,
        ):
            assert answer.status_code == 200
            lines = answer.aiter_lines()
            assert await anext(lines) == ": notices"
            yield Stream(lines)


class Stream:
    """Events of a stream, one at a time."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.mark = ""

    async def next(self) -> dict[str, Any]:
        """The next notice."""
        async with asyncio.timeout(WAIT_S):
            async for line in self._lines:
                if line.startswith("id: "):
                    self.mark = line.removeprefix("id: ")
                elif line.startswith("data: "):
                    notice: dict[str, Any] = json.loads(line.removeprefix("data: "))
                    return notice
        raise AssertionError("the stream has ended")


async def until(condition: Any, what: str) -> None:
    """Return once `condition()` is true."""
    limit_s = time.monotonic() + WAIT_S
    while not await condition():
        assert time.monotonic() < limit_s, f"not within {WAIT_S} s: {what}"
        await asyncio.sleep(_LOOK_S)


async def published(settings: ServiceSettings, topic: str, network: str) -> list[Any]:
    """The records of `network` that a topic has now, in the order of their partitions."""
    mine = f"{network}/".encode()
    return [record for record in await read_all(settings, topic) if (record.key or b"").startswith(mine)]


def new_network() -> str:
    """A network of one test alone: the topics are shared."""
    return f"t{uuid4().hex[:12]}"


def record_of(verdict: VerdictData) -> OutRecord:
    """The record that arbitration publishes for `verdict`."""
    subject = f"{verdict.network}/{verdict.waybill}"
    event = OutputEvent(
        id=f"{subject}/{verdict.version}",
        source="/services/arbitration",
        type="verdict.issued",
        subject=subject,
        time=verdict.decided_at,
        data=msgspec.Raw(msgspec.json.encode(verdict)),
    )
    return OutRecord(VERDICTS_TOPIC, subject.encode(), msgspec.json.encode(event))


def shown(items: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Occasion, site and version, oldest first."""
    return [(item["occasion"], item["site"], item["version"]) for item in reversed(items)]


def random_history(chance: random.Random, network: str, waybill: str) -> list[VerdictData]:
    """One to five versions of a verdict."""
    sites, receivers = ["BJ02", "GZ01", "SH03"], ["BJ02", "GZ01", "SH03", "hq", "sender"]
    return [
        verdict(
            version,
            *(
                finding(
                    finding_id=f"{rule}/{site}",
                    rule=rule,
                    site=site,
                    amount_fen=chance.choice([0, 5_000, 10_000]),
                    awards=[Award(chance.choice(receivers), 5_000)],
                    state=chance.choice(["active", "active", "provisional", "frozen", "revoked"]),
                    ruling=chance.random() < 0.2,
                )
                for rule, site in zip(("TT-01", "TT-04", "TT-07"), chance.sample(sites, 3), strict=True)
                if chance.random() < 0.7
            ),
            network=network,
            waybill=waybill,
        )
        for version in range(1, chance.randint(2, 6))
    ]


def random_delivery(chance: random.Random, network: str, waybills: int) -> list[VerdictData]:
    """Histories of several waybills, shuffled, with copies."""
    all_ = [v for n in range(waybills) for v in random_history(chance, network, f"57{n:010d}")]
    delivery = all_ + chance.choices(all_, k=len(all_) // 2)
    chance.shuffle(delivery)
    return delivery


def expected(delivery: list[VerdictData]) -> set[str]:
    """The ids of the notices for a delivery, from the pure function alone."""
    ids: set[str] = set()
    for waybill in {v.waybill for v in delivery}:
        versions = [v for v in delivery if v.waybill == waybill]
        for cause in told(*versions)[1]:
            where = (
                versions[0].network,
                waybill,
                cause.finding.finding_id,
                cause.version,
                cause.site,
                "in_app",
            )
            ids.add(notice_id(cause.occasion, *where))
    return ids
