"""`python -m tests.bench.notices`: verdicts to webhooks at a thousand receivers of which some are dead or hang.

First a steady rate, then a burst. Counted is from the verdict's publication to the receipt of its webhook.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import secrets
import socket
import subprocess
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import msgspec
import psutil

from faultline.stack import control
from faultline.stack.control import Request
from faultline.stack.layout import Layout
from faultline.stack.state import Plan
from shared.registry import SITES_TOPIC, SiteRecord
from tests.bench.backlog import Sender
from tests.bench.live import quantile
from tests.bench.verdicts import NETWORK, site_of
from tests.support.parts import temporary_home

_PATIENCE_S = 900
_LOOK_S = 0.5
_WARM_UP_S = 20


def main() -> None:
    """Set up, load, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.notices", description=__doc__)
    parser.add_argument("--rate", type=int, default=500, help="verdicts/s, each with one notice to a webhook")
    parser.add_argument("--seconds", type=int, default=60, help="length of the steady load")
    parser.add_argument("--burst", type=int, default=100_000, help="verdicts at once, afterwards")
    parser.add_argument("--sites", type=int, default=1_000)
    parser.add_argument(
        "--bad", type=int, default=10, help="per cent of the sites that are dead or hang, half each"
    )
    given = parser.parse_args()
    with temporary_home() as home:
        control.up(home, Request(parts=("broker", "database"), any_ports=True))
        try:
            asyncio.run(Bench(Layout(home, Plan.load(home)), given).run())
        finally:
            control.down(home)


