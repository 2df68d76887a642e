"""Replays over HTTP on the real broker and database: exact differences, kills, copies, refusals, and nothing else moved."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psutil
import pytest
from sqlalchemy import text

from services.arbitration.handlers.replay_processes import WORKER
from tests.support.arbitration import START, Arbitration, Json, arbitration, new_subject
from tests.support.bus import until
from tests.support.fresh import fresh
from tests.support.line import parcel
from tests.support.parts import Parts
from tests.support.replays import asked, body, finished, forget_others, late

pytestmark = pytest.mark.stack

LATE_BY_DAYS = (1, 2, 2, 3)
"""Of the parcels that HBJ1 held too long; GZ01 reported each."""
CLEAN, UNSCANNED = 3, 2
ALL = len(LATE_BY_DAYS) + CLEAN + UNSCANNED
SOON = {"replay_poll_ms": 50, "replay_chunk_cases": 2, "replay_chunk_ms": 600_000}
"""Several chunks for so few cases, of the same size however slow the machine is."""
DAYS = sum(LATE_BY_DAYS)
Loaded = tuple[Arbitration, str, list[str]]


@pytest.fixture(scope="module")
async def loaded(parts: Parts) -> AsyncIterator[Loaded]:
    """Arbitration with decided waybills of every sort, its database, and the late ones' subjects."""
    name, url = parts.create_database("arbitration")
    async with arbitration(parts.bootstrap_servers, url, **SOON) as hub:
        lates = {new_subject(): days for days in LATE_BY_DAYS}
        others = [new_subject() for _ in range(CLEAN + UNSCANNED)]
        for subject, days in lates.items():
            await hub.publish(*late(subject, days))
        for place, subject in enumerate(others):
            await hub.publish(*parcel(subject, START, unscanned="HBJ1" if place < UNSCANNED else None))
        for subject in (*lates, *others):
            await hub.decided(subject)
        await forget_others(hub, [*lates, *others])
        yield hub, url, list(lates)
    parts.drop_database(name)


@pytest.fixture
def hub(loaded: Loaded) -> Arbitration:
    return loaded[0]


def times(before: int, after: int, **more: int) -> Json:
    return {"before": before, "after": after, "difference": after - before, **more}


def is_the_whole_difference(result: Json) -> None:
    """The rate of TT-04 doubled: HBJ1 pays twice as much, GZ01 gets twice as much, nobody else feels it."""
    lates = len(LATE_BY_DAYS)
    counted = {name: result[name] for name in ("waybills", "changed", "not_judged", "baselines_differing")}
    assert counted == {"waybills": ALL, "changed": lates, "not_judged": 0, "baselines_differing": 0}
    assert result["progress"] == {"cases": ALL, "passed": ALL}
    rows = [{name: row[name] for name in row if name != "example"} for row in result["difference"]["items"]]
    money = times(5_000 * DAYS, 10_000 * DAYS)
    assert rows == [
        {
            "rule": "TT-04",
            "site": "GZ01",
            "findings": times(0, 0, added=0, removed=0, changed=0),
            "charged_fen": times(0, 0),
            "awarded_fen": money,
        },
        {
            "rule": "TT-04",
            "site": "HBJ1",
            "findings": times(lates, lates, added=0, removed=0, changed=lates),
            "charged_fen": money,
            "awarded_fen": times(0, 0),
        },
    ]
    unscanned_fen = 1_000 * UNSCANNED
    assert result["total"]["charged_fen"] == times(
        5_000 * DAYS + unscanned_fen, 10_000 * DAYS + unscanned_fen
    )


async def test_a_doubled_rate_is_told_by_site_and_rule(loaded: Loaded) -> None:
    hub, _, lates = loaded
    kept = await everything_else(hub)
    result = await finished(hub, await asked(hub))
    is_the_whole_difference(result)
    assert {row["example"] for row in result["difference"]["items"]} <= set(lates)
    assert result["finished_at"] >= result["started_at"] >= result["created_at"]
    first = await hub.get(f"/v1/replays/{result['id']}", limit=1)
    rest = await hub.get(f"/v1/replays/{result['id']}", limit=1, cursor=first["difference"]["next"])
    assert first["difference"]["items"] + rest["difference"]["items"] == result["difference"]["items"]
    assert rest["difference"]["next"] is None
    assert await everything_else(hub) == kept


