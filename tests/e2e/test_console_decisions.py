"""Appeals, decisions, rulings and complaints as people file them in the console, before the whole running stack."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from tests.support.desk import HUB, fined_parcel, new_key
from tests.support.fresh import fresh
from tests.support.line import Line, event, wait
from tests.support.stack import Stack, running_stack

pytestmark = pytest.mark.stack

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """One of its own: among the parcels of other tests the outlet's first page would not show this one."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="module")
def line(stack: Stack) -> Line:
    return Line(stack)


@pytest.fixture
def waybill(line: Line) -> str:
    return fined_parcel(line)


class Person:
    """Somebody who has signed in with a key of their own."""

    def __init__(self, stack: Stack, owner: str, *scopes: str) -> None:
        self.http = httpx.Client(
            base_url=stack.urls["console"],
            headers={"Origin": stack.urls["console"], "Accept-Language": "en"},
            trust_env=False,
            timeout=60,
        )
        key = new_key(stack, owner, *scopes)
        assert self.http.post("/sign-in", data={"key": key, "next": "/"}).status_code == 303

    def page(self, path: str, status: int = 200) -> str:
        answer = self.http.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.text

    def send(self, path: str, status: int = 200, /, **fields: str) -> str:
        """Fill a form in; its page says which form it is."""
        answer = self.http.post(path, data=fields)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.text

    def close(self) -> None:
        self.http.close()


@pytest.fixture(scope="module")
def people(stack: Stack) -> Iterator[dict[str, Person]]:
    found = {
        "hub": Person(stack, f"/sites/{HUB}", "read", "publish"),
        "other": Person(stack, "/sites/SZ99", "read", "publish"),
        "officer": Person(stack, "/desks/arbitration", "read", "publish", "decide"),
    }
    yield found
    for person in found.values():
        person.close()


def form_id(page: str) -> str:
    found = re.search(r'name="form_id" value="([0-9a-f]{32})"', page)
    assert found, page
    return found[1]


def hidden(page: str) -> dict[str, str]:
    """What the page before something happens sends along once it is confirmed."""
    start = page.index('value="yes"')
    form = page[page.rindex("<form", 0, start) : start]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)) | {
        "confirmed": "yes"
    }


