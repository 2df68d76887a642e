"""Intake as a process on a real broker, events to send it, and what the broker then holds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from tests.support.bus import WAIT_S, until
from tests.support.fresh import fresh
from tests.support.process import OPERATOR, OPERATOR_KEY, ServiceProcess

PARTITIONS = 12
SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
STREAM = "application/x-ndjson"

Json = dict[str, Any]


def new_subject(network: str = "tiantian") -> str:
    """A subject that no other test has."""
    return f"{network}/T{fresh()}"


def arrival(subject: str | None = None, site: str = "GZ01", **members: Any) -> Json:
    """A valid `scan.arrived`; `members` replace the envelope's."""
    return {
        "specversion": "1.0",
        "id": fresh(),
        "source": f"/sites/{site}",
        "type": "scan.arrived",
        "subject": subject or new_subject(),
        "time": "2026-03-05T08:00:00+08:00",
        "data": {"site": site, "previous_site": "HUB1"},
        **members,
    }


class IntakeProcess(ServiceProcess):
    """One copy of intake. `start`, then `post`; `close` asks it to stop politely."""

    def __init__(self, bootstrap_servers: str, **settings: object) -> None:
        environment = {f"FAULTLINE_{name.upper()}": str(value) for name, value in settings.items()}
        super().__init__("intake", bootstrap_servers, **{"FAULTLINE_LOG_LEVEL": "ERROR", **environment})
        self.bootstrap_servers = bootstrap_servers
        self.client = httpx.AsyncClient()

    async def start(self, *, ready: bool = True) -> None:
        """Start the process and wait until it is ready, or only alive."""
        await super().start(ready=ready)
        self.client = httpx.AsyncClient(base_url=self.url, timeout=WAIT_S, trust_env=False)

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
            headers=OPERATOR,
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["key_id"], answer.json()["key"]

    async def requests_in_hand(self, count: int) -> None:
        """Wait until so many requests are being worked on."""

        async def there() -> bool:
            # The one that asks is counted too.
            return await self.metric("faultline_http_requests_in_flight") > count

        await until(there, f"{count} requests are being worked on")

    async def metric(self, name: str) -> float:
        """The present value of a metric without labels."""
        text = (await self.client.get("/metrics")).text
        found = re.search(rf"^{name} (\S+)", text, re.MULTILINE)
        assert found is not None, text
        return float(found.group(1))

    async def close(self) -> None:
        """Ask the process to stop and wait for it."""
        await self.client.aclose()
        if self._process is not None:
            await asyncio.to_thread(self.stop)


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
