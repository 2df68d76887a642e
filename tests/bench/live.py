"""The latency of a complaint under load: from its `POST` to verdict, posting and notice readable."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from faultline.stack import control
from faultline.stack.control import Request
from faultline.stack.layout import Layout
from faultline.stack.state import Home, Plan
from tests.bench.backlog import TOPICS, Record, Sender, events_of, waybill_of

_ASKED_PER_S = 10
_POLL_S = 0.02
_PATIENCE_S = 30
_WARM_UP_S = 5
"""Load before the first complaint: a just started broker and service compile and connect meanwhile."""


@dataclass(frozen=True)
class Lived:
    """Latencies in milliseconds, by what was waited for."""

    rate: int
    sent: int
    latencies_ms: dict[str, list[float]]

    def __str__(self) -> str:
        cells = [
            f"{name} p50 {quantile(values, 0.5):.0f} ms, p99 {quantile(values, 0.99):.0f} ms ({len(values)})"
            for name, values in self.latencies_ms.items()
        ]
        return f"live at {self.rate:,} events/s ({self.sent:,} sent): " + "; ".join(cells)


def measure(home: Home, rate: int, seconds: int) -> Lived:
    """Run the whole stack under `rate` events/s for `seconds`, and complain of late parcels meanwhile."""
    started = control.up(home, Request(any_ports=True))
    try:
        headers = {"Authorization": f"Bearer {started.secrets.operator_key}"}
        return asyncio.run(_live(Layout(home, Plan.load(home)), headers, rate, seconds))
    finally:
        control.down(home)


async def _live(layout: Layout, headers: dict[str, str], rate: int, seconds: int) -> Lived:
    count = _ASKED_PER_S * seconds
    async with (
        Sender(layout.bootstrap_servers, layout.settings.partitions) as sender,
        httpx.AsyncClient(headers=headers, timeout=30) as http,
    ):
        await sender.send(_late_parcels(rate, count))
        where = (layout.bootstrap_servers, layout.settings.partitions, rate, _WARM_UP_S + seconds)
        load = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.load", *map(str, where), stdout=PIPE
        )
        await asyncio.sleep(_WARM_UP_S)
        asked = await _ask(layout, http, rate, count)
        sent, _ = await load.communicate()
        return Lived(rate, int(sent), asked)


def _probe(rate: int, number: int) -> int:
    """The waybill number of the `number`-th complaint."""
    return 9_000_000_000 + rate * 1_000 + number


def _late_parcels(rate: int, count: int) -> Iterator[Record]:
    """Parcels that were delivered a day late, and that nobody has complained of yet."""
    start = _days_ago(8)
    for number in range(count):
        probe = _probe(rate, number)
        for topic, value in zip(TOPICS, events_of(probe, start, late_hours=24), strict=True):
            yield topic, waybill_of(probe).encode(), value


async def _ask(layout: Layout, http: httpx.AsyncClient, rate: int, count: int) -> dict[str, list[float]]:
    """Complain of one late parcel after the other, and time what follows."""
    waits: list[asyncio.Task[dict[str, float]]] = []
    for number in range(count):
        waits.append(asyncio.create_task(_complain(layout, http, _probe(rate, number))))
        await asyncio.sleep(1 / _ASKED_PER_S)
    times = await asyncio.gather(*waits)
    return {name: [one[name] for one in times] for name in ("verdict", "posting", "notice")}


async def _complain(layout: Layout, http: httpx.AsyncClient, number: int) -> dict[str, float]:
    """Post a delay complaint; how long until its fine, the entry of it and the notice of it can be read."""
    subject = waybill_of(number)
    waybill = subject.partition("/")[2]
    complaint = {
        "specversion": "1.0",
        "id": f"complaint-{number}",
        "source": "/desks/bench",
        "type": "complaint.opened",
        "subject": subject,
        "time": datetime.now(UTC).isoformat(),
        "data": {"complaint_id": f"C{number}", "channel": "web", "category": "delay", "claimant": "sender"},
    }
    began = time.monotonic()
    answer = await http.post(
        f"{layout.service_url('intake')}/v1/events",
        content=json.dumps(complaint),
        headers={"Content-Type": "application/cloudevents+json"},
    )
    answer.raise_for_status()
    wanted = {
        "verdict": (f"{layout.service_url('arbitration')}/v1/cases/{subject}", _has_fine),
        "posting": (f"{layout.service_url('penalties')}/v1/waybills/{subject}/entries", _has_items),
        "notice": (
            f"{layout.service_url('notify')}/v1/notices?network=tiantian&waybill={waybill}",
            _has_items,
        ),
    }
    # Posting and notice follow the verdict: asking for them before would only load the machine.
    found = {"verdict": await _until(http, *wanted.pop("verdict"), began)}
    later = await asyncio.gather(*(_until(http, url, there, began) for url, there in wanted.values()))
    return found | dict(zip(wanted, later, strict=True))


async def _until(http: httpx.AsyncClient, url: str, there: Callable[[Any], bool], began: float) -> float:
    """Milliseconds since `began` until what `url` answers is `there`."""
    while time.monotonic() - began < _PATIENCE_S:
        answer = await http.get(url)
        if answer.status_code == 200 and there(answer.json()):
            return (time.monotonic() - began) * 1_000
        await asyncio.sleep(_POLL_S)
    raise TimeoutError(f"{url} shows nothing after {_PATIENCE_S} s")


def _has_fine(case: Any) -> bool:
    return bool(case["verdict"]) and any(f["rule"] == "TT-04" for f in case["verdict"]["findings"])


def _has_items(page: Any) -> bool:
    return bool(page["items"])


def _days_ago(days: int) -> datetime:
    return (datetime.now(UTC) - timedelta(days=days)).replace(hour=1, minute=0, second=0, microsecond=0)


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed; not a number where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
