"""What a replay may not exceed, how it fails, and what it knows of a past that newer verdicts have overtaken."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.arbitration.domain import load_rulebooks
from services.arbitration.facts import FactBook
from services.arbitration.handlers.replay_processes import WORKER
from services.arbitration.handlers.replaying import Replaying, judged_by
from services.arbitration.store import replays
from services.arbitration.store.replays import Asked
from shared.http.paging import encode
from tests.support.arbitration import START, Arbitration, arbitration, at, new_subject
from tests.support.bus import WAIT_S, until
from tests.support.line import parcel
from tests.support.parts import Parts
from tests.support.replays import asked, body, finished, forget_others, late

pytestmark = pytest.mark.stack

BOOKS = load_rulebooks()


@pytest.fixture(scope="module")
async def idle(parts: Parts) -> AsyncIterator[Arbitration]:
    """Arbitration that leaves replays to others, with a database of its own."""
    name, url = parts.create_database("arbitration")
    bounds = {"replay_workers": 0, "replays_unfinished_max": 2, "replays_kept_max": 3}
    async with arbitration(parts.bootstrap_servers, url, **bounds) as copy:
        yield copy
    parts.drop_database(name)


def worker(copy: Arbitration, **settings: int) -> Replaying:
    """What works on replays, in this process."""
    made = copy.settings.model_copy(update=settings)
    return Replaying(made, copy.engine, copy.clock, FactBook(copy.engine), BOOKS)


async def test_no_more_wait_and_no_more_are_kept_than_was_set(idle: Arbitration) -> None:
    for _ in range(3):
        first, second = await asked(idle), await asked(idle)
        refused = await idle.http.post("/v1/replays", json=body())
        assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
        for replay_id in (first, second):
            assert (await idle.http.delete(f"/v1/replays/{replay_id}")).status_code == 200
    assert len((await idle.get("/v1/replays"))["items"]) == 3


@pytest.mark.parametrize(
    "rulebook", ['{"\\ud800": {}}', '{"\\u0000": {}}', '{"TT-04": {"\\ud800": 1}}', '{"TT-04": {"x": 1e400}}']
)
async def test_what_no_text_can_carry_is_refused_too(idle: Arbitration, rulebook: str) -> None:
    content = json.dumps(body(rulebook="?")).replace('"?"', rulebook)
    answer = await idle.http.post(
        "/v1/replays", content=content, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_a_cursor_of_something_else_is_refused(idle: Arbitration) -> None:
    replay_id = await asked(idle)
    await idle.http.delete(f"/v1/replays/{replay_id}")
    for path, positions in (
        ("/v1/replays", [("2026-01-01T00:00:00", replay_id), ("x", "y")]),
        (f"/v1/replays/{replay_id}", [("TT-04", "\0"), (None, "")]),
    ):
        for position in positions:
            answer = await idle.http.get(path, params={"cursor": encode(*position)})
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/cursor")


async def test_a_replay_that_cannot_go_on_fails_and_says_why(idle: Arbitration) -> None:
    subject = new_subject()
    await idle.publish(*late(subject, 1))
    await idle.decided(subject)
    replaying = worker(idle, replay_rows_max=1)
    for made_by, why in (
        (judged_by(BOOKS), "FAULTLINE_REPLAY_ROWS_MAX"),
        ("0.0.1 of before", "ask for it again"),
    ):
        now = idle.clock.now()
        replay = Asked(uuid4(), "tiantian", START, now, now, {}, made_by, now, "/operators/test")
        await replays.create(idle.engine, replay, 20, 100)
        assert await replaying.step()
        failed = await idle.get(f"/v1/replays/{replay.id}")
        assert (failed["state"], failed["waybills"], failed["difference"]["items"]) == ("failed", 0, [])
        assert why in failed["error"]


async def test_a_version_that_was_overtaken_is_replayed_with_what_was_known_then(idle: Arbitration) -> None:
    await forget_others(idle, [])
    subject = new_subject()
    events = parcel(subject, START, unscanned="HBJ1")
    await idle.publish(*events)
    first = await idle.decided(subject, events=len(events))
    cure = next(one for one in parcel(subject, START) if one["id"].startswith("HBJ1-arrived"))
    await idle.publish({**cure, "recordedtime": at(idle.clock.now())})
    second = await idle.decided(subject, events=len(events) + 1)
    found = []
    for decided in (first["verdict"]["decided_at"], second["verdict"]["decided_at"]):
        just_then = {"from": decided, "to": at(datetime.fromisoformat(decided) + timedelta(milliseconds=1))}
        replay_id = await asked(idle, rulebook={"TT-01": {"fine_fen": 2_500}}, **just_then)
        await worker(idle).run()
        result = await finished(idle, replay_id)
        rows = [row for row in result["difference"]["items"] if row["example"] == subject]
        found.append([(row["site"], row["charged_fen"]) for row in rows])
    fined = {"before": 1_000, "after": 2_500, "difference": 1_500}
    assert found == [[("HBJ1", fined), ("hq", {"before": 0, "after": 0, "difference": 0})], []]


async def test_a_worker_ends_with_its_service_however_that_ends(idle: Arbitration) -> None:
    replay_id = await asked(idle)
    async with idle.engine.connect() as connection:
        # It finds a replay that another one works on, and waits.
        await connection.execute(text("SELECT 1 FROM replays WHERE id = :id FOR UPDATE"), {"id": replay_id})
        child = await asyncio.create_subprocess_exec(sys.executable, "-m", WORKER, "7", stdin=PIPE)
        assert child.stdin is not None
        child.stdin.write(idle.settings.model_dump_json().encode() + b"\n")

        async def connected() -> bool:
            there = "SELECT 1 FROM pg_stat_activity WHERE application_name = :name"
            return bool(await idle.rows(there, name=f"{idle.settings.instance}-replay-7"))

        await until(connected, "the worker looks for work")
        child.stdin.close()
        async with asyncio.timeout(WAIT_S):
            assert await child.wait() == 0
    await idle.http.delete(f"/v1/replays/{replay_id}")
