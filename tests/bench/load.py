"""A steady stream of ordinary parcels, straight to the topics, from a process of its own as hubs are.

`python -m tests.bench.load SHAPE BOOTSTRAP PARTITIONS RATE SECONDS` prints how many events it has sent.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec

from tests.bench.backlog import EVENTS_PER_WAYBILL, Sender, Shape, in_order

_TICK_S = 0.1


async def load(shape: Shape, bootstrap: str, partitions: int, rate: int, seconds: int) -> int:
    """Publish `rate` events/s for `seconds`; returns how many were sent."""
    start = (datetime.now(UTC) - timedelta(days=6)).replace(hour=1, minute=0, second=0, microsecond=0)
    # A number of waybills that no other rate uses, and a few more than are needed.
    records = in_order(shape, rate * 100_000 + 0, rate * seconds // EVENTS_PER_WAYBILL + 1_000, start)
    per_tick = int(rate * _TICK_S)
    sent = 0
    async with Sender(bootstrap, partitions) as sender:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            sent += await sender.send(islice(records, per_tick))
            due_s = began + sent / rate
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
    return sent


if __name__ == "__main__":
    print(asyncio.run(load(msgspec.convert(sys.argv[1], Shape), sys.argv[2], *map(int, sys.argv[3:6]))))
