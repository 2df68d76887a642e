"""What a claim takes, on the real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.store.deliveries import Attempted, Claim, Outcome, Places, claim, record
from services.notify.store.notices import NewNotice, add
from shared.db import create_engine, migrate
from shared.settings import ServiceSettings
from tests.support.parts import DatabaseFactory
from tests.unit.notify.deliveries import MADE_AT, notice

pytestmark = pytest.mark.stack

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
async def engine(database: DatabaseFactory) -> AsyncIterator[AsyncEngine]:
    made = create_engine(ServiceSettings(database_url=database("notify")))
    await migrate(made, "notify")
    yield made
    await made.dispose()


async def claimed(engine: AsyncEngine, good: int, slow: int) -> list[Claim]:
    places = Places(good=good, slow=slow, notices=16, trial_notices=1)
    async with engine.begin() as connection:
        claims, _ = await claim(connection, "webhook", NOW, places=places, holder=uuid4(), lease_ms=60_000)
    return claims


async def test_slow_destinations_have_a_share_of_the_places_and_none_beside(engine: AsyncEngine) -> None:
    sites = [f"GOOD{number}" for number in range(6)] + [f"SLOW{number}" for number in range(6)]
    async with engine.begin() as connection:
        await add(connection, [NewNotice(notice(site=site)) for site in sites])
        await connection.execute(
            text("INSERT INTO destinations (network, site, channel, slow) VALUES (:n, :s, 'webhook', :slow)"),
            [{"n": "tiantian", "s": site, "slow": site.startswith("SLOW")} for site in sites],
        )
    first = await claimed(engine, 4, 4)
    assert len(first) == 4
    assert sum(one.slow for one in first) == 2, "neither kind crowds out the other"
    assert all(one.notices[0].due == MADE_AT for one in first)
    assert sum(one.slow for one in await claimed(engine, 8, 1)) == 1
    assert await claimed(engine, 0, 0) == []


async def test_what_a_slow_copy_delivers_once_more_is_told_of_once(engine: AsyncEngine) -> None:
    new = notice()
    async with engine.begin() as connection:
        await add(connection, [NewNotice(new)])
    taken: list[Claim] = []
    while not taken:
        taken = await claimed(engine, 1, 1)
    attempt = Attempted(UUID(new.notice_id), "delivered", NOW, None)
    outcome = Outcome(
        claim=taken[0],
        attempts=[attempt],
        untried=[],
        address=None,
        state="open",
        failures=0,
        next_attempt_at=None,
        slow=False,
    )
    told = []
    for _ in range(2):
        async with engine.begin() as connection:
            told.append(len(await record(connection, [outcome], holder=uuid4(), attempts_kept=20)))
    assert told == [1, 0]
