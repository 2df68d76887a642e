"""A backlog of clean parcels as hubs send them: nine events a waybill, about 320 bytes each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, Self

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.bus.partitioner import partition_of

EVENTS_PER_WAYBILL = 9
Shape = Literal["wave", "spread", "steady"]
"""How parcels follow one another: in waves, all at once, or one after the other so that every scan is always under way."""
Record = tuple[str, bytes, bytes]
"""`(topic, key, value)`."""
_WAVE_WAYBILLS = 2_000
"""In a wave so many waybills are on their way at once; spread, all of them are."""
_STEADY_WAYBILLS = 200
"""Steady, so many others are scanned between two scans of a waybill."""
_SITES = [f"{city}{n:02d}" for city in ("GZ", "BJ", "SH", "CD", "WH", "XA", "HZ", "NJ") for n in range(1, 40)]
_HUBS = ["HGZ1", "HBJ1", "HSH1", "HCD1", "HWH1"]
TOPICS = ("parcel.scans",) * 8 + ("parcel.signatures",)


def waybill_of(number: int) -> str:
    """The `number`-th waybill's subject."""
    return f"tiantian/56{number:010d}"


def events_of(number: int, start: datetime, late_hours: int = 0) -> list[bytes]:
    """The nine events of a clean parcel that was collected at `start`, delivered and signed `late_hours` late."""
    origin = _SITES[number % len(_SITES)]
    last = _SITES[(number * 7 + 11) % len(_SITES)]
    if last == origin:
        last = _SITES[(number + 1) % len(_SITES)]
    hub, far_hub = _HUBS[number % 4], _HUBS[number % 4 + 1]
    parts = (
        (
            origin,
            "scan.collected",
            0,
            f'"scope":"inter_province","destination_site":"{last}","destination_mark":"{last}","insured":false,"fragile":false',
        ),
        (origin, "scan.departed", 9, f'"next_site":"{hub}","bag":"BAG-{number % 9973:05d}"'),
        (
            hub,
            "scan.arrived",
            11,
            f'"previous_site":"{origin}","via":"piece","bag":"BAG-{number % 9973:05d}"',
        ),
        (hub, "scan.departed", 13, f'"next_site":"{far_hub}","vehicle":"V{number % 997:03d}"'),
        (
            far_hub,
            "scan.arrived",
            30,
            f'"previous_site":"{hub}","via":"piece","vehicle":"V{number % 997:03d}"',
        ),
        (far_hub, "scan.departed", 31, f'"next_site":"{last}","vehicle":"W{number % 997:03d}"'),
        (last, "scan.arrived", 45, f'"previous_site":"{far_hub}","via":"piece"'),
        (last, "scan.out_for_delivery", 46 + late_hours, f'"courier":"C{number % 89:02d}"'),
        (
            last,
            "signature.recorded",
            52 + late_hours,
            '"signer":"addressee","signer_name":"-","outer_damage_noted":false,"inner_issue_noted":false,"struck_out":false',
        ),
    )
    subject = waybill_of(number)
    return [
        (
            f'{{"specversion":"1.0","id":"{number:010d}-{place}","source":"/sites/{site}","type":"{kind}",'
            f'"subject":"{subject}","time":"{_at(start, hours)}","recordedtime":"{_at(start, hours)}",'
            f'"data":{{"site":"{site}",{data}}}}}'
        ).encode()
        for place, (site, kind, hours, data) in enumerate(parts)
    ]


_times: dict[tuple[datetime, int], str] = {}


def _at(start: datetime, hours: int) -> str:
    found = _times.get((start, hours))
    if found is None:
        found = _times[start, hours] = (start + timedelta(hours=hours)).isoformat()
    return found


def in_order(shape: Shape, first: int, waybills: int, start: datetime) -> Iterator[Record]:
    """Records of `waybills` parcels in the order of sending."""
    if shape == "steady":
        yield from _steady(first, waybills, start)
        return
    width = _WAVE_WAYBILLS if shape == "wave" else waybills
    for begin in range(first, first + waybills, width):
        numbers = range(begin, min(begin + width, first + waybills))
        streams = [(waybill_of(n).encode(), events_of(n, start)) for n in numbers]
        for place in range(EVENTS_PER_WAYBILL):
            for key, events in streams:
                yield TOPICS[place], key, events[place]


def _steady(first: int, waybills: int, start: datetime) -> Iterator[Record]:
    streams: dict[int, list[bytes]] = {}
    for newest in range(waybills + (EVENTS_PER_WAYBILL - 1) * _STEADY_WAYBILLS):
        if newest < waybills:
            streams[newest] = events_of(first + newest, start)
        for place in range(EVENTS_PER_WAYBILL):
            number = newest - place * _STEADY_WAYBILLS
            if number in streams:
                yield TOPICS[place], waybill_of(first + number).encode(), streams[number][place]
        streams.pop(newest - (EVENTS_PER_WAYBILL - 1) * _STEADY_WAYBILLS, None)


class Sender:
    """Publishes records in large batches; used as a context."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._partitions = partitions
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=True,
            max_batch_size=512 * 1024,
            max_request_size=8 << 20,
        )

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(self, records: Iterator[Record]) -> int:
        """Publish `records` and wait for their acknowledgement; returns how many."""
        producer = self._producer
        count = 0
        open_batches: dict[tuple[str, int], BatchBuilder] = {}
        acks: list[asyncio.Future[object]] = []
        places: dict[bytes, int] = {}
        for topic, key, value in records:
            partition = places.get(key)
            if partition is None:
                partition = places[key] = partition_of(key, self._partitions)
            batch = open_batches.get((topic, partition))
            if batch is None:
                batch = open_batches[topic, partition] = producer.create_batch()
            if batch.append(key=key, value=value, timestamp=None) is None:
                acks.append(await producer.send_batch(batch, topic, partition=partition))
                batch = open_batches[topic, partition] = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
            count += 1
        for (topic, partition), batch in open_batches.items():
            acks.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*acks)
        return count
