"""The fixtures that every other integration test stands on."""

from __future__ import annotations

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from faultline.stack.topics import TOPICS, create_topics
from shared.errors import FaultlineError
from tests.support.parts import DatabaseFactory, Parts

pytestmark = pytest.mark.stack


async def test_every_topic_of_the_contract_exists_with_its_partitions(parts: Parts) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=parts.bootstrap_servers)
    await admin.start()
    try:
        found = {row["topic"]: len(row["partitions"]) for row in await admin.describe_topics()}
    finally:
        await admin.close()
    assert {topic.name: topic.partitions or 12 for topic in TOPICS}.items() <= found.items()


async def test_creating_topics_again_changes_nothing_and_another_count_is_refused(parts: Parts) -> None:
    assert await create_topics(parts.bootstrap_servers, partitions=12) == []
    with pytest.raises(FaultlineError, match="has 12 partitions, not 24"):
        await create_topics(parts.bootstrap_servers, partitions=24)


async def test_the_broker_stamps_its_own_time_on_input_topics(parts: Parts) -> None:
    async with AIOKafkaProducer(bootstrap_servers=parts.bootstrap_servers) as producer:
        sent = await producer.send_and_wait("parcel.scans", b"{}", key=b"x/TEST00", timestamp_ms=1_000)
    partition = TopicPartition("parcel.scans", sent.partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=parts.bootstrap_servers, group_id=None)
    async with consumer:
        consumer.assign([partition])
        consumer.seek(partition, sent.offset)
        record = await consumer.getone()
    assert record.timestamp_type == 1
    assert record.timestamp > 1_600_000_000_000


async def test_a_record_of_a_mebibyte_fits_on_the_verdicts_topic(parts: Parts) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=parts.bootstrap_servers, max_request_size=4 * 1024 * 1024
    ) as producer:
        await producer.send_and_wait("arbitration.verdicts.dlq", b"v" * 2 * 1024 * 1024)


async def test_a_service_has_its_own_schema_and_sees_no_other(database: DatabaseFactory) -> None:
    connection = await asyncpg.connect(database("penalties"))
    try:
        assert await connection.fetchval("SELECT current_schema()") == "penalties"
        await connection.execute("CREATE TABLE own (id int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE arbitration.foreign_table (id int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE public.shared_table (id int)")
    finally:
        await connection.close()


async def test_every_database_is_fresh_and_durable(database: DatabaseFactory) -> None:
    first, second = database("notify"), database("notify")
    assert first != second
    connection = await asyncpg.connect(first)
    try:
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
    finally:
        await connection.close()


async def test_a_wrong_password_is_refused(parts: Parts, database: DatabaseFactory) -> None:
    url = database("notify").replace(parts.role_passwords["notify"], "wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)
