"""Sites, exemptions and keys over HTTP, with two copies of intake on a real broker."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.settings import ServiceSettings
from tests.support.intake import OPERATOR_KEY, IntakeProcess
from tests.support.topics import read_all

pytestmark = pytest.mark.stack

IN_FORCE_S = 5.0
"""contract.md §4: a key is in force, or no more, in every service within 5 seconds."""

Json = dict[str, Any]


class Copy:
    """One running copy of intake, called with a key."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def call(
        self, method: str, path: str, body: Any = None, key: str = OPERATOR_KEY, **params: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return await self._client.request(method, path, json=body, headers=headers, params=params)

    async def new_key(
        self, owner: str, *scopes: str, network: str | None = None, **more: Any
    ) -> tuple[str, str]:
        """Make a key; its id and the key itself."""
        body = {"owner": owner, "scopes": list(scopes), "network": network, **more}
        answer = await self.call("POST", "/v1/keys", body)
        assert answer.status_code == 201, answer.text
        return answer.json()["key_id"], answer.json()["key"]

    async def all_items(self, path: str, key: str = OPERATOR_KEY, **params: Any) -> list[Json]:
        """Every item of a list, page by page."""
        items: list[Json] = []
        cursor = None
        while True:
            query = params | ({"cursor": cursor} if cursor else {})
            answer = await self.call("GET", path, key=key, **query)
            assert answer.status_code == 200, answer.text
            items += answer.json()["items"]
            cursor = answer.json()["next"]
            if cursor is None:
                return items


@pytest.fixture(scope="module")
async def copies(kafka_settings: ServiceSettings) -> AsyncIterator[tuple[Copy, Copy]]:
    """Two copies of intake, each a process of its own, both ready."""
    processes = [
        IntakeProcess(kafka_settings.kafka_bootstrap_servers, instance=name)
        for name in ("intake-1", "intake-2")
    ]
    await asyncio.gather(*(process.start() for process in processes))
    yield Copy(processes[0].client), Copy(processes[1].client)
    await asyncio.gather(*(process.close() for process in processes))


async def answers(call: Awaitable[httpx.Response], status: int) -> bool:
    return (await call).status_code == status


async def until(condition: Callable[[], Awaitable[bool]], limit_s: float) -> float:
    """Ask again until `condition` holds; the seconds it took. Fails after `limit_s`."""
    began_s = time.monotonic()
    while not await condition():
        assert time.monotonic() - began_s < limit_s, f"not within {limit_s} s"
        await asyncio.sleep(0.02)
    return time.monotonic() - began_s


@pytest.fixture
def network() -> str:
    """A network of this test alone."""
    return f"n{uuid4().hex[:10]}"


def site(**changes: Any) -> Json:
    return {
        "name": "广州一部",
        "kind": "outlet",
        "language": "zh",
        "city": "广州",
        "province": "广东",
    } | changes


def exemption(**changes: Any) -> Json:
    body = {
        "from": "2011-01-03",
        "to": "2011-01-05",
        "ground": "snow",
        "reason": "roads closed",
        "officer": "Li",
    }
    return body | {"province": "广东"} | changes


def pointers(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [error["pointer"] for error in answer.json()["errors"]]


async def records_of(settings: ServiceSettings, topic: str, key: str) -> list[Any]:
    """Every record of `key` on `topic`, in order."""
    return [record for record in await read_all(settings, topic) if record.key == key.encode()]


# Sites


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
    await until(lambda: answers(other.call("GET", path), 200), IN_FORCE_S)
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
    records = await records_of(kafka_settings, "registry.sites", f"{network}/GZ01")
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


# Exemptions


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
    records = await records_of(kafka_settings, "registry.exemptions", f"{network}/snow-1")
    events = [json.loads(record.value) for record in records]
    assert [event["type"] for event in events] == ["exemption.declared"] * 2 + ["exemption.withdrawn"]
    assert {event["subject"] for event in events} == {f"{network}/snow-1"}
    assert len({event["id"] for event in events}) == 3
    assert events[-1]["data"]["sites"] == ["GZ01"]
    assert dict(records[0].headers)["content-type"] == b"application/cloudevents+json; charset=UTF-8"

    async def seen() -> bool:
        items = await other.all_items("/v1/exemptions", network=network)
        return [item["state"] for item in items] == ["withdrawn"]

    await until(seen, IN_FORCE_S)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"to": "2011-01-02"}, "/to"),
        ({"from": "2011-02-30"}, "/from"),
        ({"from": 1294000000}, "/from"),
        ({"from": "2011-01-03T00:00:00Z"}, "/from"),
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


