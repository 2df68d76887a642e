"""Duties on the real broker and database: told in time, each list once, and none lost over restarts and rebalances."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.arbitration.handlers.publishing import DUTIES
from shared.bus.partitioner import partition_of
from shared.clock import advance
from shared.events.duties import CompleteData, DutiesData, decode_duties
from tests.support.arbitration import PARTITIONS, Arbitration, arbitration, new_subject
from tests.support.bus import read_topic, until
from tests.support.line import event, parcel
from tests.support.parts import DatabaseFactory, Parts

pytestmark = pytest.mark.stack
Json = dict[str, Any]
DAY = timedelta(days=1)
LOCAL = timezone(timedelta(hours=8))
TOLD_S = 5.0
"""Within so long a complaint is told, on a small machine with other things to do."""


@pytest.fixture
async def hub(parts: Parts, database: DatabaseFactory, tmp_path: Path) -> AsyncIterator[Arbitration]:
    """A copy of arbitration with a database and a movable clock of its own."""
    async with arbitration(
        parts.bootstrap_servers,
        database("arbitration"),
        clock_file=tmp_path / "clock.json",
        projection_poll_ms=50,
        duties_complete_ms=50,
    ) as running:
        yield running


async def published(hub: Arbitration, subject: str) -> dict[int, DutiesData]:
    """The lists published for a waybill, by revision; a record that was sent twice must be the same."""
    found: dict[int, DutiesData] = {}
    ids: dict[int, str] = {}
    partition = partition_of(subject.encode(), PARTITIONS)
    for key, value, _ in await read_topic(hub.settings, DUTIES, partition):
        if key == subject.encode():
            envelope, data = decode_duties(value)
            assert isinstance(data, DutiesData)
            assert envelope.subject == subject == f"{data.network}/{data.waybill}"
            assert ids.setdefault(data.revision, envelope.id) == envelope.id
            found[data.revision] = data
    return found


async def told(hub: Arbitration, subject: str, *expected: str, without: str | None = None) -> DutiesData:
    """The newest list of duties, once it has `expected` in it and not `without`."""
    newest: list[DutiesData] = []

    async def there() -> bool:
        found = await published(hub, subject)
        if not found:
            return False
        newest[:] = [found[max(found)]]
        ids = {duty.duty_id for duty in newest[0].duties}
        return ids.issuperset(expected) and without not in ids

    await until(there, lambda: f"{expected} of {subject}: {newest}")
    return newest[0]


def opened(subject: str, at: datetime) -> Json:
    said = {"complaint_id": "C1", "channel": "phone", "category": "attitude", "claimant": "sender"}
    return event(subject, "/desks/gz", "complaint.opened", at, "c-1", against_site="BJ02", **said)


def contacted(subject: str, at: datetime) -> Json:
    said = {"complaint_id": "C1", "outcome": "contacted", "text": "we called"}
    return event(subject, "/sites/BJ02", "reply.registered", at, "r-1", site="BJ02", **said)


async def clock_to(hub: Arbitration, moment: datetime) -> None:
    """Move the clock forward to a moment."""
    assert hub.settings.clock_file is not None
    advance(hub.settings.clock_file, moment - hub.clock.now())
    await until(lambda: hub.clock.now() >= moment, "the clock has moved")


def tomorrow(hub: Arbitration) -> datetime:
    """The local midnight that comes next."""
    return hub.clock.now().astimezone(LOCAL).replace(hour=0, minute=0, second=0, microsecond=0) + DAY


async def test_a_complaint_is_told_at_once_and_its_contact_is_done(hub: Arbitration) -> None:
    subject, now = new_subject(), hub.clock.now()
    await hub.publish(*parcel(subject, now - timedelta(days=4)))
    await hub.decided(subject)
    assert await published(hub, subject) == {}
    began_s = time.monotonic()
    await hub.publish(opened(subject, hub.clock.now()))
    first = await told(hub, subject, "complaint/C1", "contact/C1", "progress/C1", "settle/C1")
    assert time.monotonic() - began_s < TOLD_S
    assert (first.revision, first.origin) == (1, "GZ01")
    assert first.as_of - now < timedelta(seconds=TOLD_S)
    await hub.publish(contacted(subject, hub.clock.now()))
    second = await told(hub, subject, "settle/C1", without="contact/C1")
    assert second.revision == 2


async def test_an_ordinary_parcel_leaves_no_trace(hub: Arbitration) -> None:
    subject = new_subject()
    await hub.publish(*parcel(subject, hub.clock.now() - timedelta(days=4)))
    await hub.decided(subject)
    assert await hub.rows("SELECT 1 FROM duties WHERE subject = :subject", subject=subject) == []
    assert (
        await hub.rows("SELECT 1 FROM reviews WHERE subject = :subject AND priority = 6", subject=subject)
        == []
    )


async def test_a_parcel_that_is_not_delivered_is_warned_of_before_each_fine(hub: Arbitration) -> None:
    """Arrived at 11:30 of today, out at 12:30: due tomorrow, its entry by noon of the day after."""
    subject = new_subject()
    today = tomorrow(hub)
    midnight, noon = today + 2 * DAY, today + 2 * DAY + timedelta(hours=12)
    out = today + timedelta(hours=12, minutes=30)
    await clock_to(hub, out)
    await hub.publish(*parcel(subject, out - timedelta(hours=46), signed=False))
    await hub.known(subject, 8)

    await clock_to(hub, midnight - timedelta(hours=3))
    delay = await told(hub, subject, "fine/TT-04/BJ02")
    (duty,) = delay.duties
    assert (duty.site, duty.due_at, duty.amount_fen) == ("BJ02", midnight - timedelta(seconds=1), 5000)
    assert duty.reason is not None

    await clock_to(hub, noon - timedelta(hours=2, minutes=59))
    entry = await told(hub, subject, "fine/TT-02/BJ02")
    assert {d.duty_id: d.due_at for d in entry.duties}["fine/TT-02/BJ02"] == noon
    # A fact that became known meanwhile may have had it looked at, which issues a version; but nothing is found yet.
    before = ((await hub.case(subject)) or {})["verdict"] or {"version": 0, "findings": []}
    assert before["findings"] == []

    await clock_to(hub, noon + timedelta(seconds=2))
    case = await hub.decided(subject, before["version"] + 1)
    assert [f["finding_id"] for f in case["verdict"]["findings"]] == ["TT-02/BJ02"]
    await told(hub, subject, without="fine/TT-02/BJ02")
    revisions = await published(hub, subject)
    assert sorted(revisions) == [1, 2, 3], "each list once"


async def test_a_parcel_missing_from_its_bag_is_told_before_the_notice_is_too_late(hub: Arbitration) -> None:
    subject, scanned = new_subject(), new_subject()
    now = hub.clock.now().replace(microsecond=0)
    for one in (subject, scanned):
        way = parcel(one, now - timedelta(hours=11), signed=False)[:3]
        way[2]["data"]["via"] = "bag"
        await hub.publish(*way[:2])
        await hub.known(one, 2)
        await hub.publish(way[2])
    piece = event(scanned, "/sites/HGZ1", "scan.arrived", now + timedelta(seconds=1), "p", site="HGZ1")
    await hub.publish(piece)
    await hub.known(subject, 3)
    await hub.known(scanned, 4)
    await clock_to(hub, now + timedelta(hours=1, seconds=1))
    found = await told(hub, subject, "report_window/goods_missing/HGZ1")
    assert found.duties[0].due_at == now + timedelta(hours=3)
    await hub.reviewed(scanned)
    assert await published(hub, scanned) == {}


async def test_a_rebuild_publishes_nothing_again(hub: Arbitration) -> None:
    subject = new_subject()
    await hub.publish(*parcel(subject, hub.clock.now() - timedelta(days=4)), opened(subject, hub.clock.now()))
    await told(hub, subject, "contact/C1")
    await rebuilt(hub, "complaints")
    await hub.publish(contacted(subject, hub.clock.now()))
    await told(hub, subject, "settle/C1", without="contact/C1")
    assert sorted(await published(hub, subject)) == [1, 2]


async def rebuilt(hub: Arbitration, name: str) -> None:
    """Rebuild a projection and return once it is live."""
    assert (await hub.http.post(f"/v1/projections/{name}/rebuild")).status_code == 202

    async def live() -> bool:
        found = {item["name"]: item for item in (await hub.get("/v1/projections"))["items"]}
        return bool(found[name]["state"] == "live")

    await until(live, f"{name} is live")


async def test_nothing_is_lost_over_a_restart_and_a_rebalance(
    parts: Parts, database: DatabaseFactory, tmp_path: Path
) -> None:
    """One copy opens, two go on, the other finishes; a warning falls due while nobody runs."""
    url, clock_file = database("arbitration"), tmp_path / "clock.json"
    subjects, late = [new_subject() for _ in range(24)], new_subject()

    def copy() -> Any:
        return arbitration(parts.bootstrap_servers, url, clock_file=clock_file)

    async with AsyncExitStack() as second:
        async with copy() as one:
            today = tomorrow(one)
            now = today + timedelta(hours=12, minutes=30)
            await clock_to(one, now)
            await one.publish(*parcel(late, now - timedelta(hours=46), signed=False))
            await one.publish(
                *(e for s in subjects for e in (*parcel(s, now - timedelta(days=4)), opened(s, now)))
            )
            for subject in subjects[:12]:
                await told(one, subject, "contact/C1")
            two = await second.enter_async_context(copy())
            await one.publish(*(contacted(subject, now) for subject in subjects))
            await told(one, subjects[0], without="contact/C1")
        for subject in subjects:
            newest = await told(two, subject, "settle/C1", without="contact/C1")
            assert newest.revision <= 2
        await two.known(late, 8)
    due = today + 2 * DAY
    advance(clock_file, due - timedelta(hours=1) - now)
    async with copy() as three:
        warned = await told(three, late, "fine/TT-04/BJ02")
        assert warned.duties[0].due_at == due - timedelta(seconds=1)


@pytest.mark.parametrize("stage", ["positions", "duties"])
async def test_a_term_is_complete_only_behind_what_kept_it(hub: Arbitration, stage: str) -> None:
    """The event that kept it is being taken in, or decided, when the term is over."""
    table, mode, _ = stalled = STALLED[stage]
    subject, now = new_subject(), hub.clock.now()
    partition = partition_of(subject.encode(), PARTITIONS)
    await hub.publish(*parcel(subject, now - timedelta(days=4)), opened(subject, now))
    lists = await told(hub, subject, "contact/C1")
    (due_at,) = [duty.due_at for duty in lists.duties if duty.duty_id == "contact/C1"]
    assert due_at
    before = len(await read_topic(hub.settings, DUTIES, partition))
    connection = await asyncpg.connect(hub.settings.database_url)
    async with connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN {mode} MODE")
        await hub.publish(contacted(subject, now))
        await until(lambda: _waits(connection, stalled), "the work stands still")
        await clock_to(hub, due_at + timedelta(minutes=1))
        await until(lambda: _waits(connection, stalled, over=True), "the term is looked at")
    said: list[DutiesData | CompleteData] = []

    async def complete() -> bool:
        records = (await read_topic(hub.settings, DUTIES, partition))[before:]
        said[:] = [decode_duties(value)[1] for key, value, _ in records if _concerns(key, subject)]
        return any(isinstance(one, CompleteData) and one.complete_until > due_at for one in said)

    await until(complete, lambda: f"the term is complete: {said}")
    first, *others = said
    assert isinstance(first, DutiesData)
    assert [duty.duty_id for duty in first.duties] == ["complaint/C1", "progress/C1", "settle/C1"]
    assert all(isinstance(one, CompleteData) for one in others)

    async def nothing_waits() -> bool:
        over = "SELECT EXISTS (SELECT FROM terms WHERE missed_at <= $1)"
        return not await connection.fetchval(over, hub.clock.now())

    await until(nothing_waits, "everything that is over was said to be complete")
    await connection.close()


Stalled = tuple[str, str, str]
STALLED: dict[str, Stalled] = {
    "positions": ("partition_positions", "SHARE", ""),
    "duties": ("duties", "ACCESS EXCLUSIVE", "SELECT EXISTS (SELECT FROM reviews WHERE partition%"),
}
"""Where the work is held up: the table, the lock, and what is asked over and over by who waits for the work."""


async def _waits(connection: asyncpg.Connection, stalled: Stalled, *, over: bool = False) -> bool:
    """Whether the work stands at the table; `over`: and somebody asks whether it is done."""
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass)"
    asking = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE $1)"
    table, _, asked = stalled
    # What is read in a transaction stays as it was first seen, unless it is cleared.
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    asks = not (over and asked) or await connection.fetchval(asking, asked)
    return bool(asks and await connection.fetchval(waiting, table))


def _concerns(key: bytes, subject: str) -> bool:
    return key == subject.encode() or key.startswith(b"partition/")
