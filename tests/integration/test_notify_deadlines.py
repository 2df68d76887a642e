"""A complaint's whole life as notify tells it, on the real broker and database, with a clock that is moved."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from shared.events.duties import Duty
from tests.support.moved import MINUTE, Moved
from tests.support.notify import site_of
from tests.support.verdicts import record_of
from tests.unit.notify.duties import HOUR
from tests.unit.notify.verdicts import finding, verdict

pytestmark = pytest.mark.stack


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

    await moved.until(opened_at + 20 * HOUR)
    await now_told(("contact_due", "BJ02", opened_at + 20 * HOUR, contact.due_at))
    await moved.until(opened_at + 22 * HOUR)
    await now_told(("progress_due", "DESK1", opened_at + 22 * HOUR, progress.due_at))
    missed = opened_at + 24 * HOUR + timedelta(seconds=1)
    await moved.until(missed)
    await now_told(
        ("contact_overdue", "BJ00", missed, contact.due_at),
        ("contact_overdue", "HQ-MANAGER", missed, contact.due_at),
        ("progress_overdue", "DESK1", missed, progress.due_at),
    )
    # Contacted late: nothing more is said of it.
    await moved.tell(2, complaint, settle)
    await moved.until(opened_at + 48 * HOUR)
    await now_told(("settle_due", "BJ02", opened_at + 48 * HOUR, settle.due_at))

    settled_at = opened_at + 50 * HOUR
    await moved.until(settled_at)
    follow_up = moved.duty(
        "follow_up", rule="SD-05", site=None, desk="desk1", begun_at=settled_at, due_at=settled_at + 72 * HOUR
    )
    await moved.tell(3, follow_up)
    await moved.until(settled_at + 48 * HOUR)
    await now_told(("follow_up_due", "DESK1", settled_at + 48 * HOUR, follow_up.due_at))
    # Closed in time; redelivery and late copies of what was bring nothing back.
    await moved.tell(4)
    await moved.tell(1, complaint, contact, progress, settle)
    await moved.tell(3, follow_up)
    await moved.until(settled_at + 10 * 24 * HOUR)
    await moved.nothing_is_due()
    await now_told()


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
        listed = fine("SH03" if number == 59 else "BJ02")
        await moved.notify.publish(moved.record(1, listed, waybill=f"5600000001{number:02d}"))
    await moved.tell(2, waybill="560000000100")
    await moved.notify.drained()
    await moved.until(due_at - 3 * HOUR)
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
    await moved.until(reminded_at - MINUTE)
    await moved.nothing_is_due()
    assert len(await moved.notices()) == len(before)
    await moved.until(reminded_at)
    await moved.nothing_is_due()
    (closing,) = [one for one in await moved.notices() if one["occasion"] == "appeal_closing"]
    assert (closing["waybill"], closing["site"], closing["due_at"]) == ("560000000001", "BJ02", end)
    await moved.until(reminded_at + 48 * HOUR)
    await moved.nothing_is_due()
    assert len(await moved.notices()) == len(before) + 1


async def test_the_insurer_desk_hears_of_insured_parcels(moved: Moved) -> None:
    insured = finding(finding_id="YD-05/BJ02", rule="YD-05", kind="liability", amount_fen=0, awards=[])
    await moved.notify.told(record_of(verdict(1, insured, network=moved.network)))
    await moved.wait_for([("finding_issued", "BJ02"), ("insurer_informed", "HQ-INSURER")])
