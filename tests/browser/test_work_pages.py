"""Work lists, decisions and registers in Chromium: used by keyboard and without JavaScript, narrow, wide and dark."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import Visits, accessible
from tests.support.desk import HUB, fined_parcel, new_key
from tests.support.line import Line, event, wait
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

LOOKS: list[tuple[Literal["zh", "en"], int, bool]] = [
    ("en", 1280, False),
    ("zh", 360, True),
    ("en", 2560, False),
]
HOME = f"/outlet/tiantian/{HUB}"
COMPLAINT = "CBROWSER1"


@pytest.fixture(scope="module")
def line(stack: Stack) -> Line:
    return Line(stack)


@pytest.fixture(scope="module")
def waybill(line: Line) -> str:
    """A fined parcel about which somebody complained."""
    number = fined_parcel(line)
    opened = {
        "channel": "phone",
        "category": "loss",
        "claimant": "recipient",
        "text": "Nothing came",
        "major": True,
    }
    line.publish(
        [
            event(
                f"tiantian/{number}",
                "/desks/cs",
                "complaint.opened",
                line.stack.now(),
                "c1",
                complaint_id=COMPLAINT,
                **opened,
            )
        ]
    )
    asked = {"network": "tiantian", "waybill": number}
    wait(
        lambda: line.get("arbitration", "/v1/complaints", **asked)["items"] or None,
        lambda: "the complaint is listed",
    )
    return number


@pytest.fixture(scope="module")
def hub_key(stack: Stack) -> str:
    return new_key(stack, f"/sites/{HUB}", "read", "publish")


@pytest.fixture(scope="module")
def officer_key(stack: Stack) -> str:
    return new_key(stack, "/desks/arbitration", "read", "publish", "decide")


@pytest.mark.parametrize(("language", "width", "dark"), LOOKS)
async def test_work_pages_look_right_everywhere(
    visits: Visits, waybill: str, language: Literal["zh", "en"], width: int, dark: bool
) -> None:
    page = await visits.open("/desk?view=open", language=language, width=width, dark=dark)
    paths = {
        "desk": "/desk?view=open",
        "complaints": f"/complaints?view=all&waybill={waybill}&network=tiantian",
        "complaint-form": f"/complaints/tiantian/{waybill}/{COMPLAINT}",
        "complaint-new": f"/complaints/new?network=tiantian&waybill={waybill}",
        "complaint-reply": f"/complaint-acts/reply/tiantian/{waybill}/{COMPLAINT}?outcome=contacted",
        "complaint-close": f"/complaint-acts/close/tiantian/{waybill}/{COMPLAINT}",
        "parked-retry": f"/parked/tiantian/{waybill}/retry?back=/operations/parked",
        "outlet": HOME,
        "statement": f"{HOME}/statements/{month_of(await page.evaluate('Date.now()'))}",
        "notices": f"{HOME}/notices",
        "ruling": f"/cases/tiantian/{waybill}/ruling",
        "periods": "/periods?network=tiantian",
        "queues": "/registers/complaints?queue=claims",
        "ranking": "/registers/ranking?network=tiantian",
    }
    for name, path in paths.items():
        await page.goto(path)
        await expect(page.locator(".missing")).to_have_count(0)
        await accessible(page, f"{name}-{language}-{width}-{'dark' if dark else 'light'}")


def month_of(now_ms: float) -> str:
    """The month in the networks' zone."""
    return datetime.fromtimestamp(now_ms / 1000, ZoneInfo("Asia/Shanghai")).strftime("%Y-%m")


