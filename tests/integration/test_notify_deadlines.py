"""A complaint's whole life as notify tells it, on the real broker and database, with a clock that is moved."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, insert

from shared.bus.tables import partition_positions
from shared.clock import Clock, advance
from shared.db import create_engine
from shared.events.duties import DutiesData, Duty
from tests.support.bus import until
from tests.support.notify import (
    NOTICES_TOPIC,
    NotifyProcess,
    duties_record,
    published,
    site_of,
)
from tests.support.parts import DatabaseFactory, Parts
from tests.support.topics import end_offsets
from tests.support.verdicts import VERDICTS_TOPIC, new_network, record_of
from tests.unit.notify.duties import HOUR, duty
from tests.unit.notify.verdicts import finding, verdict

pytestmark = pytest.mark.stack

MINUTE = timedelta(minutes=1)
WAYBILL = "560000000001"


class Moved:
    """Notify with a clock of its own, and a network of its own for each test."""

    def __init__(self, process: NotifyProcess, clock_file: Path) -> None:
        self.notify = process
        self.clock_file = clock_file
        self.clock = Clock(clock_file)
        self.network = new_network()
        self.opened_at = self.clock.now()

    def until(self, moment: datetime) -> None:
        """Move the clock to `moment`; it never goes back."""
        advance(self.clock_file, max(timedelta(), moment - self.clock.now()))
        # A clock looks at its file now and then; a new one looks at once.
        self.clock = Clock(self.clock_file)

    async def tell(self, revision: int, *duties: Duty, waybill: str = WAYBILL) -> None:
        """Publish a waybill's duties, as found now, and wait until they are taken in."""
        data = DutiesData(
            network=self.network,
            waybill=waybill,
            revision=revision,
            as_of=self.clock.now(),
            duties=list(duties),
        )
        await self.notify.told(duties_record(data))

    def duty(self, kind: str, about: str = "C1", **members: Any) -> Duty:
        """A duty that came when the test began, unless `members` differ."""
        return duty(kind, about, **{"begun_at": self.opened_at, **members})

    async def notices(self, **asked: Any) -> list[dict[str, Any]]:
        """All notices of the network, oldest first."""
        return (await self.notify.items(network=self.network, **asked))[::-1]

    async def wait_for(self, expected: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """Wait until exactly these (occasion, site) were told in the application; the notices, oldest first."""
        found: list[dict[str, Any]] = []

        async def told() -> bool:
            found[:] = [one for one in await self.notices() if one["channel"] == "in_app"]
            return len(found) >= len(expected)

        await until(told, lambda: f"{expected} are told: {shown(found)}")
        assert sorted(shown(found)) == sorted(expected)
        return found


def shown(notices: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["occasion"], one["site"]) for one in notices]


@pytest.fixture(scope="module")
async def process(
    parts: Parts, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[NotifyProcess, Path]]:
    name, url = parts.create_database("notify")
    clock_file = tmp_path_factory.mktemp("clock") / "clock.json"
    running = NotifyProcess(
        parts.bootstrap_servers,
        url,
        FAULTLINE_CLOCK_FILE=str(clock_file),
        FAULTLINE_REMINDER_POLL_MS="50",
    )
    await running.start()
    yield running, clock_file
    assert running.stop() == 0
    parts.drop_database(name)


@pytest.fixture
def moved(process: tuple[NotifyProcess, Path]) -> Moved:
    return Moved(*process)


