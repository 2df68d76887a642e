"""Reading topics whole, as tests do: without a group, from the first record to what is the last now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from shared.bus.connection import kafka_options
from shared.settings import ServiceSettings


@asynccontextmanager
async def reader(settings: ServiceSettings, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of all partitions of a topic, without a group, at their first records."""
    # Not seek_to_beginning after the start: the first reset, to the end by default, may be under way and win.
    consumer = AIOKafkaConsumer(
        topic,
        **kafka_options(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        assert consumer.assignment(), f"{topic} has no partitions"
        yield consumer
    finally:
        await consumer.stop()


async def end_offsets(settings: ServiceSettings, topic: str) -> dict[int, int]:
    """The end of each partition of a topic."""
    async with reader(settings, topic) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
    return {tp.partition: end for tp, end in ends.items()}


async def read_all(settings: ServiceSettings, topic: str) -> list[ConsumerRecord]:
    """Every record that a topic has now, in the order of their partitions."""
    found: list[ConsumerRecord] = []
    async with reader(settings, topic) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += records
    return found
