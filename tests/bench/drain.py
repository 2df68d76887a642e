"""How fast a backlog is journalled, audited and answered by verdicts, and what it costs."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from faultline.stack import control
from faultline.stack.layout import Layout
from tests.bench.backlog import EVENTS_PER_WAYBILL, Sender, Shape, in_order

VERDICTS = "arbitration.verdicts"
_PATIENCE_S = 900
_POLL_S = 0.05


@dataclass(frozen=True)
class Drained:
    """One drain. CPU in microseconds an event, memory of the largest worker process."""

    shape: Shape
    workers: int
    events: int
    seconds: float
    journalled_s: float
    worker_us: float
    database_us: float
    broker_us: float
    worker_rss_mb: float

    @property
    def events_per_s(self) -> float:
        """Events journalled, audited and answered by a verdict on the topic, per second."""
        return self.events / self.seconds


async def fill(layout: Layout, shape: Shape, first: int, waybills: int) -> int:
    """Put a backlog of parcels delivered days ago into the topics; returns the number of events."""
    start = (datetime.now(UTC) - timedelta(days=6)).replace(hour=1, minute=0, second=0, microsecond=0)
    async with Sender(layout.bootstrap_servers, layout.settings.partitions) as sender:
        return await sender.send(in_order(shape, first, waybills, start))


@contextmanager
def workers(layout: Layout, count: int, logs: Path, **environment: str) -> Iterator[list[psutil.Process]]:
    """Run `count` arbitration processes; they end with the context."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(count):
            env = layout.service_env("arbitration", "arbitration") | environment
            env |= {"FAULTLINE_INSTANCE": f"bench-{number}", "FAULTLINE_HTTP_PORT": "0"}
            with (logs / f"worker-{number}.jsonl").open("ab") as log:
                started.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "services.arbitration.main"], env=env, stderr=log, stdout=log
                    )
                )
        yield [psutil.Process(process.pid) for process in started]
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait(timeout=30)


async def drain(layout: Layout, shape: Shape, events: int, count: int, logs: Path) -> Drained:
    """Drain a backlog with `count` workers.

    The clock runs from the first event journalled to the last waybill's verdict on the topic; the workers' start and the
    broker's wait for all members of the group do not count.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=layout.bootstrap_servers)
    await consumer.start()
    database = await asyncpg.connect(layout.database_url("postgres"))
    tps = [TopicPartition(VERDICTS, n) for n in range(layout.settings.partitions)]
    try:
        answered = sum((await consumer.end_offsets(tps)).values())
        target = answered + events // EVENTS_PER_WAYBILL
        done = await _position(database) + events
        with workers(layout, count, logs) as processes:
            await _moved(database, done - events)
            began = time.monotonic()
            before = _cpu(layout, processes)
            journalled_s = rss = 0.0
            while answered < target:
                await asyncio.sleep(_POLL_S)
                answered = sum((await consumer.end_offsets(tps)).values())
                rss = max(rss, *(process.memory_info().rss / 2**20 for process in processes))
                if not journalled_s and await _position(database) >= done:
                    journalled_s = time.monotonic() - began
                if time.monotonic() - began > _PATIENCE_S:
                    raise TimeoutError(f"{answered} of {target} verdicts after {_PATIENCE_S} s; see {logs}")
            seconds = time.monotonic() - began
            used = {
                name: (after - before[name]) / events * 1e6 for name, after in _cpu(layout, processes).items()
            }
        return Drained(
            shape, count, events, seconds, journalled_s, used["worker"], used["database"], used["broker"], rss
        )
    finally:
        await database.close()
        await consumer.stop()


async def _moved(database: asyncpg.Connection, from_position: int) -> None:
    """Return as soon as something was journalled."""
    limit_s = time.monotonic() + _PATIENCE_S
    while await _position(database) <= from_position:
        await asyncio.sleep(_POLL_S)
        if time.monotonic() > limit_s:
            raise TimeoutError(f"nothing was journalled within {_PATIENCE_S} s")


async def _position(database: asyncpg.Connection) -> int:
    """The sum of the stored offsets: events journalled so far."""
    if not await database.fetchval("SELECT to_regclass('arbitration.partition_positions')"):
        return 0
    found = await database.fetchval(
        "SELECT coalesce(sum(o), 0) FROM arbitration.partition_positions, unnest(positions) AS o"
    )
    return int(found)


def _cpu(layout: Layout, processes: list[psutil.Process]) -> dict[str, float]:
    """CPU seconds used so far by the workers, by the database with all its processes, and by the broker."""
    status = control.status(layout.home)
    used = {"worker": sum(_seconds(process) for process in processes)}
    for part in ("database", "broker"):
        server = psutil.Process(status[part]["pid"])
        used[part] = _seconds(server) + sum(map(_seconds, server.children(recursive=True)))
    return used


def _seconds(process: psutil.Process) -> float:
    """CPU seconds of a process and of those of its children that have ended."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
