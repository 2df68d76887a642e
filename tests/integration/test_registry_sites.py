"""Sites and exemptions over HTTP, with two copies of intake on a real broker."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from shared.bus.producer import OutRecord, Producer
from shared.settings import ServiceSettings
from tests.support.bus import until
from tests.support.registry import Copy, Json, exemption, pointers, site, stored_records

pytestmark = pytest.mark.stack


async def test_a_site_is_readable_where_it_was_written_at_once_and_elsewhere_soon(
    copies: tuple[Copy, Copy], network: str
) -> None:
    one, other = copies
    path = f"/v1/sites/{network}/GZ01"
    answer = await one.call("PUT", path, site(webhook="https://gz.example/hook", email="gz@example.com"))
    assert answer.status_code == 201
    read = await one.call("GET", path)
    assert read.json() == answer.json()
    assert read.json()["name"] == "广州一部"
    assert "parent" not in read.json()
    await until(lambda: other.answers(200, "GET", path), "the other copy knows the site")
    assert (await other.call("GET", path)).json() == answer.json()


async def test_a_site_is_replaced_whole_and_an_equal_one_writes_nothing(
    copies: tuple[Copy, Copy], network: str, kafka_settings: ServiceSettings
) -> None:
    one, _ = copies
    path = f"/v1/sites/{network}/GZ01"
    first = await one.call("PUT", path, site(parent="HUB1"))
    again = await one.call("PUT", path, site(parent="HUB1"))
    assert (again.status_code, again.json()) == (200, first.json())
    changed = await one.call("PUT", path, {"name": "GZ", "kind": "hub", "language": "en"})
    assert changed.status_code == 200
    assert set(changed.json()) == {"name", "kind", "language", "network", "site", "recorded_at"}
    records = await stored_records(kafka_settings, "registry.sites", f"{network}/GZ01")
    assert [json.loads(record.value)["kind"] for record in records] == ["outlet", "hub"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "  "}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"name": 7}, "/name"),
        ({"kind": "depot"}, "/kind"),
        ({"language": "fr"}, "/language"),
        ({"language": None}, "/language"),
        ({"parent": "gz"}, "/parent"),
        ({"webhook": "ftp://x.example"}, "/webhook"),
        ({"webhook": "https://"}, "/webhook"),
        ({"webhook": "https://user:word@x.example"}, "/webhook"),
        ({"webhook": "https://x.example:port/"}, "/webhook"),
        ({"email": "nobody"}, "/email"),
        ({"name": "x" * 201}, "/name"),
    ],
)
async def test_a_wrong_member_of_a_site_is_pointed_at(
    copies: tuple[Copy, Copy], network: str, changes: Json, pointer: str
) -> None:
    answer = await copies[0].call("PUT", f"/v1/sites/{network}/GZ01", site(**changes))
    assert pointers(answer) == [pointer]
    assert (await copies[0].call("GET", f"/v1/sites/{network}/GZ01")).status_code == 404


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/sites/T/GZ01", "/path/network"),
        ("/v1/sites/tt/gz01", "/path/site"),
        ("/v1/sites/tt/A", "/path/site"),
        ("/v1/sites/tt/" + "A" * 17, "/path/site"),
        ("/v1/sites/tt/GZ%0A", "/path/site"),
    ],
)
async def test_a_wrong_code_is_pointed_at(copies: tuple[Copy, Copy], path: str, pointer: str) -> None:
    assert pointers(await copies[0].call("PUT", path, site())) == [pointer]


async def test_a_circle_of_parents_is_refused(copies: tuple[Copy, Copy], network: str) -> None:
    one, _ = copies
    for code, parent in (("A1", "B1"), ("B1", "C1"), ("C1", None)):
        answer = await one.call("PUT", f"/v1/sites/{network}/{code}", site(parent=parent))
        assert answer.status_code == 201
    for parent in ("C1", "A1", "B1"):
        answer = await one.call("PUT", f"/v1/sites/{network}/C1", site(parent=parent))
        assert pointers(answer) == ["/parent"]
    assert "parent" not in (await one.call("GET", f"/v1/sites/{network}/C1")).json()


async def test_of_two_that_would_close_a_circle_at_once_one_is_refused(
    copies: tuple[Copy, Copy], network: str
) -> None:
    one, _ = copies
    answers_ = await asyncio.gather(
        one.call("PUT", f"/v1/sites/{network}/A1", site(parent="B1")),
        one.call("PUT", f"/v1/sites/{network}/B1", site(parent="A1")),
    )
    assert sorted(answer.status_code for answer in answers_) == [201, 422]


async def test_sites_are_listed_by_network_in_pages(copies: tuple[Copy, Copy], network: str) -> None:
    one, _ = copies
    codes = [f"S{number:02}" for number in range(7)]
    await asyncio.gather(*(one.call("PUT", f"/v1/sites/{network}/{code}", site()) for code in codes))
    listed = await one.all_items("/v1/sites", network=network, limit=3)
    assert [item["site"] for item in listed] == codes
    assert await one.all_items("/v1/sites", network="nobody-here") == []


async def test_an_exemption_is_declared_replaced_and_withdrawn(
    copies: tuple[Copy, Copy], network: str, kafka_settings: ServiceSettings
) -> None:
    one, other = copies
    path = f"/v1/exemptions/{network}/snow-1"
    declared = await one.call("PUT", path, exemption(city="广州"))
    assert (declared.status_code, declared.json()["state"]) == (201, "declared")
    assert (declared.json()["from"], declared.json()["to"]) == ("2011-01-03", "2011-01-05")
    assert (await one.call("PUT", path, exemption(city="广州"))).status_code == 200
    assert (await one.call("PUT", path, exemption(sites=["GZ01"]))).status_code == 200
    assert (await one.call("DELETE", path)).status_code == 204
    assert (await one.call("DELETE", path)).status_code == 204
    (item,) = await one.all_items("/v1/exemptions", network=network)
    assert (item["state"], item["sites"]) == ("withdrawn", ["GZ01"])
    records = await stored_records(kafka_settings, "registry.exemptions", f"{network}/snow-1")
    events = [json.loads(record.value) for record in records]
    assert [event["type"] for event in events] == ["exemption.declared"] * 2 + ["exemption.withdrawn"]
    assert {event["subject"] for event in events} == {f"{network}/snow-1"}
    assert len({event["id"] for event in events}) == 3
    assert events[-1]["data"]["sites"] == ["GZ01"]
    assert dict(records[0].headers)["content-type"] == b"application/cloudevents+json; charset=UTF-8"

    async def seen() -> bool:
        items = await other.all_items("/v1/exemptions", network=network)
        return [item["state"] for item in items] == ["withdrawn"]

    await until(seen, "the other copy knows that it is withdrawn")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"to": "2011-01-02"}, "/to"),
        ({"from": "2011-02-30"}, "/from"),
        ({"from": 1294000000}, "/from"),
        ({"from": "2011-01-03T00:00:00"}, "/from"),
        ({"province": None}, ""),
        ({"sites": []}, "/sites"),
        ({"sites": ["gz"]}, "/sites/0"),
        ({"sites": ["GZ01", "GZ01"]}, "/sites"),
        ({"ground": " "}, "/ground"),
        ({"officer": None}, "/officer"),
        ({"provinc": "广东"}, "/provinc"),
    ],
)
async def test_a_wrong_member_of_an_exemption_is_pointed_at(
    copies: tuple[Copy, Copy], network: str, changes: Json, pointer: str
) -> None:
    answer = await copies[0].call("PUT", f"/v1/exemptions/{network}/snow-1", exemption(**changes))
    assert pointers(answer) == [pointer]


async def test_an_unknown_exemption_cannot_be_withdrawn(copies: tuple[Copy, Copy], network: str) -> None:
    answer = await copies[0].call("DELETE", f"/v1/exemptions/{network}/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_record_that_cannot_be_read_is_shown_until_a_later_one_replaces_it(
    copies: tuple[Copy, Copy], network: str, kafka_settings: ServiceSettings
) -> None:
    one, other = copies
    key, garbage = f"{network}/GZ01", b'{"name": \xff'
    producer = Producer(kafka_settings)
    await producer.send_all([OutRecord("registry.sites", key.encode(), garbage)])
    await producer.close()

    async def shown(by: Copy) -> list[Json]:
        listed = await by.all_items("/v1/dead-letters", topic="registry.sites", limit=1)
        return [letter for letter in listed if letter["key"] == key]

    async def is_shown() -> bool:
        return all([await shown(copy) for copy in copies])

    await until(is_shown, "both copies show the record")
    (letter,) = await shown(one)
    assert [letter] == await shown(other)
    assert (letter["reason"], base64.b64decode(letter["value_base64"])) == ("unreadable", garbage)

    answer = await one.call("POST", f"/v1/dead-letters/{letter['id']}/replay")
    assert (answer.status_code, answer.json()["replayed_by"].split("/")[1]) == (202, "operators")

    async def is_back() -> bool:
        return [found["offset"] > letter["offset"] for found in await shown(one)] == [True]

    await until(is_back, "the record was read again")
    assert (await one.call("POST", f"/v1/dead-letters/{letter['id']}/replay")).status_code == 404
    assert (await one.call("PUT", f"/v1/sites/{network}/GZ01", site())).status_code == 201
    assert await shown(one) == []


async def test_dead_letters_are_for_administrators(copies: tuple[Copy, Copy]) -> None:
    _, key = await copies[0].new_key("/desks/cs", "read", "publish")
    assert (await copies[0].call("GET", "/v1/dead-letters", key=key)).status_code == 403
