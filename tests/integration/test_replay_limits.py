"""What a replay may not exceed, and how it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from services.arbitration.domain import load_rulebooks
from services.arbitration.facts import FactBook
from services.arbitration.handlers.replaying import Replaying, judged_by
from services.arbitration.store import replays
from services.arbitration.store.replays import Asked
from tests.support.arbitration import START, Arbitration, arbitration, new_subject
from tests.support.parts import Parts
from tests.support.replays import asked, body, late

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def idle(parts: Parts) -> AsyncIterator[Arbitration]:
    """Arbitration that leaves replays to others, with a database of its own."""
    name, url = parts.create_database("arbitration")
    bounds = {"replay_workers": 0, "replays_unfinished_max": 2, "replays_kept_max": 3}
    async with arbitration(parts.bootstrap_servers, url, **bounds) as copy:
        yield copy
    parts.drop_database(name)


async def test_no_more_wait_and_no_more_are_kept_than_was_set(idle: Arbitration) -> None:
    for _ in range(3):
        first, second = await asked(idle), await asked(idle)
        refused = await idle.http.post("/v1/replays", json=body())
        assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
        for replay_id in (first, second):
            assert (await idle.http.delete(f"/v1/replays/{replay_id}")).status_code == 200
    assert len((await idle.get("/v1/replays"))["items"]) == 3


async def test_a_replay_that_cannot_go_on_fails_and_says_why(idle: Arbitration) -> None:
    subject = new_subject()
    await idle.publish(*late(subject, 1))
    await idle.decided(subject)
    settings = idle.settings.model_copy(update={"replay_rows_max": 1})
    books = load_rulebooks()
    replaying = Replaying(settings, idle.engine, idle.clock, FactBook(idle.engine), books)
    for made_by, why in (
        (judged_by(books), "FAULTLINE_REPLAY_ROWS_MAX"),
        ("0.0.1 of before", "ask for it again"),
    ):
        now = idle.clock.now()
        replay = Asked(uuid4(), "tiantian", START, now, now, {}, made_by, now, "/operators/test")
        await replays.create(idle.engine, replay, 20, 100)
        assert await replaying.step()
        failed = await idle.get(f"/v1/replays/{replay.id}")
        assert (failed["state"], failed["waybills"], failed["difference"]["items"]) == ("failed", 0, [])
        assert why in failed["error"]
