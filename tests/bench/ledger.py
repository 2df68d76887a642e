"""`python -m tests.bench.ledger`: a replay of many verdicts into an empty ledger, twice, and what reading it costs then."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import httpx

from faultline.stack import control
from faultline.stack.control import Request
from faultline.stack.layout import Layout
from faultline.stack.state import Home, Plan
from tests.bench.backlog import Record, Sender
from tests.support.parts import temporary_home
from tests.support.penalties import DECIDED_AT, finding, verdict
from tests.support.verdicts import VERDICTS_TOPIC

_NETWORK = "tiantian"
_BUSY_SITE = "BJ00"
_SITES = 400
_PATIENCE_S = 1_800
_STATEMENT_LINES = 10_000


def main() -> None:
    """Publish, replay, compare, read."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger", description=__doc__)
    parser.add_argument("--verdicts", type=int, default=200_000)
    parser.add_argument(
        "--clean", type=int, default=0, help="per cent of the waybills that never find anything"
    )
    parser.add_argument("--replays", type=int, default=2, help="each into an empty database")
    given = parser.parse_args()
    with temporary_home() as home:
        control.up(home, Request(parts=("broker", "database"), any_ports=True))
        try:
            asyncio.run(_measure(home, given))
        finally:
            control.down(home)


async def _measure(home: Home, given: argparse.Namespace) -> None:
    layout = Layout(home, Plan.load(home))
    async with Sender(layout.bootstrap_servers, layout.settings.partitions) as sender:
        await sender.send(verdicts(given.verdicts, given.clean))
    print(f"{given.verdicts:,} verdicts, {given.clean} % clean, {os.cpu_count()} cores", flush=True)
    chains = []
    for number in range(1, given.replays + 1):
        with penalties(layout) as url:
            seconds = await drained(layout, given.verdicts)
            database = await asyncpg.connect(layout.database_url("postgres"))
            entries = await database.fetchval("SELECT count(*) FROM penalties.entries")
            size = await database.fetchval(
                "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c WHERE relkind = 'r'"
                " AND relnamespace = 'penalties'::regnamespace AND relname <> 'outbox'"
            )
            chains.append(await _chains(database))
            print(
                f"replay {number}: {seconds:.1f} s, {given.verdicts / seconds:,.0f} verdicts/s, {entries:,} entries,"
                f" {size / 2**20:.0f} MiB",
                flush=True,
            )
            if number == given.replays:
                # Reading is measured on a service at rest; it is another process, so there is no event to await.
                while await database.fetchval("SELECT count(*) FROM penalties.outbox"):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                await _read(url, layout)
            await database.close()
        if number < given.replays:
            await _forget(layout)
    print(f"chains of all replays are the same: {all(one == chains[0] for one in chains)}")


def verdicts(count: int, clean_percent: int) -> Iterator[Record]:
    """Verdicts of waybills, first versions and, of every fifth, a second one that freezes or lowers the fine."""
    for number in range(count):
        waybill, version = (number - 1, 2) if number % 5 == 4 else (number, 1)
        is_clean = waybill * 37 % 100 < clean_percent
        site = (
            _BUSY_SITE if waybill % (count // _STATEMENT_LINES or 1) == 0 else f"BJ{waybill % _SITES + 1:03d}"
        )
        fines = [
            finding(
                site,
                {f"GZ{waybill % 97:02d}": 5_000 * (3 - version), "hq": 100},
                state="frozen" if version == 2 and waybill % 2 else "active",
            )
        ]
        record = verdict(
            f"{_NETWORK}/56{waybill:010d}",
            version,
            [] if is_clean else fines,
            decided_at=DECIDED_AT + timedelta(seconds=number),
        )
        assert record.key is not None
        assert record.value is not None
        yield VERDICTS_TOPIC, record.key, record.value


@contextmanager
def penalties(layout: Layout) -> Iterator[str]:
    """One process of penalties; it ends with the context."""
    env = layout.service_env("penalties", "penalties")
    with (layout.home.logs / "ledger.jsonl").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.penalties.main"], env=env, stderr=log, stdout=log
        )
    try:
        yield layout.service_url("penalties")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


async def drained(layout: Layout, count: int) -> float:
    """Seconds from the first batch stored to the last verdict of `count`."""
    database = await asyncpg.connect(layout.database_url("postgres"))
    limit_s, began_s = time.monotonic() + _PATIENCE_S, 0.0
    try:
        while time.monotonic() < limit_s:
            done = 0
            if await database.fetchval("SELECT to_regclass('penalties.partition_positions')"):
                done = await database.fetchval(
                    "SELECT coalesce(sum(positions[1]), 0)::bigint FROM penalties.partition_positions"
                )
            if done and not began_s:
                began_s = time.monotonic()
            if done >= count:
                return time.monotonic() - began_s
            await asyncio.sleep(0.05)
    finally:
        await database.close()
    raise TimeoutError(f"not all verdicts were worked through within {_PATIENCE_S} s; see {layout.home.logs}")


async def _chains(database: asyncpg.Connection) -> list[Any]:
    rows = await database.fetch(
        "SELECT network, partition, position, hash FROM penalties.chains ORDER BY 1, 2"
    )
    return [tuple(row) for row in rows]


async def _forget(layout: Layout) -> None:
    database = await asyncpg.connect(layout.database_url("postgres"))
    await database.execute("DROP SCHEMA penalties CASCADE")
    await database.execute("CREATE SCHEMA penalties AUTHORIZATION penalties")
    await database.close()


async def _read(url: str, layout: Layout) -> None:
    headers = {
        "Authorization": f"Bearer {layout.service_env('penalties', 'penalties')['FAULTLINE_OPERATOR_KEY']}"
    }
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=300) as client:
        for what, path, accept in (
            ("statement JSON", f"/v1/statements/{_NETWORK}/{_BUSY_SITE}/2026-03", "application/json"),
            ("statement CSV", f"/v1/statements/{_NETWORK}/{_BUSY_SITE}/2026-03", "text/csv"),
            ("statement PDF", f"/v1/statements/{_NETWORK}/{_BUSY_SITE}/2026-03", "application/pdf"),
            ("trial balance", f"/v1/trial-balance?network={_NETWORK}", "*/*"),
            ("verification", f"/v1/ledger/verification?network={_NETWORK}", "*/*"),
        ):
            began_s = time.monotonic()
            answer = await client.get(path, headers={"Accept": accept})
            print(
                f"{what}: {answer.status_code}, {time.monotonic() - began_s:.2f} s, {len(answer.content):,} bytes"
            )


if __name__ == "__main__":
    main()
