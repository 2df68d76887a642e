"""Operations, scorecards and registers in Chromium: live, accessible, narrow and wide, without JavaScript."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.support.browser import Visits, accessible

pytestmark = pytest.mark.stack

PAGES = (
    "/operations",
    "/operations/dead-letters",
    "/operations/parked",
    "/scorecards",
    "/registers/bulletin",
    "/registers/receipts?view=open",
)
LOOKS = [("en", 1280, False), ("zh", 360, True), ("zh", 2560, False)]


@pytest.mark.parametrize(("language", "width", "dark"), LOOKS)
async def test_pages_are_accessible(visits: Visits, language: str, width: int, dark: bool) -> None:
    page = await visits.open(PAGES[0], language="zh" if language == "zh" else "en", width=width, dark=dark)
    for path in PAGES:
        await page.goto(path)
        name = path.strip("/").partition("?")[0].replace("/", "-")
        await accessible(page, f"{name}-{language}-{width}")


async def test_operations_are_live(visits: Visits) -> None:
    page = await visits.open("/operations")
    await expect(page.locator("[data-live-state]")).to_have_text("Live")
    shown = page.locator("#processes time")
    before = await shown.get_attribute("datetime")
    await expect(shown).not_to_have_attribute("datetime", before or "")
    await expect(page.locator("#flow path.line-1")).to_have_count(1)


async def test_operations_can_be_read_without_scripts(visits: Visits) -> None:
    page = await visits.open("/operations", javascript=False)
    await expect(page.locator("#processes tbody tr")).to_have_count(5)
    await page.get_by_role("link", name="Reload").click()
    await expect(page.locator("h1")).to_have_text("Operations")