async def test_a_complaints_whole_life(moved: Moved) -> None:
    await moved.notify.knows(site_of(moved.network, "BJ02", parent="BJ00"), site_of(moved.network, "BJ00"))
    opened_at = moved.opened_at
    complaint = moved.duty("complaint", rule="SD-01", note="delay")
    contact = moved.duty("contact", rule="SD-02", due_at=opened_at + 24 * HOUR)
    progress = moved.duty("progress", rule="SD-07", site=None, desk="desk1", due_at=opened_at + 24 * HOUR)
    settle = moved.duty("settle", rule="SD-03", due_at=opened_at + 72 * HOUR)
    expected: list[tuple[str, str, datetime, datetime | None]] = []

    async def now_told(*more: tuple[str, str, datetime, datetime | None]) -> None:
        expected.extend(more)
        found = await moved.wait_for([(occasion, site) for occasion, site, _, _ in expected])
        for occasion, site, moment, due_at in more:
            (notice,) = [one for one in found if (one["occasion"], one["site"]) == (occasion, site)]
            made_at = datetime.fromisoformat(notice["created_at"])
            assert moment <= made_at < moment + 2 * MINUTE, (occasion, site)
            told_due = notice.get("due_at")
            assert (datetime.fromisoformat(told_due) if told_due else None) == due_at
            assert notice["state"] == "delivered"

    await moved.tell(1, complaint, contact, progress, settle)
    await now_told(("complaint_opened", "BJ02", opened_at, contact.due_at))

    moved.until(opened_at + 20 * HOUR)
    await now_told(("contact_due", "BJ02", opened_at + 20 * HOUR, contact.due_at))
    moved.until(opened_at + 22 * HOUR)
    await now_told(("progress_due", "DESK1", opened_at + 22 * HOUR, progress.due_at))
    missed = opened_at + 24 * HOUR + timedelta(seconds=1)
    moved.until(missed)
    await now_told(
        ("contact_overdue", "BJ00", missed, contact.due_at),
        ("contact_overdue", "HQ-MANAGER", missed, contact.due_at),
        ("progress_overdue", "DESK1", missed, progress.due_at),
    )
    # Contacted late: nothing more is said of it.
    await moved.tell(2, complaint, settle)
    moved.until(opened_at + 48 * HOUR)
    await now_told(("settle_due", "BJ02", opened_at + 48 * HOUR, settle.due_at))

    settled_at = opened_at + 50 * HOUR
    moved.until(settled_at)
    follow_up = moved.duty(
        "follow_up", rule="SD-05", site=None, desk="desk1", begun_at=settled_at, due_at=settled_at + 72 * HOUR
    )
    await moved.tell(3, follow_up)
    moved.until(settled_at + 48 * HOUR)
    await now_told(("follow_up_due", "DESK1", settled_at + 48 * HOUR, follow_up.due_at))
    # Closed in time; redelivery and late copies of what was bring nothing back.
    await moved.tell(4)
    await moved.tell(1, complaint, contact, progress, settle)
    await moved.tell(3, follow_up)
    moved.until(settled_at + 10 * 24 * HOUR)
    await nothing_is_due(moved)
    await now_told()


async def nothing_is_due(moved: Moved) -> None:
    """Wait until no reminder of the network is left to be said at this moment of the moved clock."""
    connection = await asyncpg.connect(moved.notify.settings.database_url)

    async def none() -> bool:
        waiting = await connection.fetchval(
            "SELECT count(*) FROM reminders WHERE said_at IS NULL AND remind_at <= $1 AND subject LIKE $2",
            moved.clock.now(),
            f"{moved.network}/%",
        )
        return bool(waiting == 0)

    try:
        await until(none, "nothing is left to be said")
    finally:
        await connection.close()


async def test_headquarters_hears_of_major_and_flagged_complaints_at_once(moved: Moved) -> None:
    await moved.tell(1, moved.duty("major", note="regulator"), moved.duty("flagged", note="customer_risk"))
    await moved.wait_for(
        [
            ("complaint_flagged", "HQ-DEPUTY"),
            ("complaint_major", "HQ-DEPUTY"),
            ("complaint_major", "HQ-MANAGER"),
            ("complaint_major", "HQ-OPERATIONS"),
        ]
    )


async def test_forwarding_is_measured(moved: Moved) -> None:
    await moved.tell(1, moved.duty("complaint"))
    async with moved.notify.client(None) as client:
        text = (await client.get("/metrics")).text
    (count,) = [
        float(line.split()[1])
        for line in text.splitlines()
        if line.startswith("faultline_complaint_forwarding_seconds_count")
    ]
    assert count >= 1


