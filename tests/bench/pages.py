"""`python -m tests.bench.pages`: how long the console takes for a case of 60 events and for lists of a million cases.

A few hundred waybills are decided for real; their cases are then copied in arbitration's tables until there are enough.
Measured is what a signed-in browser waits for a page, one after the other, the first visits left out.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import httpx

from tests.bench.live import quantile
from tests.support.line import Line, findings, parcel, scan, wait
from tests.support.stack import Stack, running_stack

_NETWORK = "tiantian"
_HUBS = 27
_DECIDED = 250
_WARM_UPS = 5
_SITES = 1_000

Page = tuple[str, str]
"""A name and the path."""


def main() -> None:
    """Decide, copy, look at every page, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--visits", type=int, default=100, help="of each page")
    given = parser.parse_args()
    with running_stack() as stack:
        line = Line(stack)
        case = decide(line)
        pages = [("case of 60 events", f"/cases/{case}"), *asyncio.run(fill(stack, given.cases))]
        print(f"{given.cases:,} cases, {os.cpu_count()} cores", flush=True)
        with httpx.Client(base_url=stack.urls["console"], timeout=60, trust_env=False) as client:
            sign_in(client, stack.operator_key)
            for name, path in pages:
                times_ms = visit(client, path, given.visits)
                print(
                    f"{name}: p50 {quantile(times_ms, 0.5):.0f} ms, p95 {quantile(times_ms, 0.95):.0f} ms  {path}",
                    flush=True,
                )


def decide(line: Line) -> str:
    """Have waybills decided, most with a finding; the subject of the one with 60 events."""
    start = (line.stack.now() - timedelta(days=20)).replace(hour=2, minute=0, second=0, microsecond=0)
    long = f"{_NETWORK}/LONG0000001"
    events = list(journey(long, start))
    assert len(events) == 60
    line.publish(events)
    subjects = [f"{_NETWORK}/CASE{number:08d}" for number in range(_DECIDED)]
    for number, subject in enumerate(subjects):
        line.publish(
            parcel(subject, start, unscanned=("HGZ1", "HBJ1", None)[number % 3], signed=number % 5 > 0)
        )
    line.decided(long, lambda case: bool(findings(case)))

    def listed() -> bool:
        return len(line.get("arbitration", "/v1/cases", network=_NETWORK, limit=500)["items"]) > _DECIDED // 2

    wait(lambda: listed() or None, lambda: "most waybills are decided")
    return long


def journey(subject: str, start: datetime) -> Iterator[dict[str, Any]]:
    """A parcel that goes through many hubs, each of them slow."""
    sites = ["GZ01", *(f"HUB{number:02d}" for number in range(_HUBS)), "BJ02"]
    at = start
    yield scan(
        subject,
        "GZ01",
        "scan.collected",
        at,
        scope="inter_province",
        destination_site="BJ02",
        destination_mark="BJ02",
    )
    for site, following in pairwise(sites):
        at += timedelta(hours=5)
        yield scan(subject, site, "scan.departed", at, next_site=following)
        at += timedelta(hours=3)
        yield scan(subject, following, "scan.arrived", at, previous_site=site)
    at += timedelta(hours=1)
    yield scan(subject, "BJ02", "scan.out_for_delivery", at, courier="C17")
    yield scan(subject, "BJ02", "scan.problem", at + timedelta(hours=2), reason="unreachable")
    yield scan(subject, "BJ02", "signature.recorded", at + timedelta(hours=3), signer="addressee")


async def fill(stack: Stack, count: int) -> list[Page]:
    """Copy cases and findings until there are `count`; the lists to look at then."""
    connection = await asyncpg.connect(stack.database_url("arbitration"))
    try:
        known = await connection.fetchval("SELECT count(*) FROM cases")
        copies = max(1, count // known)
        # As numbers are dealt out in life: what was found says nothing about the place in the order.
        copied = f"'{_NETWORK}/' || upper(substr(md5(subject || n), 1, 14))"
        for table, site in (("cases", ""), ("findings", f"'S' || (n * 7919 % {_SITES})")):
            columns = await connection.fetch(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema AND table_name = $1",
                table,
            )
            names = [row["column_name"] for row in columns]
            changed = {"subject": copied, "site": site} if site else {"subject": copied}
            values = ", ".join(changed.get(name, name) for name in names)
            await connection.execute(
                f"INSERT INTO {table} ({', '.join(names)})"
                f" SELECT {values} FROM {table}, generate_series(1, {copies}) AS n ORDER BY n"
            )
            await connection.execute(f"VACUUM ANALYZE {table}")
        rules = await connection.fetch("SELECT rule FROM findings GROUP BY rule ORDER BY count(*) LIMIT 1")
    finally:
        await connection.close()
    rare = rules[0]["rule"]
    return [
        ("desk", "/desk"),
        ("desk, open", "/desk?view=open"),
        ("desk, open, a site's", "/desk?view=open&site=S7"),
        ("desk, open, a rule's", f"/desk?view=open&rule={rare}"),
        ("desk, open, a site that has none", "/desk?view=open&site=NOBODY"),
        ("an outlet's own", f"/outlet/{_NETWORK}/S7"),
        ("complaints", "/complaints"),
        ("ranking", "/registers/ranking"),
        ("scorecards", "/scorecards"),
        ("operations", "/operations"),
    ]


def sign_in(client: httpx.Client, key: str) -> None:
    """Give the client a session, as a browser has it."""
    answer = client.post("/sign-in", data={"key": key, "next": "/"}, headers={"Origin": str(client.base_url)})
    assert answer.status_code == 303, (answer.status_code, answer.text)


def visit(client: httpx.Client, path: str, visits: int) -> list[float]:
    """Milliseconds of each visit."""
    times_ms = []
    for number in range(_WARM_UPS + visits):
        began = time.perf_counter()
        answer = client.get(path)
        if answer.status_code != 200:
            sys.exit(f"{path} answers {answer.status_code}: {answer.text[:500]}")
        if number >= _WARM_UPS:
            times_ms.append((time.perf_counter() - began) * 1_000)
    return times_ms


if __name__ == "__main__":
    main()
