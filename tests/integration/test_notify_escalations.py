"""Nobody is told that a term was missed which was kept, however far arbitration is behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from shared.db import create_engine, migrate
from shared.settings import ServiceSettings
from tests.support.moved import MINUTE, Moved, own_notify
from tests.support.notify import complete_records, upgrade_notify
from tests.support.parts import DatabaseFactory, Parts
from tests.unit.notify.duties import HOUR

pytestmark = pytest.mark.stack
KEPT, MISSED, LATER = (f"56000000000{number}" for number in range(1, 4))


@pytest.fixture
async def behind(parts: Parts, database: DatabaseFactory, tmp_path: Path) -> AsyncIterator[Moved]:
    """Notify that has not heard of any completeness."""
    url = database("notify")
    async with own_notify(parts, url, tmp_path, FAULTLINE_REMINDER_POLL_MS="20") as moved:
        await moved.notify.start()
        await moved.notify.drained()
        # Other tests have said on the same topic that all is complete, by clocks of their own.
        connection = await asyncpg.connect(url)
        await connection.execute("DELETE FROM duties_complete")
        await connection.close()
        yield moved


async def test_an_escalation_waits_for_what_arbitration_has_not_read_yet(behind: Moved) -> None:
    moved, due_at = behind, behind.opened_at + 24 * HOUR
    contact = moved.duty("contact", due_at=due_at)
    follow_up = moved.duty("follow_up", site=None, desk="desk1", due_at=due_at)
    for waybill in (KEPT, MISSED):
        await moved.tell(1, contact, follow_up, waybill=waybill)
    reminders = [("follow_up_due", "DESK1")] * 2
    await moved.wait_for(reminders)
    # Reminded of four hours before: it shows that notify has looked at what is due.
    await moved.tell(1, moved.duty("contact", due_at=due_at + 4 * HOUR + MINUTE), waybill=LATER)
    await moved.notify.told(*complete_records(moved.notify.settings, due_at))
    await moved.until(due_at + 2 * MINUTE, complete=False)
    reminders.append(("contact_due", "BJ02"))
    await moved.wait_for(reminders)

    await moved.tell(2, waybill=KEPT)
    await moved.complete()
    found = await moved.wait_for(
        [
            *reminders,
            ("contact_overdue", "HQ-MANAGER"),
            ("follow_up_overdue", "DESK1"),
            ("follow_up_overdue", "HQ-MANAGER"),
        ]
    )
    assert {one["waybill"] for one in found if one["occasion"].endswith("_overdue")} == {MISSED}


async def test_what_is_found_late_waits_for_a_later_completeness_and_none_goes_back(behind: Moved) -> None:
    moved = behind
    await moved.until(moved.opened_at + 30 * HOUR)
    said_at = moved.clock.now()
    await moved.until(said_at + MINUTE, complete=False)
    contact = moved.duty("contact", due_at=moved.opened_at + 24 * HOUR)
    settle = moved.duty("settle", due_at=moved.opened_at + 50 * HOUR)
    await moved.tell(1, contact, settle, waybill=KEPT)
    await moved.wait_for([("settle_due", "BJ02")])

    await moved.tell(2, settle, waybill=KEPT)
    await moved.tell(1, contact, waybill=MISSED)
    await moved.complete()
    # From a process that was frozen.
    await moved.notify.told(*complete_records(moved.notify.settings, said_at))
    found = await moved.wait_for([("settle_due", "BJ02"), ("contact_overdue", "HQ-MANAGER")])
    await moved.nothing_is_due()
    assert [one["waybill"] for one in found] == [KEPT, MISSED]


async def test_escalations_planned_by_an_older_version_wait_too(
    parts: Parts, database: DatabaseFactory
) -> None:
    settings = ServiceSettings(
        kafka_bootstrap_servers=parts.bootstrap_servers, database_url=database("notify")
    )
    engine = create_engine(settings)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade_notify, "0005")
        for occasion in ("contact_due", "contact_overdue"):
            await connection.execute(_OLD, {"occasion": occasion})
    await migrate(engine, "notify")
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT about, escalation FROM reminders ORDER BY about"))
        assert [tuple(row) for row in rows] == [("contact_due", False), ("contact_overdue", True)]
    await engine.dispose()


_OLD = text(
    """INSERT INTO reminders (reminder_id, subject, about, remind_at, urgency, partition, content)
    SELECT gen_random_uuid(), 's', CAST(:occasion AS text), now(), 0, 0,
        convert_to(json_build_object('occasion', CAST(:occasion AS text))::text, 'UTF8')"""
)