async def test_warnings_of_one_site_are_one_notice_and_those_turned_away_are_not_in_it(moved: Moved) -> None:
    due_at = moved.opened_at + 10 * HOUR

    def fine(site: str) -> Duty:
        return moved.duty("fine", f"TT-02/{site}", site=site, amount_fen=5_000, rule="TT-02", due_at=due_at)

    for number in range(60):
        await moved.notify.publish(
            duties_record(
                DutiesData(
                    network=moved.network,
                    waybill=f"5600000001{number:02d}",
                    revision=1,
                    as_of=moved.clock.now(),
                    duties=[fine("SH03" if number == 59 else "BJ02")],
                )
            )
        )
    await moved.tell(2, waybill="560000000100")
    await moved.notify.drained()
    moved.until(due_at - 3 * HOUR)
    found = await moved.wait_for([("fines_ahead", "BJ02"), ("fines_ahead", "SH03")])
    (notice,) = [one for one in found if one["site"] == "BJ02"]
    assert "58 票" in notice["title"]
    assert "2900.00" in notice["title"]
    assert notice["body"].count("\n- 56") == 50
    assert "另有 8 票" in notice["body"]
    assert "560000000100" not in notice["body"]
    assert "waybill" not in notice


async def test_the_time_to_appeal_is_reminded_of_unless_it_was_used(moved: Moved) -> None:
    decided_at = moved.clock.now()
    waybills = {"560000000001": "active", "560000000002": "frozen", "560000000003": "revoked"}
    for waybill, state in waybills.items():
        common = {"network": moved.network, "waybill": waybill, "decided_at": decided_at}
        await moved.notify.told(record_of(verdict(1, finding(awards=[]), **common)))
        if state != "active":
            await moved.notify.told(record_of(verdict(2, finding(awards=[], state=state), **common)))
    before = await moved.notices()
    (end,) = {one["due_at"] for one in before if "due_at" in one}
    reminded_at = datetime.fromisoformat(end) - 24 * HOUR
    moved.until(reminded_at - MINUTE)
    await nothing_is_due(moved)
    assert len(await moved.notices()) == len(before)
    moved.until(reminded_at)
    await nothing_is_due(moved)
    (closing,) = [one for one in await moved.notices() if one["occasion"] == "appeal_closing"]
    assert (closing["waybill"], closing["site"], closing["due_at"]) == ("560000000001", "BJ02", end)
    moved.until(reminded_at + 48 * HOUR)
    await nothing_is_due(moved)
    assert len(await moved.notices()) == len(before) + 1


async def test_the_insurer_desk_hears_of_insured_parcels(moved: Moved) -> None:
    insured = finding(finding_id="YD-05/BJ02", rule="YD-05", kind="liability", amount_fen=0, awards=[])
    await moved.notify.told(record_of(verdict(1, insured, network=moved.network)))
    await moved.wait_for([("finding_issued", "BJ02"), ("insurer_informed", "HQ-INSURER")])


async def test_what_is_queued_is_withdrawn_when_it_becomes_void(moved: Moved) -> None:
    network = moved.network
    # Until an appeal closes: what is due before the quiet hours end would leave at once.
    about = {"network": network, "decided_at": moved.clock.now()}
    await moved.notify.knows(site_of(network, "BJ02", email="bj02@example.com"))
    await choose_quiet(moved, "BJ02")
    await moved.tell(1, moved.duty("complaint"))
    await moved.notify.told(record_of(verdict(1, finding(awards=[]), **about)))
    queued = [one for one in await moved.notices() if one["channel"] == "email"]
    assert [(one["occasion"], one["state"]) for one in queued] == [
        ("complaint_opened", "queued"),
        ("finding_issued", "queued"),
    ]
    await moved.tell(2)
    await moved.notify.told(record_of(verdict(2, finding(awards=[], state="revoked"), **about)))
    now = {one["occasion"]: one["state"] for one in await moved.notices() if one["channel"] == "email"}
    assert now == {
        "complaint_opened": "withdrawn",
        "finding_issued": "withdrawn",
        "finding_revoked": "queued",
    }
    in_app = {one["state"] for one in await moved.notices() if one["channel"] == "in_app"}
    assert in_app == {"delivered"}
    await moved.tell(3, moved.duty("complaint"))
    again = [one["state"] for one in await moved.notices() if one["occasion"] == "complaint_opened"]
    assert sorted(again) == ["delivered", "queued"], "it holds again, and is the same notice"


