"""Penalties as a process on the real broker and database, and verdicts to feed it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec

from shared.bus.producer import OutRecord, Producer
from shared.db import create_engine, migrate
from shared.events.outputs import Award, Clause, Finding, OutputEvent, RulebookRef, Text, VerdictData
from shared.http.auth import digest, new_key
from shared.registry import KEYS_TOPIC, KeyRecord
from shared.settings import ServiceSettings
from tests.support.topics import end_offsets

OPERATOR_KEY = "operator-of-the-tests"
WAIT_S = 60.0
DECIDED_AT = datetime(2026, 3, 5, 2, 0, tzinfo=UTC)
VERDICTS_TOPIC = "arbitration.verdicts"


class Service:
    """One copy of penalties on `database_url`. `start`, then `client`; `stop` asks politely, `kill` does not."""

    def __init__(self, bootstrap_servers: str, database_url: str) -> None:
        self.settings = ServiceSettings(
            kafka_bootstrap_servers=bootstrap_servers, database_url=database_url, instance="penalties-test"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    async def start(self) -> None:
        """Start the process and wait until it is ready."""
        self._process = self._spawn()
        await self.wait_ready()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return subprocess.Popen(
            [sys.executable, "-m", "services.penalties.main"],
            env={
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": self.settings.kafka_bootstrap_servers,
                "DATABASE_URL": self.settings.database_url,
                "FAULTLINE_HTTP_PORT": str(port),
                "FAULTLINE_OPERATOR_KEY": OPERATOR_KEY,
                "FAULTLINE_INSTANCE": "penalties-test",
                "FAULTLINE_LOG_LEVEL": "WARNING",
            },
            start_new_session=True,
        )

    async def start_with_closes_of(self, other: Service) -> None:
        """Start on an empty database that knows which periods `other` has closed, and their cuts."""
        engine = create_engine(self.settings)
        await migrate(engine, "penalties")
        await engine.dispose()
        source = await asyncpg.connect(other.settings.database_url)
        target = await asyncpg.connect(self.settings.database_url)
        closes = await source.fetch("SELECT * FROM period_closes")
        await target.copy_records_to_table("period_closes", records=[tuple(close) for close in closes])
        await source.close()
        await target.close()
        await self.start()

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

    async def wait_ready(self) -> None:
        """Return once `/readyz` says so."""
        limit_s = time.monotonic() + WAIT_S
        shown = "no answer"
        async with self.client() as client:
            while time.monotonic() < limit_s:
                try:
                    answer = await client.get("/readyz")
                except httpx.TransportError:
                    assert self._process is not None
                    assert self._process.poll() is None, "penalties ended before it was ready"
                else:
                    shown = answer.text
                    if answer.status_code == 200:
                        return
                await asyncio.sleep(0.05)
        raise AssertionError(f"penalties is not ready after {WAIT_S} s: {shown}")

    async def wait_drained(self) -> None:
        """Return once every verdict that is on the topic now has been worked through."""
        ends = await end_offsets(self.settings, VERDICTS_TOPIC)
        connection = await asyncpg.connect(self.settings.database_url)
        limit_s = time.monotonic() + WAIT_S
        try:
            while True:
                rows = await connection.fetch(
                    "SELECT partition, positions[1] AS next FROM partition_positions"
                )
                positions = {row["partition"]: row["next"] for row in rows}
                if all(positions.get(partition, 0) >= end for partition, end in ends.items()):
                    return
                assert time.monotonic() < limit_s, f"verdicts up to {ends}, worked through up to {positions}"
                await asyncio.sleep(0.05)
        finally:
            await connection.close()

    async def publish(self, *records: OutRecord) -> None:
        """Publish records and wait for the broker's acknowledgement."""
        producer = Producer(self.settings)
        try:
            await producer.send_all(records)
        finally:
            await producer.close()

    async def get(
        self, path: str, status: int = 200, *, key: str | None = OPERATOR_KEY, **params: Any
    ) -> Any:
        """The JSON document at `path`; the answer must have `status`."""
        async with self.client(key) as client:
            answer = await client.get(path, params=params or None)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def items(self, path: str, *, key: str | None = OPERATOR_KEY, **params: Any) -> list[Any]:
        """All items of a list, read page by page."""
        found, cursor = [], None
        while True:
            given = params | ({"cursor": cursor} if cursor else {})
            page = await self.get(path, key=key, **given)
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found

    async def new_key(self, owner: str, network: str | None, scopes: list[Any]) -> str:
        """A key in force for `owner`, published as intake would; waits until the service accepts it."""
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
        limit_s = time.monotonic() + WAIT_S
        async with self.client(key) as client:
            while (await client.get("/v1/trial-balance?network=none-such")).status_code == 401:
                assert time.monotonic() < limit_s, "the key was never accepted"
                await asyncio.sleep(0.05)
        return key


def new_network() -> str:
    """A network of one test alone: the topics are shared."""
    return f"t{uuid4().hex[:12]}"


def finding(
    site: str, awards: dict[str, int], *, rule: str = "TT-04", state: Any = "active", kind: Any = "fine"
) -> Finding:
    """A finding whose amount is what its awards add up to."""
    return Finding(
        finding_id=f"{rule}/{site}",
        rule=rule,
        kind=kind,
        site=site,
        role="delivery",
        amount_fen=sum(awards.values()),
        awards=[Award(to, amount_fen) for to, amount_fen in awards.items()],
        state=state,
        reason=Text("延误", "late"),
        clause=Clause("002", "每票每天五十元"),
        triggered_at=DECIDED_AT,
    )


def verdict(
    subject: str,
    version: int,
    findings: list[Finding],
    *,
    decided_at: datetime = DECIDED_AT,
    content: str = "",
) -> OutRecord:
    """The record of one version of a waybill's verdict."""
    network, waybill = subject.split("/")
    data = VerdictData(
        network=network,
        waybill=waybill,
        version=version,
        decided_at=decided_at,
        rulebook=RulebookRef("tiantian", "2011-08-01", "sha256:0"),
        code_version="1",
        digest=content or f"sha256:{version}",
        status="decided",
        findings=findings,
    )
    event = OutputEvent(
        id=f"{subject}/{version}",
        source="/services/arbitration",
        type="verdict.issued",
        subject=subject,
        time=decided_at,
        data=msgspec.Raw(msgspec.json.encode(data)),
    )
    return OutRecord(VERDICTS_TOPIC, subject.encode(), msgspec.json.encode(event))