class Bench:
    """One run on a broker and a database of its own."""

    def __init__(self, layout: Layout, given: argparse.Namespace) -> None:
        self._layout = layout
        self._given = given
        self._rss_mb: list[float] = []

    async def run(self) -> None:
        """Both loads."""
        given = self._given
        with _process("tests.bench.receiving", PIPE) as receiver:
            assert receiver.stdout is not None
            self._report_url = f"http://127.0.0.1:{int(receiver.stdout.readline())}/report"
            with self._notify() as notify:
                await self._ready()
                await self._register()
                sampling = asyncio.create_task(self._sample(notify.pid))
                warm_up, steady = given.rate * _WARM_UP_S, given.rate * given.seconds
                print(
                    f"{os.cpu_count()} cores, {given.sites} sites, {given.bad} % dead or hanging", flush=True
                )
                # A just started broker and service compile, connect to every site, and meet those that hang.
                await self._load("warm-up", 0, warm_up, given.rate)
                await self._load("steady", warm_up, steady, given.rate)
                if given.burst:
                    await self._load("burst", warm_up + steady, given.burst, 0)
                sampling.cancel()

    @contextmanager
    def _notify(self) -> Iterator[psutil.Process]:
        environment = self._layout.service_env("notify", "notify") | {
            "FAULTLINE_WEBHOOK_NETWORKS_OPEN": "127.0.0.0/8"
        }
        with (
            (self._layout.home.logs / "notify.jsonl").open("ab") as log,
            _process("services.notify.main", log, environment) as process,
        ):
            yield psutil.Process(process.pid)

    async def _ready(self) -> None:
        async with httpx.AsyncClient(base_url=self._layout.service_url("notify"), trust_env=False) as client:
            limit_s = time.monotonic() + 60
            while time.monotonic() < limit_s:
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(_LOOK_S)
        raise TimeoutError(f"notify is not ready after 60 s; see {self._layout.home.logs}")

    async def _register(self) -> None:
        """The sites with their URLs, and a secret for each."""
        port = httpx.URL(self._report_url).port
        with socket.create_server(("127.0.0.1", 0)) as closed:
            dead_port = closed.getsockname()[1]
        bad = self._given.sites * self._given.bad // 100
        records = []
        for number in range(self._given.sites):
            host = f"127.1.{number // 250}.{number % 250 + 1}"
            url = f"http://{host}:{port}/live"
            if number < bad:
                url = f"http://{host}:{port}/hangs" if number % 2 else f"http://{host}:{dead_port}/"
            record = SiteRecord(
                network=NETWORK,
                site=site_of(number),
                name=site_of(number),
                kind="outlet",
                webhook=url,
                language="zh",
                recorded_at=datetime.now(UTC),
            )
            key = f"{NETWORK}/{record.site}".encode()
            records.append((SITES_TOPIC, key, msgspec.json.encode(record)))
        # One partition only: compacted topics have no more.
        async with Sender(self._layout.bootstrap_servers, 1) as sender:
            await sender.send(iter(records))
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        database = await asyncpg.connect(self._layout.database_url("notify"))
        await database.execute(
            "INSERT INTO webhook_secrets SELECT gen_random_uuid(), $1, site, $2, now(), NULL FROM unnest($3::text[]) site",
            NETWORK,
            secret,
            [site_of(number) for number in range(self._given.sites)],
        )
        await database.close()

    async def _sample(self, pid: int) -> None:
        process = psutil.Process(pid)
        while True:
            self._rss_mb.append(process.memory_info().rss / 2**20)
            await asyncio.sleep(_LOOK_S)

    async def _load(self, name: str, first: int, count: int, rate: int) -> None:
        """Publish, wait until all have arrived at those that live, and report."""
        before = await self._report()
        self._rss_mb.clear()
        given = self._given
        cpu_before = self._cpu_s()
        load = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.verdicts", self._layout.bootstrap_servers),
            *map(str, (self._layout.settings.partitions, first, count, rate, given.sites)),
            stdout=PIPE,
        )
        began_s = time.monotonic()
        bad = given.sites * given.bad // 100
        live = sum(1 for number in range(first, first + count) if number % given.sites >= bad)
        while (report := await self._report())["arrived"] - before["arrived"] < live:
            if time.monotonic() - began_s > _PATIENCE_S:
                print(f"LOST: {report['arrived'] - before['arrived']} of {live} have arrived", flush=True)
                break
            await asyncio.sleep(_LOOK_S)
        seconds = time.monotonic() - began_s
        await load.communicate()
        known = set(before["latencies_ms"])
        latencies = [
            one for second, some in report["latencies_ms"].items() if second not in known for one in some
        ]
        print(
            f"{name}: {count:,} verdicts, {live:,} to live receivers, all there after {seconds:.1f} s"
            f" ({live / seconds:,.0f}/s); p50 {quantile(latencies, 0.5):.0f} ms, p99 {quantile(latencies, 0.99):.0f} ms,"
            f" longest {max(latencies):.0f} ms; twice {report['again']}, overtaken {report['overtaken']},"
            f" hanging attempts {report['hanging']}; notify {self._cpu_s() - cpu_before:.1f} s CPU,"
            f" RSS {_curve(self._rss_mb)} MB",
            flush=True,
        )
        await self._states()

    def _cpu_s(self) -> float:
        for process in psutil.Process().children():
            if "services.notify.main" in process.cmdline():
                times = process.cpu_times()
                return float(times.user + times.system)
        return 0.0

    async def _states(self) -> None:
        database = await asyncpg.connect(self._layout.database_url("notify"))
        rows = await database.fetch(
            "SELECT channel, state, count(*) FROM notices WHERE network = $1 GROUP BY 1, 2 ORDER BY 1, 2",
            NETWORK,
        )
        print("  " + ", ".join(f"{row[0]} {row[1]} {row[2]:,}" for row in rows), flush=True)
        rows = await database.fetch("SELECT state, count(*) FROM destinations GROUP BY 1 ORDER BY 1")
        print("  destinations: " + ", ".join(f"{row[0]} {row[1]:,}" for row in rows), flush=True)
        await database.close()

    async def _report(self) -> Any:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return (await client.get(self._report_url)).json()


@contextmanager
def _process(
    module: str, stdout: Any, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that ends with the context."""
    stderr = stdout if stdout is not PIPE else None
    process = subprocess.Popen([sys.executable, "-m", module], stdout=stdout, stderr=stderr, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def _curve(values: list[float], points: int = 8) -> str:
    """A few values over the time, the first and the last among them."""
    if len(values) <= points:
        return " ".join(f"{one:.0f}" for one in values)
    return " ".join(f"{values[n * (len(values) - 1) // (points - 1)]:.0f}" for n in range(points))


if __name__ == "__main__":
    main()
