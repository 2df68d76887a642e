"""Operations, scorecards and registers over HTTP as a browser would use them, before the whole running stack."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from shared.bus.producer import OutRecord, Producer
from shared.settings import ServiceSettings
from tests.e2e.test_console import sign_in, site_key
from tests.support.fresh import fresh
from tests.support.line import Line, parcel, scan, wait
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

PERSON = "Wang Wu"


@pytest.fixture
def browser(stack: Stack) -> Iterator[httpx.Client]:
    url = stack.urls["console"]
    with httpx.Client(base_url=url, headers={"Origin": url}, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def letter(stack: Stack) -> str:
    """A dead letter of arbitration: a signature that breaks the contract and names people; its waybill."""
    number = f"DEAD{fresh(8)}"
    subject = f"tiantian/{number}"
    body = {
        "specversion": "1.0",
        "id": "1",
        "source": "/sites/GZ01",
        "type": "signature.recorded",
        "subject": subject,
        "time": "2026-03-04T10:00:00+08:00",
        "data": {"site": "GZ01", "signer": PERSON, "signer_name": PERSON, "phone": "13800001111"},
    }

    async def publish() -> None:
        settings = ServiceSettings(kafka_bootstrap_servers=stack.bootstrap_servers)
        producer = Producer(settings)
        try:
            await producer.send_all(
                [OutRecord("parcel.signatures", subject.encode(), json.dumps(body).encode())]
            )
        finally:
            await producer.close()

    asyncio.run(publish())
    line = Line(stack)

    def there() -> bool:
        items = line.get("arbitration", "/v1/dead-letters")["items"]
        return any(item["key"] == f"tiantian/{number}" for item in items)

    wait(lambda: there() or None, lambda: "the dead letter is kept")
    return number


def test_operations_name_what_to_do(stack: Stack, browser: httpx.Client, letter: str) -> None:
    sign_in(browser, stack.operator_key)
    page = browser.get("/operations?lang=en").text
    for name in ("arbitration", "intake", "penalties", "notify", "console", "parcel.scans"):
        assert name in page
    assert "records could not be taken by arbitration" in page
    assert "once the cause is mended, replay them" in page


def test_the_stream_sends_the_live_part_again(stack: Stack, browser: httpx.Client) -> None:
    sign_in(browser, stack.operator_key)
    with browser.stream("GET", "/operations/stream?lang=en") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = (text for text in stream.iter_lines() if text.startswith("data: "))
        first, second = (json.loads(next(events)[6:]) for _ in range(2))
    for section in (first, second):
        assert 'id="alarms"' in section
        assert 'id="processes"' in section
    assert "taken in" in second


def test_a_stream_ends_with_its_session(stack: Stack, browser: httpx.Client) -> None:
    sign_in(browser, stack.operator_key)
    with browser.stream("GET", "/operations/stream") as stream:
        lines = stream.iter_lines()
        next(lines)
        assert browser.post("/sign-out").status_code == 303
        for _ in lines:
            pass


def test_only_who_runs_the_system_sees_operations(stack: Stack, browser: httpx.Client) -> None:
    sign_in(browser, site_key(stack, "GZ01"))
    for path in ("/operations", "/operations/stream", "/operations/dead-letters", "/operations/parked"):
        assert browser.get(path).status_code == 403, path
    assert (
        browser.post("/operations/dead-letters/arbitration/x/replay", data={"confirmed": "yes"}).status_code
        == 403
    )
    assert 'href="/operations"' not in browser.get("/").text


def test_a_dead_letter_is_masked_and_replayed_after_a_confirmation(
    stack: Stack, browser: httpx.Client, letter: str
) -> None:
    sign_in(browser, stack.operator_key)
    page = browser.get("/operations/dead-letters?service=arbitration&lang=en").text
    assert letter in page
    assert PERSON not in page
    assert "13800001111" not in page
    row = re.search(rf'<tr id="([0-9a-f-]+)">(?:(?!</tr>).)*{letter}', page, re.S)
    assert row is not None
    path = f"/operations/dead-letters/arbitration/{row[1]}/replay"
    line = Line(stack)

    def replayed() -> str | None:
        items = line.get("arbitration", "/v1/dead-letters")["items"]
        found: str | None = next(item["replayed_at"] for item in items if item["id"] == row[1])
        return found

    asked = browser.post(path)
    assert asked.status_code == 200
    assert "bytes unchanged" in asked.text
    assert replayed() is None
    done = browser.post(path, data={"confirmed": "yes"})
    assert (done.status_code, done.headers["location"]) == (
        303,
        "/operations/dead-letters?service=arbitration",
    )
    assert replayed() is not None
    unknown = browser.post(
        f"/operations/dead-letters/arbitration/{uuid4()}/replay", data={"confirmed": "yes"}
    )
    assert "No " in unknown.text or "no " in unknown.text
    assert browser.get("/operations/dead-letters?service=intake").status_code == 404


@pytest.fixture(scope="module")
def problem(stack: Stack) -> tuple[str, str]:
    """A parcel that was refused at the door, with hostile text in what is free; its waybill and the day."""
    number = f"REG{fresh(9)}"
    start = datetime.fromisoformat("2026-03-02T10:00:00+08:00")
    out = start + timedelta(hours=47)
    events = parcel(f"tiantian/{number}", start, signed=False)
    events.append(
        scan(f"tiantian/{number}", "BJ02", "scan.problem", out, reason="refused", note="=1+1<script>")
    )
    line = Line(stack)
    line.publish(events)

    def listed() -> bool:
        items = line.get("arbitration", "/v1/registers/problems", network="tiantian", day="2026-03-04")[
            "items"
        ]
        return any(item["waybill"] == number for item in items)

    wait(lambda: listed() or None, lambda: "the problem piece is registered")
    return number, "2026-03-04"


def test_a_register_as_page_and_as_file(
    stack: Stack, browser: httpx.Client, problem: tuple[str, str]
) -> None:
    number, day = problem
    sign_in(browser, stack.operator_key)
    asked = {"network": "tiantian", "day": day}
    page = browser.get("/registers/problems", params=asked | {"lang": "zh"}).text
    assert number in page
    assert "拒收" in page
    assert "<script>" not in page.replace('<script type="module"', "")
    answer = browser.get("/registers/problems", params=asked | {"form": "csv"})
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    row = next(row for row in rows if number in row)
    assert "'=1+1<script>" in row, "no spreadsheet takes it for a formula"
    assert "拒收" in row
    deliveries = browser.get("/registers/deliveries", params=asked).text
    assert number in deliveries
    assert "C17" in deliveries


@pytest.mark.parametrize(
    "name", ["bulletin", "vehicles", "problems", "deliveries", "missorts", "receipts", "photos"]
)
def test_every_register_is_a_page(stack: Stack, browser: httpx.Client, name: str) -> None:
    sign_in(browser, stack.operator_key)
    for query in ("", "?span=week&day=2026-03-04", "?span=month&view=open", "?day=nonsense&span=x&cursor="):
        assert browser.get(f"/registers/{name}{query}").status_code == 200


def test_an_outlet_has_registers_of_its_own(
    stack: Stack, browser: httpx.Client, problem: tuple[str, str]
) -> None:
    number, day = problem
    sign_in(browser, site_key(stack, "BJ02"))
    assert number in browser.get(f"/registers/problems?day={day}").text
    sign_in(browser, site_key(stack, "GZ01"))
    assert number not in browser.get(f"/registers/problems?day={day}").text
    assert browser.get(f"/registers/problems?day={day}&site=BJ02").status_code == 403


def test_scorecards_rank_sites(stack: Stack, browser: httpx.Client, problem: tuple[str, str]) -> None:
    sign_in(browser, stack.operator_key)
    asked = {"network": "tiantian", "from": "2026-03-01", "to": "2026-03-31", "by": "parcels"}
    page = browser.get("/scorecards", params=asked).text
    assert re.search(r'aria-sort="descending"', page)
    assert ">BJ02</a>" in page
    assert page.count('class="column"') == 31
    rows = list(
        csv.reader(
            io.StringIO(
                browser.get("/scorecards", params=asked | {"form": "csv"}).content.decode("utf-8-sig")
            )
        )
    )
    assert rows[0][:3] == ["network", "site", "parcels"]
    counts = [int(row[2]) for row in rows[1:]]
    assert counts == sorted(counts, reverse=True)
