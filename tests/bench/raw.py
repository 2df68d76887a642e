"""The raw limit on this machine in the same run: reading the topics, and reading them and copying the bytes."""

from __future__ import annotations

import time

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from faultline.stack.layout import Layout

_TOPICS = ("parcel.scans", "parcel.signatures")
_BATCH_RECORDS = 10_000


async def read_only(layout: Layout, events: int) -> float:
    """Events per second of one process that only reads the newest `events` records."""
    return await _read(layout, events, None)


async def read_and_copy(layout: Layout, events: int) -> float:
    """Events per second of one process that reads and copies keys and bytes into a table with an index, as they come."""
    database = await asyncpg.connect(layout.database_url("arbitration"))
    try:
        await database.execute("CREATE TABLE bench_raw (subject text, body bytea)")
        await database.execute("CREATE INDEX ON bench_raw (subject)")
        return await _read(layout, events, database)
    finally:
        await database.execute("DROP TABLE IF EXISTS bench_raw")
        await database.close()


async def _read(layout: Layout, events: int, database: asyncpg.Connection | None) -> float:
    consumer = AIOKafkaConsumer(bootstrap_servers=layout.bootstrap_servers, max_partition_fetch_bytes=4 << 20)
    await consumer.start()
    try:
        tps = [TopicPartition(topic, n) for topic in _TOPICS for n in range(layout.settings.partitions)]
        ends = await consumer.end_offsets(tps)
        consumer.assign(tps)
        total = sum(ends.values())
        for tp, end in ends.items():
            consumer.seek(tp, max(0, end - -(-events * end // total)))
        left = count = sum(min(end, -(-events * end // total)) for end in ends.values())
        began = time.monotonic()
        while left > 0:
            fetched = await consumer.getmany(timeout_ms=1_000, max_records=_BATCH_RECORDS)
            records = [record for batch in fetched.values() for record in batch]
            left -= len(records)
            if database is not None and records:
                rows = [(record.key.decode(), record.value) for record in records]
                await database.copy_records_to_table("bench_raw", records=rows, columns=("subject", "body"))
        return float(count / (time.monotonic() - began))
    finally:
        await consumer.stop()