async def test_an_outlet_appeals_and_an_officer_decides(
    visits: Visits, line: Line, hub_key: str, officer_key: str
) -> None:
    waybill = fined_parcel(line)
    at = f"/cases/tiantian/{waybill}"
    page = await visits.open(HOME, key=hub_key)
    await page.locator(f'a[href^="{at}/appeal"]').click()
    await expect(page.get_by_label("Contact made at")).to_be_hidden()
    await page.get_by_label("Why the finding is wrong").fill("The scanner was in repair")
    await page.get_by_label("Kind").select_option("contact_log")
    await expect(page.get_by_label("Contact made at")).to_be_visible()
    await page.get_by_label("What it shows").fill("called the workshop")
    await accessible(page, "appeal")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_text("10.00 frozen").first).to_be_visible()
    await accessible(page, "appeal-check")
    await page.get_by_role("button", name="Confirm").click()
    await page.wait_for_url(f"**{at}")

    wait(
        lambda: (line.case(f"tiantian/{waybill}") or {}).get("status") == "appealed" or None,
        lambda: "the appeal is known",
    )
    officer = await visits.open("/desk?network=tiantian", key=officer_key)
    await follow_row(officer, waybill)
    await officer.wait_for_url(f"**{at}")
    await officer.goto(f"{at}/decision")
    await officer.get_by_label("Upheld").check()
    await expect(officer.get_by_label("Site, if another")).to_be_hidden()
    await officer.get_by_label("Officer").fill("Officer Chen")
    await officer.get_by_label("Reason").fill("The repair is on record")
    await accessible(officer, "decision")
    await officer.get_by_role("button", name="Continue").click()
    await expect(officer.get_by_role("row", name=HUB).first).to_contain_text("less to pay")
    await accessible(officer, "decision-check")
    await officer.get_by_role("button", name="Confirm").click()
    await officer.wait_for_url(f"**{at}")
    wait(
        lambda: (line.case(f"tiantian/{waybill}") or {}).get("status") != "appealed" or None,
        lambda: "the decision is known",
    )
    await page.goto(HOME)
    await expect(page.locator(f'a[href="{at}"]')).to_have_count(0)


async def follow_row(page: Page, waybill: str) -> None:
    """Go down with j to the row of a waybill, and open it with Enter."""
    rows = page.locator("[data-rows] tbody tr")
    for _ in range(await rows.count()):
        await page.keyboard.press("j")
        if waybill in await page.locator("tr.current").inner_text():
            await page.keyboard.press("Enter")
            return
    raise AssertionError(f"{waybill} is not among the rows")


async def test_clocks_go_on_as_the_server_says(visits: Visits, waybill: str) -> None:
    path = f"/complaints?waybill={waybill}&network=tiantian"
    still = await visits.open(path, javascript=False)
    said = await still.locator(".countdown").inner_text()
    assert re.fullmatch(r"\d+ h \d+ min|\d+ day.*", said)
    page = await visits.open(path)
    clock = page.locator(".countdown")
    # The page's own words come with its first tick; they are the server's, or a minute later.
    hours = said.split(" min")[0].rsplit(" ", 1)[0]
    await expect(clock).to_contain_text(hours)
    told = await page.evaluate(
        "import(document.querySelector('script[src*=countdown]').src).then((m) => [90061, -59, 3600, 0, 86400].map(m.words))"
    )
    assert told == ["1 day 1 h", "−59 s", "1 h", "0 s", "1 day"]


async def test_decisions_work_without_javascript(visits: Visits, waybill: str, officer_key: str) -> None:
    page = await visits.open(f"/cases/tiantian/{waybill}/ruling", key=officer_key, javascript=False)
    await page.check("[value=remove]")
    await page.select_option("[name=finding_id]", f"TT-01/{HUB}")
    await page.fill("[name=officer]", "Officer Chen")
    await page.fill("[name=reason]", "The scanner was in repair")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("row", name=HUB).first).to_contain_text("10.00")
    await page.get_by_role("button", name="Change").click()
    await expect(page.locator("[name=reason]")).to_have_value("The scanner was in repair")


async def test_another_outlet_finds_nothing_here(visits: Visits, stack: Stack, waybill: str) -> None:
    page = await visits.open("/outlet", key=new_key(stack, "/sites/SZ99", "read", "publish"))
    await expect(page.locator("main")).not_to_contain_text(waybill)
    answer = await page.goto(HOME)
    assert answer is not None
    assert answer.status == 403
    await expect(page.locator("main")).not_to_contain_text(waybill)