async def everything_else(hub: Arbitration) -> dict[str, Sequence[Any]]:
    """What a replay must not touch."""
    tables = ("cases", "superseded", "findings", "reviews", "journal", "outbox", "dead_letters", "parked")
    # Sites and exemptions of other tests come in meanwhile.
    rates = "(SELECT * FROM facts WHERE kind = 'rates')"
    return {
        table: await hub.rows(f"SELECT t::text FROM {table} AS t ORDER BY 1") for table in (*tables, rates)
    }


async def test_under_the_same_rulebook_nothing_differs(hub: Arbitration) -> None:
    result = await finished(hub, await asked(hub, rulebook={}))
    assert (result["waybills"], result["changed"], result["difference"]["items"]) == (ALL, 0, [])
    assert result["total"]["findings"]["before"] == len(LATE_BY_DAYS) + UNSCANNED


async def test_findings_that_come_and_go_are_counted(hub: Arbitration) -> None:
    longer = {"TT-04": {"hub_departure_days": 3}}
    result = await finished(hub, await asked(hub, rulebook=longer))
    (_, row) = result["difference"]["items"]
    gone = sum(days <= 2 for days in LATE_BY_DAYS)
    assert row["findings"] == times(4, 4 - gone, added=0, removed=gone, changed=4 - gone)
    assert row["charged_fen"] == times(5_000 * DAYS, 5_000 * sum(max(0, days - 2) for days in LATE_BY_DAYS))


async def test_only_what_was_last_decided_in_the_time_is_judged(hub: Arbitration) -> None:
    decided = [row.decided_at for row in await hub.rows("SELECT decided_at FROM cases ORDER BY 1")]
    first, just_then = decided[0], decided[0] + timedelta(milliseconds=1)
    result = await finished(hub, await asked(hub, **{"from": first.isoformat(), "to": just_then.isoformat()}))
    # Those that were due together are decided together.
    assert (result["waybills"], result["judged_at"]) == (decided.count(first), result["from"])
    nothing = await finished(hub, await asked(hub, to=first.isoformat(), **{"from": "2026-01-01T00:00:00Z"}))
    assert nothing["waybills"] == 0


async def test_a_killed_process_loses_and_repeats_nothing(hub: Arbitration) -> None:
    await only_worker(hub, killed=False)
    async with hub.engine.connect() as connection:
        # The child gets as far as storing its first chunk that has rows, and waits there for us.
        await connection.execute(text("LOCK TABLE replay_rows IN EXCLUSIVE MODE"))
        replay_id = await asked(hub)
        await until(lambda: waits(hub, "INSERT INTO replay_rows"), "a chunk is about to be stored")
        await only_worker(hub, killed=True)
        await connection.rollback()
    is_the_whole_difference(await finished(hub, replay_id))


