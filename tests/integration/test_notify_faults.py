"""Notify when it is killed and when its database is away: nothing is lost, nothing is doubled."""

from __future__ import annotations

import random
import signal

import asyncpg
import msgspec
import pytest

from faultline.stack.postgres import psql
from tests.support.bus import until
from tests.support.notify import (
    NOTICES_TOPIC,
    NotifyProcess,
    expected,
    published,
    random_delivery,
    shown,
)
from tests.support.parts import DatabaseFactory, Parts
from tests.support.verdicts import new_network, record_of
from tests.unit.notify.verdicts import finding, verdict

pytestmark = pytest.mark.stack


async def test_nothing_is_lost_or_doubled_when_notify_is_killed(
    parts: Parts, database: DatabaseFactory
) -> None:
    chance, network = random.Random(7), new_network()
    delivery = random_delivery(chance, network, 400)
    service = NotifyProcess(
        parts.bootstrap_servers,
        database("notify"),
        FAULTLINE_CONSUMER_GROUP=f"crash-{network}",
        FAULTLINE_BATCH_RECORDS_MAX="20",
    )
    connection = await asyncpg.connect(service.settings.database_url)
    try:
        await service.start()
        half = len(delivery) // 2
        for some in (delivery[:half], delivery[half:]):
            # Asked before there is anything to do: it may all be done before this test gets its turn again.
            seen = await connection.fetchval(_SEEN)
            await service.publish(*map(record_of, some))

            async def goes_on(seen: int = seen) -> bool:
                return bool(await connection.fetchval(_SEEN) > seen)

            await until(goes_on, "the batch is being worked on")
            service.stop(signal.SIGKILL)
            await service.start()
        await service.drained()
        items = await service.items(network=network)
        events = await published(service.settings, NOTICES_TOPIC, network)
    finally:
        await connection.close()
        service.stop()
    ids = [item["notice_id"] for item in items]
    assert sorted(ids) == sorted(expected(delivery))
    delivered = {
        e["data"]["notice_id"]
        for r in events
        if (e := msgspec.json.decode(r.value))["type"] == "notice.delivered"
    }
    assert delivered == set(ids)


async def test_without_a_database_notify_stays_up_says_so_and_goes_on(
    parts: Parts, database: DatabaseFactory
) -> None:
    network = new_network()
    url = database("notify")
    service = NotifyProcess(parts.bootstrap_servers, url, FAULTLINE_CONSUMER_GROUP=f"away-{network}")
    name = url.rsplit("/", 1)[1]
    try:
        await service.start()
        await service.told(record_of(verdict(1, finding(), network=network)))
        psql(parts.superuser_url, "postgres", "-c", f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        psql(parts.superuser_url, "postgres", "-c", _END_CONNECTIONS.format(name=name))
        async with service.client() as client:

            async def is_refused() -> bool:
                return (await client.get("/v1/notices")).status_code == 503

            await until(is_refused, "the list answers 503")
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["checks"]["database"]["ok"]) == (503, False)
            assert (await client.get("/healthz")).status_code == 200
        await service.publish(record_of(verdict(2, finding(amount_fen=20_000), network=network)))
        psql(parts.superuser_url, "postgres", "-c", f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        await service.drained()
        assert [version for _, _, version in shown(await service.items(network=network))] == [1, 1, 2, 2]
    finally:
        service.stop()


_SEEN = "SELECT count(*) FROM seen_verdicts"
_END_CONNECTIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
