"""A steady stream of fines, straight to `arbitration.verdicts`, from a process of its own.

`python -m tests.bench.verdicts BOOTSTRAP PARTITIONS FIRST COUNT RATE SITES` prints how many it has sent; RATE 0: at once.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator

from tests.bench.backlog import Record, Sender
from tests.support.verdicts import VERDICTS_TOPIC, record_of
from tests.unit.notify.verdicts import finding, verdict

NETWORK = "bench"
_TICK_S = 0.02


def fines(first: int, count: int, sites: int) -> Iterator[Record]:
    """Verdicts of one fine each, to one site after the other; the waybill tells when it was published, and its number."""
    for number in range(first, first + count):
        site = site_of(number % sites)
        fine = finding(finding_id=f"TT-04/{site}", site=site, awards=[])
        waybill = f"B{time.time_ns() // 1_000}-{number}"
        record = record_of(verdict(1, fine, network=NETWORK, waybill=waybill))
        assert record.key is not None
        assert record.value is not None
        yield VERDICTS_TOPIC, record.key, record.value


def site_of(number: int) -> str:
    """The code of the site number `number`."""
    return f"S-{number:05d}"


async def _load(bootstrap: str, partitions: int, first: int, count: int, rate: int, sites: int) -> int:
    sent = 0
    async with Sender(bootstrap, partitions) as sender:
        began_s = time.monotonic()
        per_tick = int(rate * _TICK_S) or count
        while sent < count:
            sent += await sender.send(fines(first + sent, min(per_tick, count - sent), sites))
            if rate:
                await asyncio.sleep(max(0.0, began_s + sent / rate - time.monotonic()))
    return sent


if __name__ == "__main__":
    print(asyncio.run(_load(sys.argv[1], *map(int, sys.argv[2:7]))))
