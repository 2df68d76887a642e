"""The case page and the what-if box in Chromium: seen, used by keyboard, in both languages, narrow and dark."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.async_api import expect

from tests.support.browser import Visits, accessible
from tests.support.fresh import fresh
from tests.support.hostile import SCRIPT, hostile_events
from tests.support.line import wait
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

ZONE = ZoneInfo("Asia/Shanghai")
LOOKS = [("en", 1280, False), ("zh", 1280, True), ("en", 360, True), ("zh", 360, False), ("en", 2560, False)]


def publish(stack: Stack, events: list[dict[str, Any]]) -> None:
    headers = {**stack.headers, "Content-Type": "application/cloudevents-batch+json"}
    with httpx.Client(headers=headers, trust_env=False, timeout=30) as client:
        answer = client.post(f"{stack.urls['intake']}/v1/events", content=json.dumps(events))
        assert answer.status_code == 202, answer.text


def wait_for(stack: Stack, waybill: str, version: int) -> None:
    url = f"{stack.urls['arbitration']}/v1/cases/tiantian/{waybill}"
    with httpx.Client(headers=stack.headers, trust_env=False, timeout=30) as client:

        def is_there() -> bool:
            verdict = client.get(url).json().get("verdict") or {}
            entries = f"{stack.urls['penalties']}/v1/waybills/tiantian/{waybill}/entries"
            return verdict.get("version", 0) >= version and bool(client.get(entries).json()["items"])

        wait(lambda: is_there() or None, lambda: f"version {version} is decided and booked")


@pytest.fixture(scope="module")
def late(stack: Stack) -> str:
    """A parcel that its hub kept for days, and then a report of the delay: two versions of a verdict."""
    waybill = f"CASE{fresh(8)}"
    begin = datetime(2026, 3, 2, 10, tzinfo=ZONE)

    def event(number: int, site: str, kind: str, hours: float, /, **data: Any) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": f"/sites/{site}",
            "type": kind,
            "subject": f"tiantian/{waybill}",
            "time": (begin + timedelta(hours=hours)).isoformat(),
            "data": {"site": site, **data},
        }

    publish(
        stack,
        [
            event(1, "GZ01", "scan.collected", 0, scope="inter_province", destination_site="BJ02"),
            event(2, "GZ01", "scan.departed", 8, next_site="HUB-A"),
            event(3, "HUB-A", "scan.arrived", 20, previous_site="GZ01", via="bag"),
            event(4, "HUB-A", "scan.departed", 120, next_site="BJ02"),
            event(5, "BJ02", "scan.out_for_delivery", 140),
            event(6, "BJ02", "signature.recorded", 143, signer="addressee"),
        ],
    )
    wait_for(stack, waybill, 1)
    publish(stack, [event(7, "BJ02", "report.filed", 144, report_id="R1", kind="delay")])
    wait_for(stack, waybill, 2)
    return waybill


@pytest.fixture(scope="module")
def hostile(stack: Stack) -> str:
    """A parcel with hostile text in every free field of every kind of event."""
    waybill = f"EVIL{fresh(8)}"
    events = [
        event
        for event in hostile_events(f"tiantian/{waybill}", datetime(2026, 3, 2, 10, tzinfo=ZONE))
        if event["type"] != "redirect.requested" or "new_recipient" not in event["data"]
    ]
    publish(stack, events)
    url = f"{stack.urls['arbitration']}/v1/cases/tiantian/{waybill}"
    with httpx.Client(headers=stack.headers, trust_env=False, timeout=30) as client:

        def is_decided() -> bool:
            return bool((client.get(url).json().get("verdict") or {}).get("findings"))

        wait(lambda: is_decided() or None, lambda: "the hostile parcel is decided")
    return waybill


@pytest.mark.parametrize(("language", "width", "dark"), LOOKS)
async def test_a_case_looks_right_everywhere(
    visits: Visits, late: str, language: str, width: int, dark: bool
) -> None:
    page = await visits.open(f"/cases/tiantian/{late}?lang={language}", width=width, dark=dark)
    await expect(page.locator(".mark[data-event]")).to_have_count(7)
    await expect(page.locator(".lane.liable .name", has_text="HUB-A")).to_be_visible()
    await expect(page.locator(".bar.late")).not_to_have_count(0)
    await expect(page.locator(".bar.gap")).not_to_have_count(0)
    await accessible(page, f"case-{language}-{width}-{'dark' if dark else 'light'}")


async def test_an_evidence_lights_its_mark_and_its_row(visits: Visits, late: str) -> None:
    page = await visits.open(f"/cases/tiantian/{late}")
    link = page.locator(".finding-sheet", has_text="TT-04").locator("a[data-event]").first
    key = await link.get_attribute("data-event")
    for act in (link.hover, link.focus):
        await page.mouse.move(0, 0)
        await act()
        await expect(page.locator(".drawing .mark.lit")).to_have_attribute("data-event", key or "")
        await expect(page.locator("tr.lit")).to_have_attribute("data-event", key or "")
        await link.blur()
        await page.mouse.move(0, 0)
        await expect(page.locator(".lit")).to_have_count(0)
    await link.click()
    await expect(page.locator("tr:target")).to_have_attribute("data-event", key or "")


async def test_what_was_known_when(visits: Visits, late: str) -> None:
    page = await visits.open(f"/cases/tiantian/{late}")
    await expect(page.locator(".versions .change-added", has_text="TT-04/HUB-A")).to_be_visible()
    slider = page.locator("#slider")
    await slider.focus()
    await page.keyboard.press("Home")
    await expect(page.locator(".past")).to_be_visible()
    await expect(page).to_have_url(re.compile("as_of="))
    await expect(slider).to_be_focused()
    await page.keyboard.press("End")
    await expect(page.locator(".past")).to_have_count(0)
    await expect(page.locator(".finding-sheet", has_text="TT-04 fine · HUB-A")).to_be_visible()


async def test_nothing_is_done_from_a_page_of_the_past(visits: Visits, late: str, stack: Stack) -> None:
    page = await visits.open(f"/cases/tiantian/{late}")
    finding = page.locator(".finding-sheet", has_text="TT-04 fine · HUB-A")
    await expect(finding.locator("a[href*='/ruling']")).to_have_count(1)
    local = stack.now() + timedelta(hours=8)
    await page.goto(f"/cases/tiantian/{late}?as_of={local:%Y-%m-%dT%H:%M:%S}")
    await expect(finding).to_be_visible()
    await expect(page.locator("a[href*='/ruling'], a[href*='/decision'], a[href*='/appeal']")).to_have_count(
        0
    )


async def test_without_javascript_the_past_is_a_form(visits: Visits, late: str) -> None:
    page = await visits.open(f"/cases/tiantian/{late}", javascript=False)
    await expect(page.locator(".mark[data-event]")).to_have_count(7)
    await page.fill("[name=as_of]", "2026-03-02T12:00:00")
    await page.click(".as-of button")
    await expect(page.locator(".past time")).to_have_text("2026-03-02 12:00:00")
    await expect(page.locator(".finding-sheet")).to_have_count(0)
    await page.goto(f"/cases/tiantian/{late}?as_of=soon")
    await expect(page.locator(".missing")).to_be_visible()


async def test_hostile_text_stays_text(visits: Visits, hostile: str) -> None:
    for path in (f"/cases/tiantian/{hostile}", f"/what-if?network=tiantian&waybill={hostile}"):
        page = await visits.open(path)
        await page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        await expect(page.locator("table").filter(has_text="<script>pwned()").first).to_be_visible()
        assert await page.locator("script:not([src])").count() == 0
        assert await page.locator("[onload]").count() == 0
        assert "{{7*7}}" in (await page.locator("main").inner_text())
        await accessible(page, f"hostile-{path.split('/')[1].split('?')[0]}")


async def test_the_what_if_box_judges_while_one_types(visits: Visits, late: str) -> None:
    page = await visits.open(f"/what-if?network=tiantian&waybill={late}")
    await expect(page.locator("#verdict .finding-sheet", has_text="TT-04 fine · HUB-A")).to_be_visible()
    await expect(page.locator(".compared")).to_contain_text("No finding changed")
    events = [event for event in json.loads(await page.input_value("[name=events]")) if event["id"] != "e7"]
    await page.fill("[name=events]", json.dumps(events))
    await expect(page.locator("#verdict .finding-sheet", has_text="TT-04 fine · HUB-A")).to_have_count(0)
    await expect(page.locator(".compared .change-gone", has_text="TT-04/HUB-A")).to_be_visible()
    await page.fill("[name=events]", "[{]")
    await expect(page.locator("#verdict [role=alert]")).to_contain_text("1:3")


@pytest.mark.parametrize(("language", "width", "dark"), LOOKS)
async def test_the_what_if_box_looks_right_everywhere(
    visits: Visits, late: str, language: str, width: int, dark: bool
) -> None:
    path = f"/what-if?network=tiantian&waybill={late}&type=signature.recorded&lang={language}"
    page = await visits.open(path, width=width, dark=dark)
    await accessible(page, f"what-if-{language}-{width}-{'dark' if dark else 'light'}")


async def test_an_event_is_added_by_a_form(visits: Visits, late: str) -> None:
    page = await visits.open(f"/what-if?network=tiantian&waybill={late}", javascript=False)
    await page.select_option("[name=type]", "scan.problem")
    await page.click("button[value=type]")
    await page.click("button[value=add]")
    await expect(page.locator("[name=source][aria-invalid=true]")).to_have_count(1)
    await expect(page.locator("[name='data.reason'][aria-invalid=true]")).to_have_count(1)
    await page.fill("[name=source]", "BJ02")
    await page.fill("[name=time]", "2026-03-08T08:00:00")
    await page.fill("[name='data.site']", "BJ02")
    await page.select_option("[name='data.reason']", "refused")
    await page.fill("[name='data.note']", SCRIPT)
    await page.click("button[value=add]")
    added = json.loads(await page.input_value("[name=events]"))
    assert [event["type"] for event in added].count("scan.problem") == 1
    await expect(page.locator(".mark.problem[data-event='/sites/BJ02/what-if-1']")).to_have_count(1)


async def test_a_list_is_walked_by_keyboard(visits: Visits, late: str) -> None:
    page = await visits.open("/cases?network=tiantian&site=HUB-A")
    await page.keyboard.press("j")
    first = await page.locator("tr.current a").get_attribute("href")
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    await expect(page.locator("[data-search]").first).to_be_focused()
    await page.locator("tr.current a").focus()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(re.escape(str(first))))


@pytest.mark.parametrize("path", ["/", "/cases", "/sign-in", "/cases/tiantian/000000000000"])
@pytest.mark.parametrize(("language", "width", "dark"), LOOKS[:4])
async def test_every_other_page_is_accessible(
    visits: Visits, path: str, language: str, width: int, dark: bool
) -> None:
    page = await visits.open(f"{path}?lang={language}", width=width, dark=dark)
    await accessible(page, f"page{path.replace('/', '-')}-{language}-{width}")