# Keys


async def test_a_key_is_shown_once_and_stored_as_its_hash(
    copies: tuple[Copy, Copy], network: str, kafka_settings: ServiceSettings
) -> None:
    one, _ = copies
    key_id, key = await one.new_key("/sites/GZ01", "read", "publish", network=network)
    (item,) = [item for item in await one.all_items("/v1/keys") if item["key_id"] == key_id]
    assert (item["owner"], item["network"], item["scopes"]) == ("/sites/GZ01", network, ["read", "publish"])
    assert key not in json.dumps(item)
    assert "sha256" not in item
    (record,) = await records_of(kafka_settings, "registry.keys", key_id)
    assert key.encode() not in record.value
    assert len(json.loads(record.value)["sha256"]) == 64


async def test_a_revoked_key_is_refused_in_another_process_within_five_seconds(
    copies: tuple[Copy, Copy], network: str, kafka_settings: ServiceSettings
) -> None:
    one, other = copies
    key_id, key = await one.new_key("/desks/lost", "read", network=network)
    assert (await one.call("GET", "/v1/sites", key=key)).status_code == 200
    await until(lambda: answers(other.call("GET", "/v1/sites", key=key), 200), IN_FORCE_S)
    assert (await one.call("DELETE", f"/v1/keys/{key_id}")).status_code == 204
    assert (await one.call("GET", "/v1/sites", key=key)).status_code == 401
    await until(lambda: answers(other.call("GET", "/v1/sites", key=key), 401), IN_FORCE_S)
    assert (await one.call("DELETE", f"/v1/keys/{key_id}")).status_code == 204
    (item,) = [item for item in await one.all_items("/v1/keys") if item["key_id"] == key_id]
    assert item["revoked_at"] >= item["created_at"]
    records = await records_of(kafka_settings, "registry.keys", key_id)
    assert [record.value is not None for record in records] == [True, True]


async def test_a_key_ends_when_it_expires(copies: tuple[Copy, Copy]) -> None:
    one, _ = copies
    expires_at = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    _, key = await one.new_key("/desks/lost", "read", expires_at=expires_at)
    assert (await one.call("GET", "/v1/sites", key=key)).status_code == 200
    await until(lambda: answers(one.call("GET", "/v1/sites", key=key), 401), 5.0)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"owner": "/sites/GZ01"}, "/network"),
        ({"owner": "/shops/GZ01"}, "/owner"),
        ({"owner": "/sites/gz01", "network": "tt"}, "/owner"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"scopes": ["read", "read"]}, "/scopes"),
        ({"expires_at": "2011-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "/expires_at"),
        ({"expires_at": 4070908800}, "/expires_at"),
        ({"expires": "2099-01-01T00:00:00Z"}, "/expires"),
        ({"network": "T"}, "/network"),
    ],
)
async def test_a_wrong_member_of_a_key_is_pointed_at(
    copies: tuple[Copy, Copy], changes: Json, pointer: str
) -> None:
    body = {"owner": "/desks/lost", "scopes": ["read"]} | changes
    assert pointers(await copies[0].call("POST", "/v1/keys", body)) == [pointer]


async def test_an_unknown_key_cannot_be_revoked(copies: tuple[Copy, Copy]) -> None:
    assert (await copies[0].call("DELETE", "/v1/keys/nothing")).status_code == 404


# Who may do what


async def test_each_route_asks_for_its_scope(copies: tuple[Copy, Copy], network: str) -> None:
    one, _ = copies
    routes = [
        ("PUT", f"/v1/sites/{network}/GZ01", site(), "admin"),
        ("GET", "/v1/sites", None, "read"),
        ("GET", f"/v1/sites/{network}/GZ01", None, "read"),
        ("PUT", f"/v1/exemptions/{network}/snow-1", exemption(), "decide"),
        ("DELETE", f"/v1/exemptions/{network}/snow-1", None, "decide"),
        ("GET", "/v1/exemptions", None, "read"),
        ("POST", "/v1/keys", {"owner": "/desks/x", "scopes": ["read"]}, "admin"),
        ("GET", "/v1/keys", None, "admin"),
        ("DELETE", "/v1/keys/nothing", None, "admin"),
    ]
    scopes = {"publish", "read", "decide", "backfill", "admin"}
    for method, path, body, needed in routes:
        _, lacking = await one.new_key("/desks/hq", *sorted(scopes - {needed}))
        _, having = await one.new_key("/desks/hq", needed)
        assert (await one.call(method, path, body, lacking)).status_code == 403, (method, path)
        assert (await one.call(method, path, body, having)).status_code not in (401, 403), (method, path)
        assert (await one.call(method, path, body, "no-such-key")).status_code == 401, (method, path)


