"""What notify tells of deadlines, though processes stop, are killed, come late or are several."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy import insert

from shared.bus.tables import partition_positions
from shared.clock import Clock
from shared.db import create_engine
from shared.events.duties import DutiesData
from tests.support.bus import until
from tests.support.moved import WAYBILL, Moved, own_notify, shown
from tests.support.notify import (
    NOTICES_TOPIC,
    NotifyProcess,
    duties_record,
    published,
    site_of,
    upgrade_notify,
)
from tests.support.parts import DatabaseFactory, Parts
from tests.support.topics import end_offsets
from tests.support.verdicts import VERDICTS_TOPIC, new_network, record_of
from tests.unit.notify.duties import HOUR, duty
from tests.unit.notify.verdicts import finding, verdict

pytestmark = pytest.mark.stack


async def published_notices(moved: Moved, kind: str | None = None) -> list[dict[str, Any]]:
    """The data of the network's notice events on the topic, of all kinds or of one."""
    records = await published(moved.notify.settings, NOTICES_TOPIC, moved.network)
    events = [msgspec.json.decode(record.value or b"") for record in records]
    return [event["data"] for event in events if kind in (None, event["type"])]


async def test_what_comes_and_goes_in_one_batch_never_leaves(
    parts: Parts, database: DatabaseFactory, tmp_path: Path
) -> None:
    # The group reads the topics from their beginning: no limit may part the two records.
    async with own_notify(
        parts, database("notify"), tmp_path, FAULTLINE_BATCH_RECORDS_MAX="1000000"
    ) as moved:
        process = moved.notify
        await process.start()
        await process.knows(site_of(moved.network, "BJ02", email="bj02@example.com"))
        process.stop()
        # Sent together, they are fetched together.
        await process.publish(moved.record(1, moved.duty("complaint")), moved.record(2))
        await process.start()
        await process.drained()
        notices = {one["channel"]: one["state"] for one in await moved.notices()}
        events = await published_notices(moved)
    assert notices == {"in_app": "delivered", "email": "withdrawn"}
    assert {event["channel"] for event in events} == {"in_app"}


async def test_after_an_outage_nobody_is_reminded_of_what_was_done_meanwhile(
    parts: Parts, database: DatabaseFactory, tmp_path: Path
) -> None:
    async with own_notify(parts, database("notify"), tmp_path, FAULTLINE_REMINDER_POLL_MS="10") as moved:
        process = moved.notify
        contact = moved.duty("contact", due_at=moved.opened_at + 24 * HOUR)
        await process.start()
        await moved.tell(1, contact)
        await moved.tell(1, contact, waybill="560000000002")
        process.stop()
        await moved.until(moved.opened_at + 21 * HOUR)
        await process.publish(moved.record(2))
        await process.start()
        found = await moved.wait_for([("contact_due", "BJ02")])
        await process.drained()
        await moved.nothing_is_due()
        assert len(await moved.notices()) == 1
    assert [one["waybill"] for one in found] == ["560000000002"]


async def test_two_copies_say_everything_once(
    parts: Parts, database: DatabaseFactory, tmp_path: Path
) -> None:
    url = database("notify")
    environment = {"FAULTLINE_REMINDER_POLL_MS": "20", "FAULTLINE_REMINDER_ROWS": "7"}
    async with own_notify(parts, url, tmp_path, **environment) as moved:
        process = moved.notify
        contact = moved.duty("contact", due_at=moved.opened_at + 24 * HOUR)
        fines = [
            moved.duty("fine", f"TT-02/S{site}", site=f"S{site}", due_at=moved.opened_at + 30 * HOUR)
            for site in range(3)
        ]
        twin = process.twin()
        await asyncio.gather(process.start(), twin.start())
        await process.told(
            *(moved.record(1, contact, *fines, waybill=f"56{number:010d}") for number in range(200))
        )
        for hours in (20, 24.1, 27):
            await moved.until(moved.opened_at + timedelta(hours=hours))
            await moved.nothing_is_due()
        await process.drained()
        twin.stop()
        notices = await moved.notices()
        queued = [event["notice_id"] for event in await published_notices(moved, "notice.queued")]
    counted = {occasion: shown(notices).count(occasion) for occasion in set(shown(notices))}
    assert counted == {
        ("contact_due", "BJ02"): 200,
        ("contact_overdue", "HQ-MANAGER"): 200,
        **{("fines_ahead", f"S{site}"): 1 for site in range(3)},
    }
    assert len(queued) == len(set(queued)) == len(notices)


async def test_a_kill_while_reminders_are_said_loses_none_and_doubles_none(
    parts: Parts, database: DatabaseFactory, tmp_path: Path
) -> None:
    environment = {"FAULTLINE_REMINDER_POLL_MS": "10", "FAULTLINE_REMINDER_ROWS": "2"}
    url = database("notify")
    connection = await asyncpg.connect(url)
    async with own_notify(parts, url, tmp_path, **environment) as moved:
        process = moved.notify

        async def some_said() -> bool:
            return bool(
                await connection.fetchval("SELECT count(*) FROM notices WHERE network = $1", moved.network)
            )

        await process.start()
        contact = moved.duty("contact", due_at=moved.opened_at + 24 * HOUR)
        await process.told(*(moved.record(1, contact, waybill=f"56{number:010d}") for number in range(500)))
        await moved.until(moved.opened_at + 21 * HOUR)
        await until(some_said, "reminders are being said")
        process.stop(signal.SIGKILL)
        left = await connection.fetchval("SELECT count(*) FROM reminders WHERE about = 'duty/contact/C1'")
        assert left > 500, "it was killed in the middle: reminders are left beside the 500 escalations"
        await process.start()
        await moved.wait_for([("contact_due", "BJ02")] * 500)
        await process.drained()
        events = await published_notices(moved)
    await connection.close()
    assert len({event["notice_id"] for event in events}) == 500


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
        await connection.run_sync(upgrade_notify, "0002")
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
