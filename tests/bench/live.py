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
from typing import Any, Self

import httpx
from aiokafka import AIOKafkaConsumer

from faultline.stack import control
from faultline.stack.control import Request
from faultline.stack.layout import Layout
from faultline.stack.state import Home, Plan
from tests.bench.backlog import TOPICS, Record, Sender, Shape, events_of, waybill_of

_ASKED_PER_S = 10
_PATIENCE_S = 30
TOPIC_OF = {"verdict": "arbitration.verdicts", "posting": "penalties.postings", "notice": "notify.notices"}
"""What is waited for, and where it is told that it may be there."""
_WARM_UP_S = 20
"""Load before the first complaint: a just started broker and service compile and connect meanwhile."""


@dataclass(frozen=True)
class Lived:
    """Latencies in milliseconds, by what was waited for: until it was published, heard of, and then read over HTTP."""

    shape: Shape
    rate: int
    sent: int
    latencies_ms: dict[str, list[float]]

    def __str__(self) -> str:
        cells = [
            f"{name} p50 {quantile(values, 0.5):.0f} ms, p99 {quantile(values, 0.99):.0f} ms ({len(values)})"
            for name, values in self.latencies_ms.items()
        ]
        return f"live, {self.shape}, at {self.rate:,} events/s ({self.sent:,} sent): " + "; ".join(cells)


def measure(home: Home, shape: Shape, rate: int, seconds: int) -> Lived:
    """Run the whole stack under `rate` events/s for `seconds`, and complain of late parcels meanwhile."""
    started = control.up(home, Request(any_ports=True))
    try:
        headers = {"Authorization": f"Bearer {started.secrets.operator_key}"}
        return asyncio.run(_live(Layout(home, Plan.load(home)), headers, shape, rate, seconds))
    finally:
        control.down(home)


async def _live(layout: Layout, headers: dict[str, str], shape: Shape, rate: int, seconds: int) -> Lived:
    count = _ASKED_PER_S * seconds
    async with (
        Sender(layout.bootstrap_servers, layout.settings.partitions) as sender,
        httpx.AsyncClient(headers=headers, timeout=30) as http,
        Heard(layout.bootstrap_servers) as heard,
    ):
        await sender.send(_late_parcels(rate, count))
        where = (shape, layout.bootstrap_servers, layout.settings.partitions, rate, _WARM_UP_S + seconds)
        load = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.load", *map(str, where), stdout=PIPE
        )
        await asyncio.sleep(_WARM_UP_S)
        asked = await _ask(layout, http, heard, rate, count)
        sent, _ = await load.communicate()
        return Lived(shape, rate, int(sent), asked)


class Heard:
    """What was published about waybills, so that nobody has to ask for it over and over; used as a context."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = AIOKafkaConsumer(*TOPIC_OF.values(), bootstrap_servers=bootstrap)
        self._news: dict[tuple[str, bytes], asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        ended = self._listening.done()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self._consumer.stop()
        if ended:
            self._listening.result()

    def about(self, what: str, subject: str) -> asyncio.Event:
        """Set whenever something is published about the waybill, from now on."""
        return self._news.setdefault((TOPIC_OF[what], subject.encode()), asyncio.Event())

    async def _listen(self) -> None:
        async for record in self._consumer:
            if news := self._news.get((record.topic, record.key)):
                news.set()


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


async def _ask(
    layout: Layout, http: httpx.AsyncClient, heard: Heard, rate: int, count: int
) -> dict[str, list[float]]:
    """Complain of one late parcel after the other, and time what follows."""
    waits: list[asyncio.Task[dict[str, float]]] = []
    for number in range(count):
        waits.append(asyncio.create_task(_complain(layout, http, heard, _probe(rate, number))))
        await asyncio.sleep(1 / _ASKED_PER_S)
    times = await asyncio.gather(*waits)
    return {name: [one[name] for one in times] for name in TOPIC_OF}


async def _complain(layout: Layout, http: httpx.AsyncClient, heard: Heard, number: int) -> dict[str, float]:
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
    wanted = {
        "verdict": (f"{layout.service_url('arbitration')}/v1/cases/{subject}", _has_fine),
        "posting": (f"{layout.service_url('penalties')}/v1/waybills/{subject}/entries", _has_items),
        "notice": (
            f"{layout.service_url('notify')}/v1/notices?network=tiantian&waybill={waybill}",
            _has_notice,
        ),
    }
    news = {name: heard.about(name, subject) for name in wanted}
    began = time.monotonic()
    answer = await http.post(
        f"{layout.service_url('intake')}/v1/events",
        content=json.dumps(complaint),
        headers={"Content-Type": "application/cloudevents+json"},
    )
    answer.raise_for_status()
    found = await asyncio.gather(
        *(_until(http, url, there, news[name], began) for name, (url, there) in wanted.items())
    )
    return dict(zip(wanted, found, strict=True))


async def _until(
    http: httpx.AsyncClient, url: str, there: Callable[[Any], bool], news: asyncio.Event, began: float
) -> float:
    """Milliseconds since `began` until what `url` answers is `there`; it is asked when there are news."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            await news.wait()
            news.clear()
            answer = await http.get(url)
            if answer.status_code == 200 and there(answer.json()):
                return (time.monotonic() - began) * 1_000


def _has_fine(case: Any) -> bool:
    return bool(case["verdict"]) and any(f["rule"] == "TT-04" for f in case["verdict"]["findings"])


def _has_notice(page: Any) -> bool:
    return any((notice.get("finding_id") or "").startswith("TT-04/") for notice in page["items"])


def _has_items(page: Any) -> bool:
    return bool(page["items"])


def _days_ago(days: int) -> datetime:
    return (datetime.now(UTC) - timedelta(days=days)).replace(hour=1, minute=0, second=0, microsecond=0)


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed; not a number where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
