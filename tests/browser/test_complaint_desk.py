"""The complaint desk in Chromium: a complaint is opened, its customer contacted, settled and closed; its clock stops."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import Visits, accessible
from tests.support.bus import until
from tests.support.desk import fined_parcel, new_key
from tests.support.line import Line
from tests.support.stack import Stack

pytestmark = pytest.mark.stack


class Desk:
    """Somebody of the desk before a browser. `looks`: the name of the screenshots, None where no script can look."""

    def __init__(self, page: Page, looks: str | None) -> None:
        self.page = page
        self.looks = looks

    async def look(self, name: str) -> None:
        if self.looks is not None:
            await accessible(self.page, f"complaint-{name}-{self.looks}")

    async def send(self, name: str) -> None:
        """Go on with the form, see what will happen, confirm it."""
        await self.look(name)
        await self.page.locator("main form.sheet button").click()
        await self.look(f"{name}-check")
        await self.page.locator("form:has([name=confirmed][value=yes]) button").click()
        await expect(self.page.locator(".told")).to_have_count(1)

    async def until_listed(self, path: str, state: str) -> None:
        """Look at the list until its only complaint is in `state`."""

        async def there() -> bool:
            await self.page.goto(path)
            return await self.page.locator(f"tbody .complaint_state-{state}").count() == 1

        await until(there, f"the complaint is {state}")


@pytest.mark.parametrize(
    ("language", "width", "dark", "javascript"),
    [("en", 1280, False, True), ("zh", 360, True, True), ("zh", 1280, False, False)],
)
async def test_a_complaint_runs_its_course_and_its_clock_stops(
    visits: Visits, stack: Stack, language: Literal["zh", "en"], width: int, dark: bool, javascript: bool
) -> None:
    waybill = fined_parcel(Line(stack))
    key = new_key(stack, "/desks/cs", "read", "publish")
    at, listed = f"/cases/tiantian/{waybill}", f"/complaints?view=all&network=tiantian&waybill={waybill}"
    page = await visits.open(at, key=key, language=language, width=width, dark=dark, javascript=javascript)
    desk = Desk(page, f"{language}-{width}" if javascript else None)

    await page.locator(f'main a[href^="/complaints/new"][href$="{waybill}"]').click()
    for name, value in (("channel", "phone"), ("category", "attitude"), ("claimant", "recipient")):
        await page.select_option(f"[name={name}]", value)
    await page.fill("[name=text]", "He shouted <b>at me</b>")
    await desk.send("open")
    await desk.until_listed(listed, "open")
    await expect(page.locator(".countdown")).to_have_count(1)
    await page.goto(at)
    await expect(
        page.locator('main a[href^="/complaint-acts/reply/"][href$="?outcome=contacted"]')
    ).to_have_count(1)
    await desk.look("case")

    await page.goto(listed)
    await page.locator('tbody a[href^="/complaint-acts/reply/"][href$="?outcome=contacted"]').click()
    await expect(page.locator("[name=outcome]")).to_have_value("contacted")
    await expect(page.locator("[name=site]")).to_have_value("BJ02")
    await page.fill("[name=text]", "apologised by phone")
    await desk.send("contact")
    await desk.until_listed(listed, "contacted")

    await page.locator("tbody th a").click()
    await page.locator('aside a[href^="/complaint-acts/settle/"]').click()
    await desk.send("settle")
    await desk.until_listed(listed, "settled")
    await expect(page.locator(".countdown")).to_have_count(1)

    await page.locator('tbody a[href^="/complaint-acts/close/"]').click()
    await page.select_option("[name=satisfied]", "yes")
    await page.select_option("[name=class]", "service_quality")
    await desk.send("close")
    await desk.until_listed(listed, "closed")
    await expect(page.locator(".countdown")).to_have_count(0)

    await page.locator("tbody th a").click()
    await expect(page.locator("article .kept")).to_have_count(5)
    await expect(page.locator("article .over")).to_have_count(0)
    await expect(page.locator("article")).to_contain_text("He shouted <b>at me</b>")
    await desk.look("closed")
    await page.locator('aside a[href^="/complaint-acts/classify/"]').click()
    await expect(page.locator("[name=class]")).to_have_value("service_quality")
    await page.select_option("[name=class]", "not_ours")
    await desk.send("classify")

    async def reclassified() -> bool:
        await page.reload()
        other = {"zh": "非公司责任", "en": "not the company's responsibility"}[language]
        return other in await page.locator("article").inner_text()

    await until(reclassified, "the other class is shown")
