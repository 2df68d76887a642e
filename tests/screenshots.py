"""`make screenshots`: pictures of the console for the README, taken of the running demo into docs/images."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

from faultline import sample
from faultline.access import require_local_client
from faultline.stack import control
from faultline.stack.settings import DATABASE_ROLES
from faultline.stack.state import Home, Secrets
from shared.clock import Clock
from tests.support.browser import LAUNCH_ARGS, chromium

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH, HEIGHT = 1280, 900
_TRAFFIC_S = 150
"""Operations is shown at work: parcels of a second sample come in while its chart fills."""


def main() -> None:
    """Take every picture; ends with a line that says what is missing."""
    home = Home.find()
    urls = {row["name"]: row["url"] for row in control.status(home)["services"] if row["state"] == "up"}
    browser = chromium()
    if browser is None or not {"console", "arbitration"} <= urls.keys():
        sys.exit("Pictures need Chromium (apt-get install chromium fonts-noto-cjk) and the demo: make demo.")
    key = Secrets.load_or_create(home, DATABASE_ROLES).operator_key
    pages = {"case": _telling_case(urls["arbitration"], key), "desk": "/desk", "operations": "/operations"}
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=browser, args=LAUNCH_ARGS)
        page = chrome.new_page(
            base_url=urls["console"], viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB"
        )
        page.goto("/sign-in")
        page.fill("[name=key]", key)
        page.click("main button")
        for name, path in pages.items():
            if name == "operations":
                page.goto(path)
                _send_parcels(home)
            _picture(page, path, IMAGES / f"{name}.png")
        chrome.close()


def _picture(page: Page, path: str, file: Path) -> None:
    page.goto(path)
    page.screenshot(path=file)
    sys.stdout.write(f"{file.name}: {path}\n")


def _send_parcels(home: Home) -> None:
    """A little traffic, more and less, through intake."""
    with require_local_client(home) as client:
        now = Clock(home.clock_file).now()
        events = [event for parcel in sample.generate(now, seed=2, parcels=2_400) for event in parcel.events]
        key = client.create_key("/operators/pictures", ["publish", "backfill"])
        began_s, sent = time.monotonic(), 0
        with client.with_key(key["key"]) as sender:
            while sent < len(events) and (passed_s := time.monotonic() - began_s) < _TRAFFIC_S:
                chunk = events[sent : sent + int(150 + 90 * math.sin(passed_s / 12))]
                sender.publish(chunk)
                sent += len(chunk)
                time.sleep(1)
        client.revoke_key(key["key_id"])


def _telling_case(url: str, key: str) -> str:
    """The page of a case in which several sites answer for delay: its drawing has most to show."""
    headers = {"Authorization": f"Bearer {key}"}
    listed = httpx.get(
        f"{url}/v1/cases", params={"network": "tiantian", "rule": "TT-04", "limit": 100}, headers=headers
    ).json()["items"]
    most = max(listed, key=lambda case: len(case["verdict"]["findings"]))
    return f"/cases/{most['network']}/{most['waybill']}"


if __name__ == "__main__":
    main()
