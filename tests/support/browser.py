"""A real Chromium before the running console: signed in, watched for errors, checked for accessibility."""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from tests.support.stack import Stack

LAUNCH_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = Path("test-results") / "screenshots"
_RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}


def chromium() -> str | None:
    """The system's browser, None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


@dataclass
class Visits:
    """Pages of one test. What the console or a page complained of stands in `complaints`."""

    browser: Browser
    stack: Stack
    rooms: AsyncExitStack
    complaints: list[str] = field(default_factory=list)

    async def open(
        self,
        path: str,
        *,
        key: str | None = None,
        language: Literal["zh", "en"] = "en",
        width: int = 1280,
        dark: bool = False,
        javascript: bool = True,
    ) -> Page:
        """The page at `path`, signed in with `key` (the operator's where None)."""
        url = self.stack.urls["console"]
        context = await self.rooms.enter_async_context(
            await self.browser.new_context(
                base_url=url,
                viewport={"width": width, "height": 900},
                color_scheme="dark" if dark else "light",
                java_script_enabled=javascript,
                locale="zh-CN" if language == "zh" else "en-GB",
            )
        )
        # What tests put into texts calls this where it is taken for a script.
        await context.add_init_script("window.pwned = () => { throw new Error('pwned'); };")
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self._heard(said.type, said.text))
        page.on("request", lambda request: self._asked(request.url, url))
        await page.goto("/sign-in")
        await page.fill("[name=key]", key or self.stack.operator_key)
        await page.click("main button")
        await page.goto(path)
        return page

    def _heard(self, kind: str, text: str) -> None:
        # The browser says of its own accord that a page was answered 4xx, as tests mean it to be.
        if kind in ("error", "warning") and "Failed to load resource" not in text:
            self.complaints.append(text)

    def _asked(self, asked: str, own: str) -> None:
        if not asked.startswith((own, "data:", "blob:")):
            self.complaints.append(f"asked another host: {asked}")


async def accessible(page: Page, name: str) -> None:
    """axe finds nothing wrong with the page, and it is no wider than the screen. Keeps a screenshot as `name`."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    found = await Axe().run(page, options=_RULES)
    assert not found.response["violations"], found.generate_report()
    widths = await page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1], f"{name} is {widths[0]} wide on a screen of {widths[1]}"
