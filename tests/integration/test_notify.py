"""Notify on the real broker and database, read over HTTP: each notice once, whatever arrives."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import httpx
import msgspec
import pytest

from shared.bus.producer import OutRecord
from shared.events.outputs import Finding, Text
from shared.registry import SITES_TOPIC, SiteRecord
from tests.support.notify import (
    NOTICES_TOPIC,
    NotifyProcess,
    expected,
    published,
    random_delivery,
    shown,
)
from tests.support.parts import DatabaseFactory, Parts
from tests.support.verdicts import VERDICTS_TOPIC, new_network, record_of
from tests.unit.notify.verdicts import DECIDED_AT, finding, notice_id, verdict

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def notify(parts: Parts) -> AsyncIterator[NotifyProcess]:
    name, url = parts.create_database("notify")
    running = NotifyProcess(parts.bootstrap_servers, url)
    await running.start()
    yield running
    assert running.stop() == 0, "a stop by SIGTERM is clean"
    parts.drop_database(name)


async def test_a_finding_is_told_to_the_liable_site_and_to_the_one_that_is_paid(
    notify: NotifyProcess,
) -> None:
    network = new_network()
    await notify.told(record_of(verdict(1, finding(), network=network)))
    paid, liable = await notify.items(network=network)
    assert shown([paid, liable]) == [("finding_issued", "BJ02", 1), ("finding_issued", "GZ01", 1)]
    assert liable["notice_id"] == notice_id(
        "finding_issued", network, "560000000001", "TT-04/BJ02", 1, "BJ02", "in_app"
    )
    assert (liable["channel"], liable["state"], liable["language"]) == ("in_app", "delivered", "zh")
    assert [attempt["outcome"] for attempt in liable["attempts"]] == ["delivered"]
    assert datetime.fromisoformat(liable["due_at"]) == datetime(2026, 3, 9, 15, 59, 59, tzinfo=UTC)
    assert "逾期 3 天" in liable["body"]
    assert "due_at" not in paid


async def test_a_site_reads_its_own_language(notify: NotifyProcess) -> None:
    network = new_network()
    site = SiteRecord(
        network=network, site="BJ02", name="B", kind="outlet", language="en", recorded_at=DECIDED_AT
    )
    key = f"{network}/BJ02"
    await notify.publish(OutRecord(SITES_TOPIC, key.encode(), msgspec.json.encode(site)))
    # The key is published after the site: once the service knows the one, it soon knows the other.
    await notify.new_key("/sites/BJ02", network, ["read"])
    for number in range(100):
        await notify.told(record_of(verdict(1, finding(), network=network, waybill=f"56000{number:07d}")))
        languages = {item["language"] for item in await notify.items(network=network, site="BJ02")}
        if "en" in languages:
            break
    first = (await notify.items(network=network, site="BJ02"))[0]
    assert (first["language"], "3 days late" in first["body"]) == ("en", True)
    assert {item["language"] for item in await notify.items(network=network, site="GZ01")} == {"zh"}


async def test_lower_versions_and_copies_are_ignored(notify: NotifyProcess) -> None:
    network = new_network()
    first = record_of(verdict(1, finding(), network=network))
    third = record_of(verdict(3, finding(amount_fen=20_000), network=network))
    second = record_of(verdict(2, finding(state="frozen"), network=network))
    await notify.told(first, third, second, third, first)
    assert shown(await notify.items(network=network)) == [
        ("finding_issued", "BJ02", 1),
        ("finding_issued", "GZ01", 1),
        ("finding_changed", "BJ02", 3),
        ("finding_changed", "GZ01", 3),
    ]


async def test_verdicts_without_findings_leave_no_row(notify: NotifyProcess) -> None:
    network = new_network()
    clean = [record_of(verdict(1, network=network, waybill=f"56{n:010d}", status="clear")) for n in range(50)]
    await notify.told(*clean)
    assert await notify.items(network=network) == []
    connection = await asyncpg.connect(notify.settings.database_url)
    try:
        assert (
            await connection.fetchval(
                "SELECT count(*) FROM seen_verdicts WHERE subject LIKE $1", f"{network}/%"
            )
            == 0
        )
    finally:
        await connection.close()


async def test_any_delivery_in_any_batches_makes_the_same_notices_and_so_does_a_replay(
    parts: Parts, database: DatabaseFactory, notify: NotifyProcess
) -> None:
    chance, network = random.Random(20260301), new_network()
    delivery = random_delivery(chance, network, 60)
    await notify.told(*map(record_of, delivery))
    items = await notify.items(network=network, limit=37)
    ids = [item["notice_id"] for item in items]
    assert len(ids) == len(set(ids))
    assert set(ids) == expected(delivery)

    small = NotifyProcess(
        parts.bootstrap_servers,
        database("notify"),
        FAULTLINE_CONSUMER_GROUP=f"replay-{network}",
        FAULTLINE_BATCH_RECORDS_MAX="20",
        FAULTLINE_NOTICE_LANGUAGE="en",
    )
    try:
        await small.start()
        await small.drained()
        again = await small.items(network=network)
    finally:
        small.stop()
    assert {item["notice_id"] for item in again} == set(ids)
    assert {item["language"] for item in again} == {"en"}


async def test_notices_are_published_once_with_their_states(notify: NotifyProcess) -> None:
    network = new_network()
    record = record_of(verdict(1, finding(), network=network))
    await notify.told(record, record)
    (item,) = await notify.items(network=network, site="BJ02")
    async with notify.client() as client:
        for _ in range(2):
            answer = await client.post(f"/v1/notices/{item['notice_id']}/acknowledge")
            assert (answer.status_code, answer.json()["state"]) == (200, "acknowledged")
    await notify.drained()
    events = [msgspec.json.decode(r.value) for r in await published(notify.settings, NOTICES_TOPIC, network)]
    assert len({event["id"] for event in events}) == len(events) == 5
    assert [e["type"] for e in events if e["data"]["notice_id"] == item["notice_id"]] == [
        "notice.queued",
        "notice.delivered",
        "notice.acknowledged",
    ]
    for event in events:
        assert event["type"] == f"notice.{event['data']['state']}"
        assert (event["subject"], event["source"]) == (f"{network}/560000000001", "/services/notify")


async def test_lists_can_be_narrowed(notify: NotifyProcess) -> None:
    network = new_network()
    await notify.told(
        *(record_of(verdict(1, finding(), network=network, waybill=f"58{n:010d}")) for n in range(3))
    )
    (item,) = await notify.items(network=network, site="BJ02", waybill="580000000001")
    async with notify.client() as client:
        await client.post(f"/v1/notices/{item['notice_id']}/acknowledge")
    acknowledged = await notify.items(network=network, state="acknowledged")
    assert [one["notice_id"] for one in acknowledged] == [item["notice_id"]]
    assert len(await notify.items(network=network, state="delivered", limit=2)) == 5
    assert await notify.items(network=network, waybill="580000000009") == []


async def test_a_site_sees_and_acknowledges_its_own_only(notify: NotifyProcess) -> None:
    network = new_network()
    await notify.told(record_of(verdict(1, finding(), network=network)))
    own = await notify.new_key("/sites/BJ02", network, ["read"])
    foreign = await notify.new_key("/sites/BJ02", new_network(), ["read"])
    desk = await notify.new_key("/desks/CS", network, ["read"])
    blind = await notify.new_key("/sites/BJ02", network, ["publish"])
    (mine,) = await notify.items(key=own)
    assert (mine["site"], await notify.items(key=foreign)) == ("BJ02", [])
    assert len(await notify.items(key=desk, network=network)) == 2
    (other,) = await notify.items(network=network, site="GZ01")
    asked: list[tuple[str, str, str, int]] = [
        (own, "GET", "/v1/notices?site=GZ01", 403),
        (own, "GET", f"/v1/notices?network={new_network()}", 403),
        (own, "GET", "/v1/notices/stream?site=GZ01", 403),
        (own, "POST", f"/v1/notices/{other['notice_id']}/acknowledge", 404),
        (foreign, "POST", f"/v1/notices/{mine['notice_id']}/acknowledge", 404),
        (desk, "POST", f"/v1/notices/{mine['notice_id']}/acknowledge", 403),
        (blind, "GET", "/v1/notices", 403),
        ("wrong", "GET", "/v1/notices", 401),
        (own, "GET", "/v1/dead-letters", 403),
        (own, "POST", f"/v1/notices/{mine['notice_id']}/acknowledge", 200),
    ]
    for key, method, path, status in asked:
        async with notify.client(key) as client:
            answer = await client.request(method, path)
        assert (path, answer.status_code) == (path, status)
        if status != 200:
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "state=read",
        "network=UPPER",
        "site=a",
        "waybill=x",
        "cursor=%00",
        "cursor=WzEsMl0",
    ],
)
async def test_what_a_list_refuses(notify: NotifyProcess, query: str) -> None:
    async with notify.client() as client:
        answer = await client.get(f"/v1/notices?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/query/{query.split('=')[0]}"


async def test_an_unknown_notice_is_not_found(notify: NotifyProcess) -> None:
    async with notify.client() as client:
        assert (
            await client.post("/v1/notices/6f0d7a52-5c0e-5b7e-9d7c-3a1f6c1e4b90/acknowledge")
        ).status_code == 404
        assert (await client.post("/v1/notices/x/acknowledge")).status_code == 422


async def test_a_stream_brings_news_and_what_was_missed(notify: NotifyProcess) -> None:
    network = new_network()
    async with notify.stream(network=network, site="BJ02") as stream:
        await notify.told(record_of(verdict(1, finding(), network=network)))
        first = await stream.next()
        mark = stream.mark
    assert (first["occasion"], first["site"], first["state"]) == ("finding_issued", "BJ02", "delivered")

    changed = record_of(verdict(2, finding(amount_fen=20_000), network=network))
    await notify.told(changed)
    async with notify.stream(network=network, site="BJ02", since=mark) as stream:
        missed = await stream.next()
        await notify.told(record_of(verdict(3, finding(state="revoked"), network=network)))
        live = await stream.next()
        async with notify.client() as client:
            await client.post(f"/v1/notices/{first['notice_id']}/acknowledge")
            acknowledged = await stream.next()
            listed = (await client.get("/v1/notices", params={"network": network, "site": "BJ02"})).json()
    assert acknowledged in listed["items"], "a notice has the same members everywhere"
    assert [missed["version"], live["version"]] == [2, 3]
    assert (acknowledged["notice_id"], acknowledged["state"]) == (first["notice_id"], "acknowledged")


async def test_a_mark_that_no_stream_has_sent_is_refused(notify: NotifyProcess) -> None:
    async with notify.client() as client:
        answer = await client.get("/v1/notices/stream", headers={"Last-Event-ID": "1; DROP"})
    assert answer.status_code == 422


async def test_what_is_no_verdict_is_kept_and_shown_and_stops_nobody(notify: NotifyProcess) -> None:
    network = new_network()
    good = record_of(verdict(1, finding(), network=network))
    other = record_of(verdict(1, finding(), network=network, waybill="560000000002"))
    key = f"{network}/560000000001".encode()
    bad = [
        OutRecord(VERDICTS_TOPIC, key, b"\xff\x00 no event"),
        OutRecord(VERDICTS_TOPIC, key, None),
        OutRecord(VERDICTS_TOPIC, key, (good.value or b"").replace(b"verdict.issued", b"verdict.dreamt")),
        OutRecord(VERDICTS_TOPIC, key, other.value),
        OutRecord(VERDICTS_TOPIC, key, (good.value or b"").replace(b'"sha256:1"', b'"sha256:2"')),
    ]
    await notify.told(good, *bad, other)
    assert len(await notify.items(network=network)) == 4
    async with notify.client() as client:
        letters = (await client.get("/v1/dead-letters?limit=500")).json()["items"]
    mine = [letter for letter in letters if letter["key"] == key.decode()]
    assert sorted(letter["reason"] for letter in mine) == [
        "malformed",
        "malformed",
        "unknown_type",
        "version_conflict",
        "wrong_subject",
    ]
    kept = await published(notify.settings, f"{VERDICTS_TOPIC}.dlq", network)
    assert {record.value for record in kept} == {record.value for record in bad}


async def test_hostile_text_is_kept_as_text(notify: NotifyProcess) -> None:
    network = new_network()
    text = "<script>alert(1)</script>\x00\n{{ 7*7 }}"
    hostile: Finding = finding(finding_id=f"ZT-01/BJ02/{text}", reason=Text(text, text))
    await notify.told(record_of(verdict(1, hostile, network=network)))
    for item in await notify.items(network=network):
        assert "<script>alert(1)</script>" in item["body"]
        assert "{{ 7*7 }}" in item["body"]
        assert "\x00" not in item["body"] + item["finding_id"]


async def test_the_contract_is_described(notify: NotifyProcess) -> None:
    async with httpx.AsyncClient(base_url=notify.url, trust_env=False) as client:
        document = (await client.get("/openapi.json")).json()
        metrics = (await client.get("/metrics")).text
    assert {
        "/v1/notices",
        "/v1/notices/{notice_id}/acknowledge",
        "/v1/notices/stream",
        "/v1/dead-letters",
    } <= set(document["paths"])
    assert "faultline_notices_made_total" in metrics