async def test_a_site_reads_only_what_concerns_it(copies: tuple[Copy, Copy], network: str) -> None:
    one, _ = copies
    await one.call("PUT", f"/v1/sites/{network}/GZ01", site())
    await one.call("PUT", f"/v1/sites/{network}/BJ02", site(city="北京", province="北京"))
    await one.call("PUT", f"/v1/exemptions/{network}/by-region", exemption())
    await one.call("PUT", f"/v1/exemptions/{network}/by-city", exemption(city="深圳"))
    await one.call("PUT", f"/v1/exemptions/{network}/by-name", exemption(province=None, sites=["GZ01"]))
    await one.call("PUT", f"/v1/exemptions/{network}/other", exemption(province="北京"))
    _, key = await one.new_key("/sites/GZ01", "read", network=network)
    assert [item["site"] for item in await one.all_items("/v1/sites", key=key)] == ["GZ01"]
    assert (await one.call("GET", f"/v1/sites/{network}/GZ01", key=key)).status_code == 200
    assert (await one.call("GET", f"/v1/sites/{network}/BJ02", key=key)).status_code == 403
    assert (await one.call("GET", "/v1/sites/other-network/GZ01", key=key)).status_code == 403
    seen = await one.all_items("/v1/exemptions", key=key)
    assert [item["exemption_id"] for item in seen] == ["by-name", "by-region"]


async def test_a_site_declares_no_exemption(copies: tuple[Copy, Copy], network: str) -> None:
    one, _ = copies
    _, key = await one.new_key("/sites/GZ01", "decide", "read", network=network)
    path = f"/v1/exemptions/{network}/mine"
    assert (await one.call("PUT", path, exemption(sites=["GZ01"]), key)).status_code == 403
    assert (await one.call("DELETE", path, key=key)).status_code == 403


async def test_a_key_of_one_network_rules_over_no_other(copies: tuple[Copy, Copy], network: str) -> None:
    one, _ = copies
    _, key = await one.new_key("/operators/branch", "admin", "read", "decide", network=network)
    foreign_id, _ = await one.new_key("/desks/x", "read", network="elsewhere")
    assert (await one.call("PUT", f"/v1/sites/{network}/GZ01", site(), key)).status_code == 201
    assert (await one.call("PUT", "/v1/sites/elsewhere/GZ01", site(), key)).status_code == 403
    assert (await one.call("PUT", "/v1/exemptions/elsewhere/e", exemption(), key)).status_code == 403
    for made_for in ("elsewhere", None):
        body = {"owner": "/desks/x", "scopes": ["read"], "network": made_for}
        assert (await one.call("POST", "/v1/keys", body, key)).status_code == 403
    assert (await one.call("DELETE", f"/v1/keys/{foreign_id}", key=key)).status_code == 404
    assert {item["network"] for item in await one.all_items("/v1/keys", key=key)} == {network}


# Faults


async def test_without_a_broker_writes_are_asked_to_come_again_and_readiness_says_why() -> None:
    process = IntakeProcess("127.0.0.1:1")
    await process.start(ready=False)
    try:
        alone = Copy(process.client)
        for method, path, body in (
            ("PUT", "/v1/sites/tiantian/GZ01", site()),
            ("POST", "/v1/keys", {"owner": "/desks/x", "scopes": ["read"]}),
            ("GET", "/v1/sites", None),
        ):
            answer = await alone.call(method, path, body)
            assert answer.status_code == 503, (method, path)
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["content-type"] == "application/problem+json"
        ready = await process.client.get("/readyz")
        assert ready.status_code == 503
        away = {name for name, check in ready.json()["checks"].items() if not check["ok"]}
        assert {"broker", "registry.keys", "registry.sites", "registry.exemptions"} <= away
    finally:
        await process.close()