def status_of(line: Line, waybill: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    def met() -> dict[str, Any] | None:
        case = line.case(f"tiantian/{waybill}")
        return case if case and case["verdict"] and not case["pending"] and wanted(case) else None

    return wait(met, lambda: line.case(f"tiantian/{waybill}"))


def test_an_appeal_is_filed_and_decided_and_the_money_moves(
    line: Line, people: dict[str, Person], waybill: str
) -> None:
    hub, officer = people["hub"], people["officer"]
    at = f"/cases/tiantian/{waybill}"
    own = hub.http.get("/outlet", follow_redirects=True).text
    assert f"{at}/appeal?finding=TT-01/{HUB}" in own
    assert "Owed" in own

    path = f"{at}/appeal"
    begun = form_id(hub.page(f"{path}?finding=TT-01/{HUB}"))
    empty = hub.send(path, 422, form_id=begun, finding_id=f"TT-01/{HUB}", text="")
    assert form_id(empty) == begun
    check = hub.send(
        path,
        form_id=begun,
        finding_id=f"TT-01/{HUB}",
        text=f"The scanner was in repair {HOSTILE}",
        evidence_kind="other",
        purpose="repair record",
    )
    assert "10.00 frozen" in check
    assert "<script>" not in check
    assert status_of(line, waybill, lambda case: True)["status"] != "appealed", "nothing is sent before"
    confirmed = hidden(check)
    for _ in range(2):
        hub.send(path, 303, **confirmed)
    case = status_of(line, waybill, lambda case: case["status"] == "appealed")
    kinds = [one["type"] for one in line.get("arbitration", f"/v1{at}/events")["items"]]
    assert (kinds.count("appeal.filed"), kinds.count("evidence.submitted")) == (1, 1)
    assert case["conflicts"] == 0

    assert f"{at}/decision" in officer.page("/desk?network=tiantian")
    path = f"{at}/decision"
    shown = officer.page(path)
    assert "scanner was in repair" in shown
    assert "repair record" in shown
    (appeal,) = set(re.findall(r'name="appeal_id" value="([^"]+)"', shown))
    answers = {"form_id": form_id(shown), "appeal_id": appeal, "officer": "Officer Chen", "reason": "shown"}
    assert "Enter an amount" in officer.send(path, 422, **answers, outcome="changed")
    check = officer.send(path, 200, **answers, outcome="upheld")
    assert re.search(rf"{HUB}</th>.*?▼ <span class=\"money\">10.00</span>", check, re.S)
    officer.send(path, 303, **hidden(check))
    case = status_of(line, waybill, lambda case: case["status"] not in ("appealed", "open"))
    (finding,) = [one for one in case["verdict"]["findings"] if one["rule"] == "TT-01"]
    assert finding["state"] == "revoked"

    def nothing_owed() -> bool | None:
        entries = line.get("penalties", f"/v1/waybills/tiantian/{waybill}/entries")["items"]
        owed = sum(
            one["amount_fen"] * ((one["debit"].get("site") == HUB) - (one["credit"].get("site") == HUB))
            for one in entries
        )
        return True if owed == 0 and "reversal" in {one["kind"] for one in entries} else None

    wait(nothing_owed, lambda: "the fine is given back")
    assert waybill not in officer.page("/desk?network=tiantian")
    month = line.stack.now().astimezone(datetime.now().astimezone().tzinfo).strftime("%Y-%m")
    assert waybill in hub.page(f"/outlet/tiantian/{HUB}/statements/{month}")


def test_statements_come_as_files_and_notices_are_acknowledged(
    people: dict[str, Person], line: Line, waybill: str
) -> None:
    hub = people["hub"]
    home = f"/outlet/tiantian/{HUB}"
    month = re.findall(r"statements/(20\d\d-\d\d)\?form=pdf", hub.page(f"{home}/statements"))[0]
    for form, start in (("pdf", b"%PDF"), ("csv", b"\xef\xbb\xbf"), ("json", b"{")):
        answer = hub.http.get(f"{home}/statements/{month}?form={form}")
        assert answer.content.startswith(start)
        assert answer.headers["content-disposition"].startswith("attachment")
    page = hub.page(f"{home}/notices?waybill={waybill}")
    (notice_id,) = re.findall(r'action="/notices/([0-9a-f-]+)/acknowledge"', page)
    hub.send(f"/notices/{notice_id}/acknowledge", 303, back=f"{home}/notices")
    assert "acknowledged" in hub.page(f"{home}/notices?waybill={waybill}&state=acknowledged")


def test_an_outlet_sees_and_does_nothing_of_others(people: dict[str, Person], waybill: str) -> None:
    other = people["other"]
    assert waybill not in other.http.get("/outlet", follow_redirects=True).text
    assert other.http.get(f"/outlet/tiantian/{HUB}").status_code == 403
    assert other.http.get(f"/outlet/tiantian/{HUB}/statements/2026-01?form=csv").status_code == 403
    at = f"/cases/tiantian/{waybill}"
    assert other.http.get(f"{at}/appeal?finding=TT-01/{HUB}").status_code == 404
    assert (
        other.http.post(f"{at}/appeal", data={"finding_id": f"TT-01/{HUB}", "text": "x"}).status_code == 404
    )
    assert other.http.get(f"{at}/decision").status_code == 404
    ruling = {"action": "remove", "finding_id": f"TT-01/{HUB}", "officer": "x", "reason": "x"}
    assert people["hub"].http.post(f"{at}/ruling", data={**ruling, "confirmed": "yes"}).status_code == 422
    assert "/desk" not in other.page("/")


def test_a_ruling_shows_what_it_moves(line: Line, people: dict[str, Person], waybill: str) -> None:
    officer, path = people["officer"], f"/cases/tiantian/{waybill}/ruling"
    answers = {
        "form_id": form_id(officer.page(path)),
        "action": "change",
        "finding_id": f"TT-01/{HUB}",
        "amount_yuan": "2.50",
        "officer": "Officer Chen",
        "reason": "half of it was the weather",
    }
    check = officer.send(path, 200, **answers)
    assert "7.50" in check
    changed = officer.send(path, 200, **{**hidden(check), "confirmed": "change"})
    assert 'value="2.50"' in changed
    officer.send(path, 303, **hidden(check))
    case = status_of(line, waybill, lambda case: case["verdict"]["version"] > 1)
    (finding,) = [one for one in case["verdict"]["findings"] if one["rule"] == "TT-01"]
    assert finding["amount_fen"] == 250


def test_a_complaint_is_on_the_desk_and_its_form_says_what_is_missing(
    line: Line, people: dict[str, Person], waybill: str
) -> None:
    now = line.stack.now()
    complaint_id = f"2026/{waybill}#1?"
    opened = {
        "complaint_id": complaint_id,
        "channel": "phone",
        "category": "loss",
        "claimant": "recipient",
        "text": f"Nothing came {HOSTILE}",
        "major": True,
        "major_ground": "reputation",
    }
    line.publish(
        [event(f"tiantian/{waybill}", "/desks/cs", "complaint.opened", now, f"c{waybill}", **opened)]
    )
    officer = people["officer"]
    path = f"/complaints/tiantian/{waybill}/{quote(complaint_id)}"

    def listed() -> str | None:
        page = officer.page(f"/complaints?network=tiantian&waybill={waybill}")
        return page if path in page else None

    page = wait(listed, lambda: "the complaint is listed")
    assert re.search(r'data-until="[^"]+"', page)
    assert "contact the customer" in page
    form = officer.page(path)
    assert "Nothing came" in form
    assert "<script>alert" not in form
    assert "contact with the customer" in form
    reply = f"/complaint-acts/reply/tiantian/{waybill}/{quote(complaint_id)}"
    assert f'href="{reply}"' in form
    assert f'action="{reply}"' in officer.page(reply)
    for queue in ("hard", "claims"):
        assert path in officer.page(f"/registers/complaints?queue={queue}&network=tiantian")
    assert path not in officer.page("/registers/complaints?queue=escalated&network=tiantian")
    csv = officer.http.get("/registers/complaints?queue=claims&network=tiantian&form=csv")
    assert waybill in csv.content.decode("utf-8-sig")


def complaint_of(waybill: str, category: str) -> dict[str, str]:
    """The answers of the form for a new complaint."""
    return {
        "network": "tiantian",
        "waybill": waybill,
        "category": category,
        "claimant": "sender",
        "channel": "web",
    }


def test_the_complaint_desk_is_told_what_is_wrong_and_records_once(
    line: Line, people: dict[str, Person], waybill: str
) -> None:
    officer, subject = people["officer"], f"tiantian/{waybill}"
    answers = complaint_of(waybill, "attitude")
    answers["form_id"] = form_id(officer.page(f"/complaints/new?network=tiantian&waybill={waybill}"))
    assert 'name="network" required value="tiantian"' in officer.page("/complaints/new?network=&waybill=")
    later = (line.stack.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    for field, wrong in (
        ("category", ""),
        ("category", "rudeness"),
        ("against_site", "no site!"),
        ("time", later),
    ):
        page = officer.send("/complaints/new", 422, **{**answers, field: wrong})
        assert f'id="wrong-{field}"' in page, (field, page)
    check = officer.send("/complaints/new", 200, **answers, text=HOSTILE)
    assert "<script>alert" not in check
    for _ in range(2):
        officer.send("/complaints/new", 303, **hidden(check))

    def listed() -> dict[str, Any] | None:
        found = line.get("arbitration", "/v1/complaints", network="tiantian", waybill=waybill)["items"]
        return found[0] if found else None

    complaint = wait(listed, lambda: "the complaint is listed")
    assert complaint["desk"] == "arbitration"
    case = line.decided(subject, lambda case: case["events"] == len(_events(line, waybill)))
    assert (case["conflicts"], _events(line, waybill).count("complaint.opened")) == (0, 1)

    def form(name: str) -> str:
        return f"/complaint-acts/{name}/{subject}/{complaint['complaint_id']}"

    assert 'id="wrong-site"' in officer.send(form("settle"), 422, site="no site!")
    for name, status in (("settle", 404), ("open", 404), ("nothing", 404), ("reply", 404)):
        people["hub"].page(form(name), status)
    assert people["hub"].http.get("/complaints/new").status_code == 404


def test_a_complaint_may_be_the_first_that_is_heard_of_a_waybill(
    line: Line, people: dict[str, Person]
) -> None:
    officer, waybill = people["officer"], f"NEW{fresh(9)}"
    answers = complaint_of(waybill, "delay")
    check = officer.send("/complaints/new", 200, **answers)
    officer.send("/complaints/new", 303, **hidden(check))
    line.decided(f"tiantian/{waybill}")


def _events(line: Line, waybill: str) -> list[str]:
    return [one["type"] for one in line.get("arbitration", f"/v1/cases/tiantian/{waybill}/events")["items"]]


@pytest.fixture
async def parked(stack: Stack, waybill: str) -> str:
    """A waybill that is set aside, as after a rule that raised on it."""
    connection = await asyncpg.connect(stack.database_url("arbitration"))
    await connection.execute(
        "INSERT INTO parked SELECT subject, partition, now(), $2, 1 FROM cases WHERE subject = $1",
        f"tiantian/{waybill}",
        f"ValueError: {HOSTILE}",
    )
    await connection.close()
    return waybill


def test_a_parked_waybill_is_tried_again(stack: Stack, parked: str) -> None:
    with httpx.Client(
        base_url=stack.urls["console"], headers={"Origin": stack.urls["console"]}, trust_env=False, timeout=60
    ) as http:
        http.post("/sign-in", data={"key": stack.operator_key, "next": "/"})
        page = http.get("/desk?view=parked").text
        assert f"/cases/tiantian/{parked}" in page
        assert "<script>alert" not in page
        retry = f"/parked/tiantian/{parked}/retry"
        assert retry in page
        check = http.get(f"{retry}?back=/desk%3Fview%3Dparked").text
        answer = http.post(retry, data=hidden(check))
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk?view=parked")

        def is_decided() -> bool:
            return parked not in http.get("/desk?view=parked").text

        wait(lambda: is_decided() or None, lambda: "the waybill is decided again")
        assert http.post(retry, data={"confirmed": "yes"}).status_code == 404


def test_a_month_is_closed_only_when_it_is_over(stack: Stack) -> None:
    with httpx.Client(
        base_url=stack.urls["console"], headers={"Origin": stack.urls["console"]}, trust_env=False, timeout=60
    ) as http:
        http.post("/sign-in", data={"key": stack.operator_key, "next": "/"})
        months = re.findall(
            r'/periods/tiantian/(20\d\d-\d\d)/close"', http.get("/periods?network=tiantian").text
        )
        present, first = months[0], months[-1]
        assert http.post(f"/periods/tiantian/{present}/close", data={"confirmed": "yes"}).status_code == 409
        page = http.get(f"/periods/tiantian/{first}/close").text
        assert http.post(f"/periods/tiantian/{first}/close", data=hidden(page)).status_code == 303
        assert "outlet_period-closed" in http.get(f"/periods/tiantian/{first}/close").text
