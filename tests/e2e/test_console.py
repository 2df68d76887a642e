"""The console over HTTP as a browser would use it, before the whole running stack."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.support.fresh import fresh
from tests.support.line import wait
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

PERSON = "Lin Yue"
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def waybill(stack: Stack) -> str:
    """A parcel that its hub never scanned on arrival (TT-01), with hostile text where text is free."""
    number = f"CON{fresh(9)}"

    def event(name: str, site: str, kind: str, time: str, **data: object) -> dict[str, object]:
        return {
            "specversion": "1.0",
            "id": name,
            "source": f"/sites/{site}",
            "type": kind,
            "subject": f"tiantian/{number}",
            "time": f"2026-03-{time}:00+08:00",
            "data": {"site": site, **data},
        }

    events = [
        event(
            "1", "GZ01", "scan.collected", "01T10:00", scope="inter_province", goods=HOSTILE, operator=HOSTILE
        ),
        event("2", "GZ01", "scan.departed", "01T18:00", next_site="HUB-A"),
        event("3", "HUB-A", "scan.departed", "02T18:00", next_site="BJ02"),
        event("4", "BJ02", "scan.arrived", "03T09:00", previous_site="HUB-A"),
        event("5", "BJ02", "scan.out_for_delivery", "03T10:00", courier=HOSTILE),
        event(
            "6", "BJ02", "signature.recorded", "03T15:00", signer="addressee", signer_name=PERSON + HOSTILE
        ),
    ]
    with httpx.Client(headers=stack.headers, trust_env=False, timeout=30) as client:
        answer = client.post(f"{stack.urls['intake']}/v1/events", json=events, headers=_BATCH)
        assert answer.status_code == 202, answer.text

        def is_told() -> bool:
            found = client.get(f"{stack.urls['notify']}/v1/notices", params={"waybill": number})
            booked = client.get(f"{stack.urls['penalties']}/v1/waybills/tiantian/{number}/entries")
            return bool(found.json().get("items")) and bool(booked.json().get("items"))

        wait(lambda: is_told() or None, lambda: "the fine is decided, booked and told")
    return number


_BATCH = {"Content-Type": "application/cloudevents-batch+json"}


@pytest.fixture
def browser(stack: Stack) -> Iterator[httpx.Client]:
    url = stack.urls["console"]
    with httpx.Client(base_url=url, headers={"Origin": url}, trust_env=False, timeout=30) as client:
        yield client


def sign_in(browser: httpx.Client, key: str, after: str = "/") -> httpx.Response:
    return browser.post("/sign-in", data={"key": key, "next": after})


def site_key(stack: Stack, site: str) -> str:
    body = {"owner": f"/sites/{site}", "network": "tiantian", "scopes": ["read"]}
    with httpx.Client(headers=stack.headers, trust_env=False, timeout=30) as client:
        answer = client.post(f"{stack.urls['intake']}/v1/keys", json=body)
        assert answer.status_code == 201, answer.text
        key = str(answer.json()["key"])
        headers = {"Authorization": f"Bearer {key}"}

        def is_known() -> bool:
            urls = (f"{stack.urls['arbitration']}/v1/cases", f"{stack.urls['notify']}/v1/notices")
            return all(client.get(f"{url}?limit=1", headers=headers).status_code == 200 for url in urls)

        wait(lambda: is_known() or None, lambda: "the key is in force")
    return key


def test_pages_ask_to_sign_in_and_come_back(stack: Stack, browser: httpx.Client) -> None:
    asked = browser.get("/cases?site=BJ02")
    assert asked.status_code == 303
    assert asked.headers["location"] == "/sign-in?next=%2Fcases%3Fsite%3DBJ02"
    assert sign_in(browser, "wrong").status_code == 401
    entered = sign_in(browser, stack.operator_key, "/cases?site=BJ02")
    assert (entered.status_code, entered.headers["location"]) == (303, "/cases?site=BJ02")
    assert {"HttpOnly", "SameSite=strict"} <= set(entered.headers["set-cookie"].split("; "))
    assert stack.operator_key not in entered.headers["set-cookie"]
    assert browser.get("/").status_code == 200
    assert browser.post("/sign-out").status_code == 303
    assert browser.get("/").status_code == 303


def test_a_form_of_another_host_does_nothing(stack: Stack, browser: httpx.Client) -> None:
    sign_in(browser, stack.operator_key)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert browser.post("/sign-out", headers=headers).status_code == 403
    assert browser.get("/").status_code == 200


def test_the_start_page_shows_every_service(stack: Stack, browser: httpx.Client) -> None:
    sign_in(browser, stack.operator_key)

    def all_ready() -> bool:
        page = browser.get("/?lang=en").text
        badge = r'<th scope="row">{}</th>\s*<td><span class="badge health-ready">'
        return all(
            re.search(badge.format(name), page) for name in ("intake", "arbitration", "penalties", "notify")
        )

    wait(lambda: all_ready() or None, lambda: "every service is shown as ready")


def test_a_case_in_both_languages(stack: Stack, browser: httpx.Client, waybill: str) -> None:
    sign_in(browser, stack.operator_key)
    found = browser.get("/find", params={"network": "tiantian", "waybill": waybill})
    path = found.headers["location"]
    chinese, english = browser.get(f"{path}?lang=zh").text, browser.get(f"{path}?lang=en").text
    assert '<html lang="zh-CN">' in chinese
    assert '<html lang="en">' in english
    for page in (chinese, english):
        assert "TT-01" in page
        assert "HUB-A" in page
        assert 'href="#event-/sites/HUB-A/3"' in page
        assert 'id="event-/sites/HUB-A/3"' in page
        assert "未做“到件扫描”" in page
    assert "没有到件扫描" in chinese
    assert "no arrival scan" in english
    assert browser.get(path).text.startswith('<!doctype html>\n<html lang="en">'), "the switch is kept"


def test_text_from_outside_stays_text(stack: Stack, browser: httpx.Client, waybill: str) -> None:
    sign_in(browser, stack.operator_key)
    answer = browser.get(f"/cases/tiantian/{waybill}")
    assert "<script>" not in answer.text
    assert set(re.findall(r"<script[^>]*>", answer.text)) == {
        f'<script type="module" src="{source}">'
        for source in re.findall(r'src="(/static/\w+\.js\?v=\w+)"', answer.text)
    }
    assert (
        f"{PERSON}&#34;&gt;&lt;script&gt;" in answer.text
        or f"{PERSON}\\&#34;&gt;&lt;script&gt;" in answer.text
    )
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert browser.get("/static/tokens.css").status_code == 200


def test_the_list_of_cases_can_be_filtered(stack: Stack, browser: httpx.Client, waybill: str) -> None:
    sign_in(browser, stack.operator_key)
    assert (
        waybill
        in browser.get("/cases", params={"network": "tiantian", "site": "HUB-A", "rule": "TT-01"}).text
    )
    assert waybill not in browser.get("/cases", params={"rule": "TT-07"}).text
    refused = browser.get("/cases", params={"status": "bogus"})
    assert refused.status_code == 422
    assert 'class="missing"' in refused.text


def test_an_outlet_sees_its_own_and_nothing_of_others(
    stack: Stack, browser: httpx.Client, waybill: str
) -> None:
    sign_in(browser, site_key(stack, "HUB-A"))
    own = browser.get(f"/cases/tiantian/{waybill}")
    assert own.status_code == 200
    assert PERSON not in own.text, "personal data of another site's events is masked"
    sign_in(browser, site_key(stack, "SZ99"))
    assert browser.get(f"/cases/tiantian/{waybill}").status_code == 404
    assert waybill not in browser.get("/cases").text


def test_what_is_not_there_is_a_page_too(stack: Stack, browser: httpx.Client) -> None:
    sign_in(browser, stack.operator_key)
    for path in ("/cases/tiantian/000000000000", "/nowhere"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