async def test_what_comes_and_goes_in_one_batch_never_leaves(
    parts: Parts, database: DatabaseFactory, tmp_path: Path
) -> None:
    process = NotifyProcess(
        parts.bootstrap_servers,
        database("notify"),
        FAULTLINE_CLOCK_FILE=str(tmp_path / "clock.json"),
        FAULTLINE_CONSUMER_GROUP=f"batch-{new_network()}",
        # The group reads the topics from their beginning: no limit may part the two records.
        FAULTLINE_BATCH_RECORDS_MAX="1000000",
    )
    moved = Moved(process, tmp_path / "clock.json")
    site = site_of(moved.network, "BJ02", email="bj02@example.com")
    try:
        await process.start()
        await process.knows(site)
        process.stop()
        lists = [[moved.duty("complaint")], []]
        revisions = [
            DutiesData(
                network=moved.network,
                waybill=WAYBILL,
                revision=revision,
                as_of=moved.clock.now(),
                duties=listed,
            )
            for revision, listed in enumerate(lists, 1)
        ]
        # Sent together, they are fetched together.
        await process.publish(*map(duties_record, revisions))
        await process.start()
        await process.drained()
        notices = {one["channel"]: one["state"] for one in await moved.notices()}
        events = [
            msgspec.json.decode(record.value)
            for record in await published(process.settings, NOTICES_TOPIC, moved.network)
        ]
    finally:
        process.stop()
    assert notices == {"in_app": "delivered", "email": "withdrawn"}
    assert {event["data"]["channel"] for event in events} == {"in_app"}


async def test_after_an_outage_nobody_is_reminded_of_what_was_done_meanwhile(
    parts: Parts, database: DatabaseFactory, tmp_path: Path
) -> None:
    process = NotifyProcess(
        parts.bootstrap_servers,
        database("notify"),
        FAULTLINE_CLOCK_FILE=str(tmp_path / "clock.json"),
        FAULTLINE_CONSUMER_GROUP=f"outage-{new_network()}",
        FAULTLINE_REMINDER_POLL_MS="10",
    )
    moved = Moved(process, tmp_path / "clock.json")
    contact = moved.duty("contact", due_at=moved.opened_at + 24 * HOUR)
    try:
        await process.start()
        await moved.tell(1, contact)
        await moved.tell(1, contact, waybill="560000000002")
        process.stop()
        moved.until(moved.opened_at + 21 * HOUR)
        done = DutiesData(
            network=moved.network, waybill=WAYBILL, revision=2, as_of=moved.clock.now(), duties=[]
        )
        await process.publish(duties_record(done))
        await process.start()
        found = await moved.wait_for([("contact_due", "BJ02")])
        await process.drained()
        await nothing_is_due(moved)
        assert len(await moved.notices()) == 1
    finally:
        process.stop()
    assert [one["waybill"] for one in found] == ["560000000002"]


async def choose_quiet(moved: Moved, site: str) -> None:
    """Have quiet hours around the present moment, so that nothing leaves during the test."""
    local = moved.clock.now() + 8 * HOUR
    body = {
        "quiet_hours": {"from": f"{local - HOUR:%H:%M}", "to": f"{local + 12 * HOUR:%H:%M}"},
        "digest": {"enabled": False},
    }
    async with moved.notify.client() as client:
        answer = await client.put(f"/v1/preferences/{moved.network}/{site}", json=body)
    assert answer.status_code == 200, answer.text


