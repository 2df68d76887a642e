"""What the loss of a connection costs a Kafka client in the event loop that the services run in."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from fastapi import FastAPI

from shared.bus.connection import kafka_options
from shared.http.app import _Server
from shared.settings import ServiceSettings
from tests.support.bus import until

pytestmark = pytest.mark.stack


def test_a_connection_that_goes_just_before_it_is_written_to_is_replaced(
    kafka_settings: ServiceSettings,
) -> None:
    """What is raised there must be an error that the client expects: another ends the task that asks for metadata."""

    async def lose_connections() -> None:
        consumer = AIOKafkaConsumer(**kafka_options(kafka_settings), group_id=None)
        await consumer.start()
        try:
            await consumer._client.force_metadata_update()
            connections = list(consumer._client._conns.values())
            assert connections
            for connection in connections:
                connection._writer.transport.abort()
                # Closed, and the client has not noticed yet.
                await connection._closed_fut
                with pytest.raises(KafkaConnectionError):
                    await connection.send(MetadataRequest([]))
            await until(consumer._client.force_metadata_update, "the client knows the cluster again")
        finally:
            await consumer.stop()

    services = _Server(FastAPI(), kafka_settings).config
    with asyncio.Runner(loop_factory=services.get_loop_factory()) as runner:
        runner.run(lose_connections())
