"""`make bench`: throughput on a backlog, the raw limit beside it, and the latency of a complaint under load."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform

from faultline.stack import control
from faultline.stack.control import Request
from faultline.stack.layout import Layout
from faultline.stack.state import Home, Plan
from tests.bench import live, raw
from tests.bench.backlog import EVENTS_PER_WAYBILL, Shape
from tests.bench.drain import Drained, drain, fill
from tests.support.parts import temporary_home

_HEAD = (
    "| shape | workers | events | ev/s | journalled ev/s | waybills/s | worker µs/ev | database µs/ev | broker µs/ev | worker RSS MB | of raw read |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


LIVE_SHAPES: tuple[Shape, ...] = ("steady", "wave")
"""As scans come all day long, and with thousands of parcels signed for within a moment."""


def main() -> None:
    """Run the chosen parts and print tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--events", type=int, default=1_080_000, help="backlog of each drain")
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 1])
    parser.add_argument(
        "--rates", type=int, nargs="*", default=[1_000, 5_000, 10_000], help="live load in events/s"
    )
    parser.add_argument("--seconds", type=int, default=20, help="length of each live load")
    parser.add_argument(
        "--prefill", type=int, default=0, help="events in the journal before the first drain counts"
    )
    given = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    with temporary_home() as home:
        _throughput(home, given)
    for rate in given.rates:
        for shape in LIVE_SHAPES:
            with temporary_home() as home:
                print(live.measure(home, shape, rate, given.seconds), flush=True)


def _throughput(home: Home, given: argparse.Namespace) -> None:
    control.up(home, Request(parts=("broker", "database"), any_ports=True))
    try:
        asyncio.run(_drains(Layout(home, Plan.load(home)), given))
    finally:
        control.down(home)


async def _drains(layout: Layout, given: argparse.Namespace) -> None:
    logs = layout.home.logs
    first = 0
    # Part by part: the journal is to be full, not the backlog.
    for _ in range(0, given.prefill, given.events):
        waybills = given.events // EVENTS_PER_WAYBILL
        await drain(layout, "wave", await fill(layout, "wave", first, waybills), 2, logs)
        first += waybills
    limit = 0.0
    print(_HEAD, flush=True)
    for workers in given.workers:
        for shape in ("wave", "spread"):
            waybills = given.events // EVENTS_PER_WAYBILL
            events = await fill(layout, shape, first, waybills)
            first += waybills
            limit = limit or await raw.read_only(layout, events)
            print(_row(await drain(layout, shape, events, workers, logs), limit), flush=True)
    copied = await raw.read_and_copy(layout, given.events)
    print(f"raw, one process: read only {limit:,.0f} ev/s, read and COPY {copied:,.0f} ev/s", flush=True)


def _row(d: Drained, limit: float) -> str:
    cells = (
        d.shape,
        d.workers,
        f"{d.events:,}",
        f"{d.events_per_s:,.0f}",
        f"{d.events / d.journalled_s:,.0f}" if d.journalled_s else "-",
        f"{d.events_per_s / EVENTS_PER_WAYBILL:,.0f}",
        f"{d.worker_us:.1f}",
        f"{d.database_us:.1f}",
        f"{d.broker_us:.1f}",
        f"{d.worker_rss_mb:.0f}",
        f"{d.events_per_s / limit:.2f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