async def test_preferences_are_the_sites_own(moved: Moved) -> None:
    network = moved.network
    await moved.notify.knows(site_of(network, "BJ02"), site_of(network, "GZ01"))
    own = await moved.notify.new_key("/sites/BJ02", network, ["read"])
    desk = await moved.notify.new_key("/desks/d1", network, ["read"])
    path = f"/v1/preferences/{network}/BJ02"
    usual = await moved.notify.get(path, key=own)
    assert usual["digest"] == {"enabled": True, "every_minutes": 5}
    assert usual["channels"]["findings"] == ["webhook", "email"]
    wanted = {
        "channels": {"risks": []},
        "quiet_hours": {"from": "22:00", "to": "07:00"},
        "digest": {"daily_at": "08:00"},
    }
    async with moved.notify.client(own) as client:
        answer = await client.put(path, json=wanted)
        assert answer.status_code == 200, answer.text
        assert (await client.put(f"/v1/preferences/{network}/GZ01", json={})).status_code == 403
    shown_now = await moved.notify.get(path, key=own)
    assert shown_now["channels"]["risks"] == []
    assert shown_now["quiet_hours"] == {"from": "22:00", "to": "07:00"}
    assert shown_now["digest"] == {"enabled": True, "daily_at": "08:00"}
    await moved.notify.get(path, 200, key=desk)
    async with moved.notify.client(desk) as client:
        assert (await client.put(path, json={})).status_code == 403
    await moved.notify.get(f"/v1/preferences/{network}/NOBODY", 404)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"channels": {"gossip": ["email"]}}, "/channels/gossip"),
        ({"channels": {"risks": ["in_app"]}}, "/channels/risks/0"),
        ({"quiet_hours": {"from": "22:00", "to": "22:00"}}, "/quiet_hours"),
        ({"quiet_hours": {"from": "22:00"}}, "/quiet_hours/to"),
        ({"quiet_hours": {"from": "25:00", "to": "07:00"}}, "/quiet_hours/from"),
        ({"quiet_hours": {"from": "22:00+08:00", "to": "07:00"}}, "/quiet_hours/from"),
        ({"digest": {}}, "/digest"),
        ({"digest": {"enabled": False, "daily_at": "08:00"}}, "/digest"),
        ({"digest": {"every_minutes": 0}}, "/digest/every_minutes"),
        ({"digest": {"every_minutes": 5, "daily_at": "08:00"}}, "/digest"),
        ({"language": "zh"}, "/language"),
    ],
)
async def test_bad_preferences_are_refused_where_they_are_bad(
    moved: Moved, body: dict[str, Any], pointer: str
) -> None:
    await moved.notify.knows(site_of(moved.network, "BJ02"))
    async with moved.notify.client() as client:
        answer = await client.put(f"/v1/preferences/{moved.network}/BJ02", json=body)
    assert answer.status_code == 422
    assert pointer in [error["pointer"].removesuffix("/[key]") for error in answer.json()["errors"]]


async def test_two_copies_say_everything_once(
    parts: Parts, database: DatabaseFactory, tmp_path: Path
) -> None:
    url, clock_file = database("notify"), tmp_path / "clock.json"
    environment = {
        "FAULTLINE_CLOCK_FILE": str(clock_file),
        "FAULTLINE_REMINDER_POLL_MS": "20",
        "FAULTLINE_REMINDER_ROWS": "7",
        "FAULTLINE_CONSUMER_GROUP": f"two-{new_network()}",
    }
    copies = [NotifyProcess(parts.bootstrap_servers, url, **environment) for _ in range(2)]
    moved = Moved(copies[0], clock_file)
    contact = moved.duty("contact", due_at=moved.opened_at + 24 * HOUR)
    fines = [
        moved.duty("fine", f"TT-02/S{site}", site=f"S{site}", due_at=moved.opened_at + 30 * HOUR)
        for site in range(3)
    ]
    try:
        await asyncio.gather(*(copy.start() for copy in copies))
        await copies[0].publish(
            *(
                duties_record(
                    DutiesData(
                        network=moved.network,
                        waybill=f"56{number:010d}",
                        revision=1,
                        as_of=moved.clock.now(),
                        duties=[contact, *fines],
                    )
                )
                for number in range(200)
            )
        )
        await copies[0].drained()
        for hours in (20, 24.1, 27):
            moved.until(moved.opened_at + timedelta(hours=hours))
            await nothing_is_due(moved)
        await copies[0].drained()
        notices = await moved.notices()
        events = [
            msgspec.json.decode(record.value)["data"]["notice_id"]
            for record in await published(copies[0].settings, NOTICES_TOPIC, moved.network)
            if b'"notice.queued"' in (record.value or b"")
        ]
    finally:
        for copy in copies:
            copy.stop()
    counted = {occasion: shown(notices).count(occasion) for occasion in set(shown(notices))}
    assert counted == {
        ("contact_due", "BJ02"): 200,
        ("contact_overdue", "HQ-MANAGER"): 200,
        **{("fines_ahead", f"S{site}"): 1 for site in range(3)},
    }
    assert len(events) == len(set(events)) == len(notices)


