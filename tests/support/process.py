"""A service as a process of its own on the real broker and database, called over HTTP."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any

import asyncpg
import httpx
import msgspec
import psutil

from shared.bus.producer import OutRecord, Producer
from shared.http.auth import digest, new_key
from shared.registry import KEYS_TOPIC, KeyRecord
from shared.settings import ServiceSettings
from tests.support.bus import WAIT_S, until
from tests.support.fresh import fresh
from tests.support.topics import end_offsets
from tests.support.verdicts import VERDICTS_TOPIC

REPOSITORY = Path(__file__).parents[2]
OPERATOR_KEY = "operator-of-the-tests"
OPERATOR = {"Authorization": f"Bearer {OPERATOR_KEY}"}


class ServiceProcess:
    """One copy of a service; `environment` adds to what it is started with."""

    def __init__(
        self, service: str, bootstrap_servers: str, database_url: str = "", **environment: str
    ) -> None:
        self.settings = ServiceSettings(
            kafka_bootstrap_servers=bootstrap_servers, database_url=database_url, instance=f"{service}-test"
        )
        self.url = ""
        self._service = service
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, *, ready: bool = True) -> None:
        """Start the process and wait until it is ready, or only alive."""
        self._process = subprocess.Popen(  # noqa: ASYNC220 - starting takes a moment only
            [sys.executable, "-m", f"services.{self._service}.main"],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": self.settings.kafka_bootstrap_servers,
                "DATABASE_URL": self.settings.database_url,
                # The process takes a port itself: one that is chosen for it may be another's by the time it listens.
                "FAULTLINE_HTTP_PORT": "0",
                "FAULTLINE_INSTANCE": self.settings.instance,
                "FAULTLINE_OPERATOR_KEY": OPERATOR_KEY,
                "FAULTLINE_LOG_LEVEL": "WARNING",
                **self._environment,
            },
            start_new_session=True,
        )
        await until(self._listens, f"{self._service} listens")
        await self.wait_answers("/readyz" if ready else "/healthz", 200)

    def _listens(self) -> bool:
        process = self._running()
        for connection in psutil.Process(process.pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                self.url = f"http://127.0.0.1:{connection.laddr.port}"
                return True
        return False

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        assert self._process.poll() is None, f"{self._service} ended with {self._process.returncode}"
        return self._process

    async def wait_answers(self, path: str, status: int) -> httpx.Response:
        """Wait until `path` answers `status`, and return that answer."""
        answers: list[httpx.Response] = []

        async def answered() -> bool:
            self._running()
            try:
                answers[:] = [await client.get(path)]
            except httpx.TransportError:
                return False
            return answers[0].status_code == status

        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=WAIT_S) as client:
            await until(answered, lambda: f"{path} answers {status}: {[a.text for a in answers]}")
        return answers[0]

    def signal(self, number: Signals) -> None:
        """Send the process a signal."""
        self._running().send_signal(number)

    async def wait_ended(self) -> int:
        """Wait for the process to end by itself; its exit status."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, WAIT_S)

    def stop(self, number: Signals = SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit status; nothing to a process that has ended."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(WAIT_S)

    def rss_bytes(self) -> int:
        """The memory that the process holds now."""
        return int(psutil.Process(self._running().pid).memory_info().rss)


class ConsumerProcess(ServiceProcess):
    """A copy of a service that consumes verdicts."""

    def client(self, key: str | None = OPERATOR_KEY) -> httpx.AsyncClient:
        """A client with a key; None sends none."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=WAIT_S)

    async def get(
        self, path: str, status: int = 200, *, key: str | None = OPERATOR_KEY, **params: Any
    ) -> Any:
        """The JSON document at `path`; the answer must have `status`."""
        async with self.client(key) as client:
            answer = await client.get(path, params=params or None)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def all_items(self, path: str, *, key: str | None = OPERATOR_KEY, **params: Any) -> list[Any]:
        """All items of a list, read page by page."""
        found: list[Any] = []
        cursor: dict[str, Any] = {}
        while True:
            page = await self.get(path, key=key, **params, **cursor)
            assert len(page["items"]) <= params.get("limit", 500)
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    async def publish(self, *records: OutRecord) -> None:
        """Publish records and wait for the broker's acknowledgement."""
        producer = Producer(self.settings)
        try:
            await producer.send_all(records)
        finally:
            await producer.close()

    async def new_key(self, owner: str, network: str | None, scopes: list[Any]) -> str:
        """A key in force for `owner`, published as intake would; returns once the service accepts it."""
        key = new_key()
        record = KeyRecord(
            key_id=fresh(),
            owner=owner,
            network=network,
            scopes=scopes,
            sha256=digest(key),
            created_at=datetime.now(UTC),
        )
        await self.publish(OutRecord(KEYS_TOPIC, record.key_id.encode(), msgspec.json.encode(record)))
        async with self.client(key) as client:

            async def accepted() -> bool:
                return (await client.get("/v1/dead-letters")).status_code != 401

            await until(accepted, "the key is accepted")
        return key

    topics: Sequence[str] = (VERDICTS_TOPIC,)
    """What it consumes, in the order of its stored positions."""

    async def drained(self) -> None:
        """Return once every record that is on its topics now is worked through and nothing waits in the outbox."""
        ends = [await end_offsets(self.settings, topic) for topic in self.topics]
        positions: dict[int, list[int]] = {}
        connection = await asyncpg.connect(self.settings.database_url)

        async def is_drained() -> bool:
            rows = await connection.fetch("SELECT partition, positions FROM partition_positions")
            positions.update({row["partition"]: row["positions"] for row in rows})
            waiting = await connection.fetchval("SELECT count(*) FROM outbox")
            return waiting == 0 and all(
                positions.get(partition, [0] * len(ends))[column] >= end
                for column, of_topic in enumerate(ends)
                for partition, end in of_topic.items()
            )

        try:
            await until(is_drained, lambda: f"records up to {ends} are worked through: {positions}")
        finally:
            await connection.close()
