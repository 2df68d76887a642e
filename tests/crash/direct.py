"""A trusted hub that publishes on the topics itself: good records, and now and then one that nobody can take."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.bus.partitioner import partition_of
from shared.events import topic_of
from tests.crash.load import Progress
from tests.crash.parcels import NETWORK, contradicted, parcels
from tests.crash.sent import Sent
from tests.crash.snapshot import Read
from tests.support.stack import Stack

_ACK_TIMEOUT_S: Final = 8.0
_RETRY_PAUSE_S: Final = 0.2
_STOP_TIMEOUT_S: Final = 5.0
_PARTITIONS: Final = 12
_TOO_LARGE: Final = 70 * 1024


class Hub:
    """Publishes whole parcels, record by record, each until the broker has acknowledged it."""

    def __init__(self, stack: Stack, sent: Sent, progress: Progress, seed: str) -> None:
        self._stack = stack
        self._sent = sent
        self._progress = progress
        self._seed = seed
        self._random = Random(f"{seed}/hub")
        self._producer: AIOKafkaProducer | None = None
        self._given_up: list[AIOKafkaProducer] = []
        self._bad_count = 0

    async def publish(self, stopping: asyncio.Event, parcels_per_s: float) -> None:
        """Publish parcels until `stopping`, with contradictions and bad records in between."""
        source = parcels(self._seed, "HUB", self._stack.now())
        try:
            while not stopping.is_set():
                parcel = next(source)
                self._sent.kinds[parcel.subject] = parcel.kind
                for value in parcel.events:
                    contents = self._sent.sending([value])
                    await self._send(topic_of(json.loads(value)["type"]), parcel.subject, value)
                    self._sent.took(contents)
                    self._progress.add(1)
                if self._random.random() < 0.3:
                    await self.contradict(self._random.choice(parcel.events))
                if self._random.random() < 0.4:
                    await self.publish_bad(parcel.subject)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), 1 / parcels_per_s)
        finally:
            await self.close()

    async def contradict(self, value: bytes) -> None:
        """Publish another content under an id that is taken."""
        copy = contradicted(value)
        contents = self._sent.sending([copy])
        self._sent.contradictions += 1
        # The first recorded counts, to the millisecond: be later than the original beyond doubt.
        await asyncio.sleep(0.003)
        await self._send(topic_of(json.loads(value)["type"]), contents[0].key.subject, copy)
        self._sent.took(contents)

    async def publish_bad(self, known_subject: str) -> None:
        """Publish one record that must end as a dead letter."""
        self._bad_count += 1
        topic, subject, value, reason, partition = next(self._bad(known_subject, self._bad_count))
        self._sent.bad[value] = reason
        await self._send(topic, subject, value, partition)

    async def publish_again(self, topic: str, read: Read) -> None:
        """Publish a record once more, as a relay does whose acknowledgement was lost."""
        await self._send(topic, (read.key or b"").decode(), read.value, read.partition)

    async def close(self) -> None:
        """Stop all clients, those that could not be stopped while the broker was away included."""
        self._let_go()
        for producer in self._given_up:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await producer.stop()
        self._given_up.clear()

    def _bad(self, known_subject: str, number: int) -> Iterator[tuple[str, str, bytes, str, int | None]]:
        """`(topic, key, value, reason, partition)` of the `number`-th bad record; every value is another one."""
        subject = f"{NETWORK}/BAD{number:07d}"
        now = self._stack.now()
        good = _scan(subject, now - timedelta(days=50), number)
        misplaced = (partition_of(subject.encode(), _PARTITIONS) + 1) % _PARTITIONS
        known = (partition_of(known_subject.encode(), _PARTITIONS) + 1) % _PARTITIONS
        scans = "parcel.scans"
        kinds = [
            (scans, subject, f"no event at all {number}".encode(), "contract", None),
            (scans, subject, good.replace(b"scan.departed", b"scan.teleported"), "contract", None),
            (scans, f"{NETWORK}/OTHER{number:05d}", good, "contract", None),
            (
                scans,
                subject,
                _scan(subject, now - timedelta(days=50), number, "x" * _TOO_LARGE),
                "contract",
                None,
            ),
            (scans, subject, _scan(subject, now + timedelta(days=1), number), "future", None),
            ("parcel.signatures", subject, good, "wrong_topic", None),
            (scans, subject, good, "wrong_partition", misplaced),
            (
                scans,
                known_subject,
                _scan(known_subject, now - timedelta(days=50), number),
                "wrong_partition",
                known,
            ),
        ]
        yield kinds[number % len(kinds)]

    async def _send(self, topic: str, subject: str, value: bytes, partition: int | None = None) -> None:
        """Publish until acknowledged; a client that failed is replaced."""
        while True:
            try:
                async with asyncio.timeout(_ACK_TIMEOUT_S):
                    producer = await self._connected()
                    await producer.send_and_wait(topic, value, key=subject.encode(), partition=partition)
            except (KafkaError, OSError, TimeoutError):
                self._sent.retries += 1
                self._let_go()
                await asyncio.sleep(_RETRY_PAUSE_S)
            else:
                return

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._stack.bootstrap_servers, acks="all", enable_idempotence=True
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    def _let_go(self) -> None:
        """Never use this client again: what became of its last record is not known."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._given_up.append(producer)


def _scan(subject: str, at: datetime, number: int, bag: str = "B1") -> bytes:
    members = {
        "specversion": "1.0",
        "id": f"bad-{number}",
        "source": "/sites/HGZ1",
        "type": "scan.departed",
        "subject": subject,
        "time": at.isoformat(),
        "data": {"site": "HGZ1", "next_site": "HBJ1", "vehicle": bag},
    }
    return json.dumps(members).encode()
