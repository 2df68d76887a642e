"""What an operator helps along in Chromium: a notice that its receiver refused, a waybill that is parked."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from playwright.async_api import expect

from tests.support.browser import Visits, accessible
from tests.support.bus import until
from tests.support.desk import fined_parcel
from tests.support.fresh import fresh
from tests.support.line import Line, parcel
from tests.support.receiver import Receiver, Request, answers
from tests.support.stack import Stack

pytestmark = pytest.mark.stack
SITE = "HBJ1"


@pytest.fixture(scope="module")
def line(stack: Stack) -> Line:
    return Line(stack)


async def test_a_refused_notice_is_sent_again(visits: Visits, stack: Stack, line: Line) -> None:
    waybill = f"REF{fresh(9)}"
    start = (stack.now() - timedelta(days=4)).replace(hour=1, minute=0, second=0, microsecond=0)

    async def notice() -> dict[str, Any]:
        asked = {"network": "tiantian", "site": SITE, "waybill": waybill}
        # Not in this thread: the receiver answers in it.
        found = await asyncio.to_thread(line.get, "notify", "/v1/notices", **asked)
        return next(
            (one for one in found["items"] if one["channel"] == "webhook"), {"state": None, "attempts": []}
        )

    async with Receiver().running() as receiver:
        receiver.behave["/notices"] = answers(422)
        record = {"name": SITE, "kind": "hub", "webhook": receiver.url("/notices"), "language": "en"}
        await asyncio.to_thread(line.put, "intake", f"/v1/sites/tiantian/{SITE}", record)
        made = await asyncio.to_thread(line.post, "notify", f"/v1/webhook-secrets/tiantian/{SITE}")
        assert made.status_code == 201, made.text
        await asyncio.to_thread(line.publish, parcel(f"tiantian/{waybill}", start, unscanned=SITE))
        tried = -1

        def sent() -> list[Request]:
            """What came of this waybill: the clock's moves may bring the week's report as well."""
            return [one for one in receiver.of("/notices") if waybill.encode() in one.body]

        async def failed() -> bool:
            nonlocal tried
            found = await notice()
            if found["state"] == "queued" and len(found["attempts"]) > tried:
                # The next attempt is minutes away.
                tried = len(found["attempts"])
                stack.advance_clock(timedelta(minutes=5))
            return bool(found["state"] == "failed")

        await until(failed, "the notice is given up")
        refused = len(sent())
        assert refused > 1

        page = await visits.open("/operations")
        await page.locator(f'#failed a[href$="{SITE}/notices?state=failed"]').first.click()
        row = page.locator("tbody tr", has=page.locator(".state-failed"))
        await accessible(page, "notices-failed")
        receiver.behave["/notices"] = answers(204)
        await row.get_by_role("button", name="Send again").click()

        async def delivered() -> bool:
            return bool((await notice())["state"] == "delivered")

        await until(delivered, "the receiver has taken it")
        assert len(sent()) == refused + 1
        assert len({one.id for one in sent()}) == 1, "under the same id"
        await page.goto(f"/outlet/tiantian/{SITE}/notices?waybill={waybill}&state=delivered")
        await expect(page.locator("tbody tr", has_text="Webhook")).to_have_count(1)
        await expect(page.get_by_role("button", name="Send again")).to_have_count(0)


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_parked_waybill_is_tried_again_from_the_list(
    visits: Visits, stack: Stack, line: Line, javascript: bool
) -> None:
    waybill = fined_parcel(line)
    connection = await asyncpg.connect(stack.database_url("arbitration"))
    await connection.execute(
        "INSERT INTO parked SELECT subject, partition, now(), 'ValueError: x', 1 FROM cases WHERE subject = $1",
        f"tiantian/{waybill}",
    )
    await connection.close()
    page = await visits.open("/operations/parked?network=tiantian", javascript=javascript)
    row = page.locator("tbody tr", has_text=waybill)
    for answer in ("change", "yes"):
        await row.get_by_role("link", name="Try again").click()
        if javascript:
            await accessible(page, "parked-retry")
        await page.locator(f"form:has([name=confirmed][value={answer}]) button").click()
        await page.wait_for_url("**/operations/parked?network=tiantian")
        if answer == "change":
            await expect(row).to_have_count(1)

    async def gone() -> bool:
        await page.reload()
        return await row.count() == 0

    await until(gone, "the waybill is decided again")