async def test_a_kill_while_reminders_are_said_loses_none_and_doubles_none(
    parts: Parts, database: DatabaseFactory, tmp_path: Path
) -> None:
    process = NotifyProcess(
        parts.bootstrap_servers,
        database("notify"),
        FAULTLINE_CLOCK_FILE=str(tmp_path / "clock.json"),
        FAULTLINE_CONSUMER_GROUP=f"kill-{new_network()}",
        FAULTLINE_REMINDER_POLL_MS="10",
        FAULTLINE_REMINDER_ROWS="2",
    )
    moved = Moved(process, tmp_path / "clock.json")
    contact = moved.duty("contact", due_at=moved.opened_at + 24 * HOUR)
    connection = await asyncpg.connect(process.settings.database_url)

    async def some_said() -> bool:
        return bool(
            await connection.fetchval("SELECT count(*) FROM notices WHERE network = $1", moved.network)
        )

    try:
        await process.start()
        await process.told(
            *(
                duties_record(
                    DutiesData(
                        network=moved.network,
                        waybill=f"56{number:010d}",
                        revision=1,
                        as_of=moved.clock.now(),
                        duties=[contact],
                    )
                )
                for number in range(500)
            )
        )
        moved.until(moved.opened_at + 21 * HOUR)
        await until(some_said, "reminders are being said")
        process.stop(signal.SIGKILL)
        left = await connection.fetchval("SELECT count(*) FROM reminders WHERE about = 'duty/contact/C1'")
        assert left > 500, "it was killed in the middle: reminders are left beside the 500 escalations"
        await process.start()
        await moved.wait_for([("contact_due", "BJ02")] * 500)
        await process.drained()
        events = [
            msgspec.json.decode(record.value)["data"]["notice_id"]
            for record in await published(process.settings, NOTICES_TOPIC, moved.network)
        ]
    finally:
        await connection.close()
        process.stop()
    assert len(set(events)) == 500


async def test_a_database_that_knew_verdicts_only_reads_duties_from_their_beginning(
    parts: Parts, database: DatabaseFactory
) -> None:
    network, now = new_network(), Clock().now()
    group = f"old-{network}"
    process = NotifyProcess(parts.bootstrap_servers, database("notify"), FAULTLINE_CONSUMER_GROUP=group)
    await process.publish(
        record_of(verdict(1, finding(), network=network)),
        duties_record(
            DutiesData(
                network=network,
                waybill=WAYBILL,
                revision=1,
                as_of=now,
                duties=[duty("complaint", begun_at=now)],
            )
        ),
    )
    engine = create_engine(process.settings)
    ends = await end_offsets(process.settings, VERDICTS_TOPIC)
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade, "0002")
        stored = [
            {"consumer_group": group, "partition": number, "epoch": 1, "owner": "old", "positions": [end]}
            for number, end in ends.items()
        ]
        await connection.execute(insert(partition_positions), stored)
    await engine.dispose()
    try:
        await process.start()
        await process.drained()
        items = await process.items(network=network)
    finally:
        process.stop()
    # The verdict was read before the change, and is not read again.
    assert [one["occasion"] for one in items] == ["complaint_opened"]


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "services/notify/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
