"""Intake as a process on a real broker, events to send it, and what the broker then holds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

REPOSITORY = Path(__file__).parents[2]
OPERATOR_KEY = "operator-of-the-intake-tests"
OPERATOR = {"Authorization": f"Bearer {OPERATOR_KEY}"}
WAIT_S = 60.0
PARTITIONS = 12
SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
STREAM = "application/x-ndjson"

Json = dict[str, Any]


def new_subject(network: str = "tiantian") -> str:
    """A subject that no other test has."""
    return f"{network}/T{uuid4().hex[:12].upper()}"


def arrival(subject: str | None = None, site: str = "GZ01", **members: Any) -> Json:
    """A valid `scan.arrived`; `members` replace the envelope's."""
    return {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": f"/sites/{site}",
        "type": "scan.arrived",
        "subject": subject or new_subject(),
        "time": "2026-03-05T08:00:00+08:00",
        "data": {"site": site, "previous_site": "HUB1"},
        **members,
    }


class IntakeProcess:
    """One copy of intake. `start`, then `post`; `stop` asks politely."""

    def __init__(self, bootstrap_servers: str, **settings: object) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._settings = {f"FAULTLINE_{name.upper()}": str(value) for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self.client = httpx.AsyncClient()

    async def start(self, *, ready: bool = True) -> None:
        """Start the process and wait until it is ready, or only alive."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._process = subprocess.Popen(  # noqa: ASYNC220 - starting takes a moment only
            [sys.executable, "-m", "services.intake.main"],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
                "FAULTLINE_HTTP_PORT": str(port),
                "FAULTLINE_OPERATOR_KEY": OPERATOR_KEY,
                "FAULTLINE_LOG_LEVEL": "ERROR",
                **self._settings,
            },
            start_new_session=True,
        )
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_S)
        await self.wait_answers("/readyz" if ready else "/healthz", 200)

    async def wait_answers(self, path: str, status: int) -> httpx.Response:
        """Wait until `path` answers `status`."""
        limit_s = time.monotonic() + WAIT_S
        while True:
            try:
                answer = await self.client.get(path)
                if answer.status_code == status:
                    return answer
            except httpx.TransportError:
                pass
            assert self._process is not None
            assert self._process.poll() is None, "intake ended"
            assert time.monotonic() < limit_s, f"{path} did not answer {status} in time"
            await asyncio.sleep(0.05)

    async def post(
        self,
        body: Json | list[Any] | bytes,
        media_type: str = SINGLE,
        key: str = OPERATOR_KEY,
        **headers: str,
    ) -> httpx.Response:
        """`POST /v1/events`."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {key}", "Content-Type": media_type, **headers}
        return await self.client.post("/v1/events", content=content, headers=sent)

    async def new_key(self, owner: str, *scopes: str, network: str | None = None) -> tuple[str, str]:
        """Make a key: its id, and the key itself."""
        answer = await self.client.post(
            "/v1/keys",
            json={"owner": owner, "scopes": list(scopes), "network": network},
            headers={"Authorization": f"Bearer {OPERATOR_KEY}"},
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["key_id"], answer.json()["key"]

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def wait_ended(self) -> int:
        """Wait for the process to end by itself; its exit status."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, WAIT_S)

    def rss_bytes(self) -> int:
        """The memory that the process holds now."""
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def stop(self) -> None:
        """Ask the process to stop and wait for it."""
        await self.client.aclose()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait, WAIT_S)


async def stored(bootstrap_servers: str, topic: str, subject: str) -> list[ConsumerRecord]:
    """All records of `subject` that `topic` holds now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                fetched = await consumer.getmany(partition, timeout_ms=1_000)
                found += [r for records in fetched.values() for r in records if r.key == subject.encode()]
        return found
    finally:
        await consumer.stop()


def now_text(**shift: float) -> str:
    """The present moment, moved by `shift` (as timedelta's arguments), as RFC 3339."""
    return (datetime.now(UTC) + timedelta(**shift)).isoformat()


class OpenRequest:
    """A `POST /v1/events` whose body is still being sent, and whose answer may come early."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def begin(cls, url: httpx.URL, media_type: str, key: str = OPERATOR_KEY) -> OpenRequest:
        """Send the head."""
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        writer.write(head.encode())
        return cls(reader, writer)

    async def send(self, piece: bytes) -> None:
        """Send a piece of the body."""
        self._writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await self._writer.drain()

    async def end(self) -> None:
        """Say that the body is whole."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def answer(self) -> tuple[int, Json]:
        """The status and the JSON body of the answer."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split()[0])
        body = json.loads(await self._reader.readexactly(length))
        self._writer.close()
        return int(head.split()[1]), body

    async def answer_while_sending(self, piece: bytes, pause_s: float = 0.05) -> tuple[int, Json]:
        """The early answer to a body that never ends."""
        answer = asyncio.create_task(self.answer())
        while not answer.done():
            with contextlib.suppress(ConnectionError):
                await self.send(piece)
            await asyncio.wait((answer,), timeout=pause_s)
        return await answer
