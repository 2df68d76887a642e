"""A closed month is published once, and says of each site what its statement says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.penalties.closing import CLOSED_TYPE, PERIODS_TOPIC
from shared.events.outputs import OutputEvent, PeriodData
from shared.ids import stable_id
from tests.support.notify import published
from tests.support.parts import Parts
from tests.support.penalties import DECIDED_AT, Service, finding, verdict
from tests.support.verdicts import new_network

pytestmark = pytest.mark.stack

SITES = ("BJ02", "GZ01", "SH03", "XA04")


@pytest.fixture(scope="module")
async def service(parts: Parts) -> AsyncIterator[Service]:
    name, url = parts.create_database("penalties")
    running = Service(parts.bootstrap_servers, url)
    await running.start()
    yield running
    running.stop()
    parts.drop_database(name)


async def closed_events(service: Service, network: str) -> list[tuple[bytes, OutputEvent, PeriodData]]:
    found = []
    for record in await published(service.settings, PERIODS_TOPIC, network):
        event = msgspec.json.decode(record.value, type=OutputEvent)
        found.append((record.key, event, msgspec.json.decode(event.data, type=PeriodData)))
    return found


async def test_closing_publishes_the_month_once(service: Service) -> None:
    network = new_network()
    await service.publish(verdict(f"{network}/560000000001", 1, [finding("BJ02", {"GZ01": 5_000})]))
    await service.drained()
    path = f"/v1/periods/{network}/2026-03/close"
    answers = await asyncio.gather(
        service.post(path, 200, idempotency_key="a"), service.post(path, 200, idempotency_key="b")
    )
    await service.post(path, 200)
    await service.post(path, 200, idempotency_key="a")
    await service.drained()

    [(key, event, data)] = await closed_events(service, network)
    assert (key, event.type, event.subject) == (
        f"{network}/2026-03".encode(),
        CLOSED_TYPE,
        f"{network}/2026-03",
    )
    assert event.id == str(stable_id("period", network, "2026-03"))
    shown: dict[str, Any] = msgspec.to_builtins(data)
    assert shown == {name: answers[0][name] for name in shown}
    assert (data.debits_fen, data.credits_fen) == (5_000, 5_000)


async def test_a_refused_close_publishes_nothing(service: Service) -> None:
    network = new_network()
    await service.post(f"/v1/periods/{network}/2099-01/close", 409)
    await service.drained()
    assert await closed_events(service, network) == []


@pytest.mark.parametrize("seed", range(3))
async def test_the_list_of_sites_agrees_with_every_statement(service: Service, seed: int) -> None:
    """Seeded: `seed` says which histories."""
    chance = random.Random(seed)
    network = new_network()
    await service.register(network, *SITES)
    months = {"2026-03": DECIDED_AT, "2026-04": DECIDED_AT + timedelta(days=30)}
    for number in range(12):
        subject = f"{network}/{560000000000 + number}"
        for version, decided_at in enumerate(months.values(), 1):
            site, other = chance.sample(SITES[:3], 2)
            made = finding(
                site,
                {other: chance.choice([0, 100, 700]), "hq": 50},
                state=chance.choice(["active", "active", "frozen", "revoked"]),
            )
            if chance.random() < 0.7:
                await service.publish(verdict(subject, version, [made], decided_at=decided_at))
    await service.drained()

    for month in (*months, "2026-05"):
        path = f"/v1/periods/{network}/{month}/sites"
        listed = {row["site"]: row for row in await service.all_items(path, limit=2)}
        assert listed or month != "2026-03", "nothing was booked: the seed proves nothing"
        for site in SITES:
            statement = await service.get(f"/v1/statements/{network}/{site}/{month}")
            opening, closing = statement["opening"], statement["closing"]
            if not statement["lines"] and not any(opening.values()):
                assert site not in listed
                continue
            row = listed[site]
            assert row["opening_fen"] + row["debits_fen"] - row["credits_fen"] == row["closing_fen"]
            assert (row["opening_fen"], row["opening_frozen_fen"]) == tuple(opening.values())
            assert (row["closing_fen"], row["closing_frozen_fen"]) == tuple(closing.values())
            assert row["entries"] == len(statement["lines"])


async def test_a_sites_key_does_not_read_the_list(service: Service) -> None:
    network = new_network()
    key = await service.new_key("/sites/BJ02", network, ["read"])
    await service.get(f"/v1/periods/{network}/2026-03/sites", 403, key=key)