async def waits(hub: Arbitration, statement: str) -> bool:
    """Whether a statement that begins so waits for a lock."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE :begins"
    return bool(await hub.rows(waiting, begins=f"{statement}%"))


async def only_worker(hub: Arbitration, *, killed: bool) -> None:
    """Return once no worker of an earlier replay is left; or kill the one that works."""
    if killed:
        (process,) = workers()
        process.kill()
    else:
        await until(lambda: not workers(), "no replay is worked on")


def workers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if WORKER in child.cmdline():
                found.append(child)
    return found


async def test_copies_share_the_replays(parts: Parts, loaded: Loaded) -> None:
    hub, url, _ = loaded
    async with arbitration(parts.bootstrap_servers, url, **SOON) as second:
        ids = [await asked(copy) for copy in (hub, second, hub, second)]
        for result in await asyncio.gather(*(finished(second, one) for one in ids)):
            is_the_whole_difference(result)


async def test_a_cancelled_replay_stops_and_stays_readable(hub: Arbitration) -> None:
    async with hub.engine.connect() as connection:
        # The child waits with its first chunk that has rows for us, the cancellation for the chunk.
        await connection.execute(text("LOCK TABLE replay_rows IN EXCLUSIVE MODE"))
        replay_id = await asked(hub)
        await until(lambda: waits(hub, "INSERT INTO replay_rows"), "a chunk is about to be stored")
        before = (await hub.get(f"/v1/replays/{replay_id}"))["progress"]["passed"]
        stopping = asyncio.create_task(hub.http.delete(f"/v1/replays/{replay_id}"))
        await until(lambda: waits(hub, "UPDATE replays"), "the cancellation waits")
        await connection.rollback()
    assert (await stopping).status_code == 200
    shown = await hub.get(f"/v1/replays/{replay_id}")
    assert shown["state"] == "cancelled"
    assert shown["progress"]["passed"] == before + SOON["replay_chunk_cases"]
    again = await hub.http.delete(f"/v1/replays/{replay_id}")
    assert (again.status_code, again.json()["finished_at"]) == (200, shown["finished_at"])


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"rulebook": {"TT-99": {"fine_fen": 1}}}, "/rulebook/TT-99"),
        ({"rulebook": {"ZT-01": {}}}, "/rulebook/ZT-01"),
        ({"rulebook": {"TT-04": {"rate": 1}}}, "/rulebook/TT-04/rate"),
        ({"rulebook": {"TT-04": {"fine_per_day_fen": -1}}}, "/rulebook/TT-04/fine_per_day_fen"),
        ({"rulebook": {"TT-04": {"fine_per_day_fen": 10**12}}}, "/rulebook/TT-04/fine_per_day_fen"),
        ({"rulebook": {"TT-04": {"fine_per_day_fen": "5"}}}, "/rulebook/TT-04/fine_per_day_fen"),
        ({"rulebook": {"TT-04": 5}}, "/rulebook/TT-04"),
        ({"rulebook": None}, "/rulebook"),
        ({"to": "2026-01-01T00:00:00Z"}, ""),
        ({"from": "2026-01-01"}, "/from"),
        ({"network": "Tian"}, "/network"),
        ({"until": 1}, "/until"),
    ],
)
async def test_what_cannot_be_replayed_is_refused_at_once(
    hub: Arbitration, changed: Json, pointer: str
) -> None:
    answer = await hub.http.post("/v1/replays", json=body(**changed))
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_who_may_ask_and_who_may_look(hub: Arbitration) -> None:
    replay_id = await asked(hub)
    await finished(hub, replay_id)
    path = f"/v1/replays/{replay_id}"
    async with hub.caller("/sites/GZ01", "tiantian", "read", "decide") as site:
        assert (await site.post("/v1/replays", json=body())).status_code == 403
        for refused in (path, "/v1/replays"):
            assert (await site.get(refused)).status_code == 403
    async with hub.caller("/desks/hq", "tiantian", "read") as reader:
        assert (await reader.post("/v1/replays", json=body())).status_code == 403
        assert (await reader.delete(path)).status_code == 403
        assert (await reader.get(path)).json()["id"] == replay_id
    async with hub.caller("/desks/officers", "zto", "read", "decide") as elsewhere:
        assert (await elsewhere.post("/v1/replays", json=body())).status_code == 403
        assert (await elsewhere.get(path)).status_code == 404
        assert (await elsewhere.get("/v1/replays?network=tiantian")).status_code == 403
        assert (await elsewhere.get("/v1/replays")).json()["items"] == []
    async with hub.caller("/desks/officers", "tiantian", "read", "decide") as officer:
        answer = await officer.post("/v1/replays", json=body())
        assert (answer.status_code, answer.json()["created_by"]) == (202, "/desks/officers")
        await finished(hub, answer.json()["id"])
    assert (await hub.http.get(f"/v1/replays/{uuid4()}")).status_code == 404


async def test_an_idempotency_key_asks_once(hub: Arbitration) -> None:
    key, asked_for = {"Idempotency-Key": fresh()}, body()
    first = await hub.http.post("/v1/replays", json=asked_for, headers=key)
    again = await hub.http.post("/v1/replays", json=asked_for, headers=key)
    other = await hub.http.post("/v1/replays", json=asked_for | {"rulebook": {}}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 409)
    assert again.json()["id"] == first.json()["id"]
    await finished(hub, first.json()["id"])


async def test_lists_show_the_newest_first(hub: Arbitration) -> None:
    ids = [await asked(hub) for _ in range(3)]
    found: list[str] = []
    cursor: Json = {}
    while len(found) < len(ids):
        page = await hub.get("/v1/replays", network="tiantian", limit=2, **cursor)
        found += [item["id"] for item in page["items"]]
        cursor = {"cursor": page["next"]}
    assert found[:3] == ids[::-1]
    for replay_id in ids:
        await finished(hub, replay_id)
