"""Penalties on the real broker and database, read over HTTP: the money is right, once, whatever arrives."""

from __future__ import annotations

import asyncio
import csv
import io
import random
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest

from shared.bus.producer import OutRecord
from shared.events.outputs import Finding
from tests.support.bus import WAIT_S
from tests.support.parts import DatabaseFactory, Parts
from tests.support.penalties import (
    DECIDED_AT,
    Service,
    finding,
    verdict,
)
from tests.support.topics import read_all
from tests.support.verdicts import VERDICTS_TOPIC, new_network

pytestmark = pytest.mark.stack

SITES = ["GZ01", "BJ02", "HUB-SH", "SH0218"]
RECIPIENTS = [*SITES, "hq", "sender", "recipient", "beneficiary"]


@pytest.fixture(scope="module")
async def service(parts: Parts) -> AsyncIterator[Service]:
    name, url = parts.create_database("penalties")
    running = Service(parts.bootstrap_servers, url)
    await running.start()
    yield running
    assert running.stop() == 0, "a stop by SIGTERM is clean"
    parts.drop_database(name)


def random_history(chance: random.Random, subject: str) -> list[list[Finding]]:
    """The findings of one to four versions."""
    return [
        [
            finding(
                chance.choice(SITES),
                {to: chance.randrange(0, 30_000) for to in chance.sample(RECIPIENTS, chance.randint(1, 3))},
                rule=rule,
                kind=chance.choice(["fine", "compensation"]),
                state=chance.choice(["active", "active", "provisional", "frozen", "revoked"]),
            )
            for rule in chance.sample(["TT-01", "TT-02", "TT-04", "TT-07"], chance.randint(0, 3))
        ]
        for _ in range(chance.randint(1, 4))
    ]


def owed_by_findings(findings: list[Finding], *, frozen: bool | None = None) -> Counter[str]:
    """By hand: each site's amounts less the awards to it, of frozen findings, of the others, or of both."""
    owed: Counter[str] = Counter()
    for one in findings:
        if one.state != "revoked" and frozen in (None, one.state == "frozen"):
            owed[str(one.site)] += one.amount_fen
            for award in one.awards:
                owed[award.to] -= award.amount_fen
    return Counter({site: owed[site] for site in SITES if owed[site]})


def owed_by_entries(entries: list[dict[str, Any]]) -> Counter[str]:
    """Each site's debits less its credits over all its accounts."""
    owed: Counter[str] = Counter()
    for entry in entries:
        for side, sign in (("debit", 1), ("credit", -1)):
            owed[entry[side].get("site", "")] += sign * entry["amount_fen"]
    return Counter({site: owed[site] for site in SITES if owed[site]})


async def test_versions_in_any_order_with_redeliveries_end_in_the_newest(service: Service) -> None:
    chance = random.Random(3)
    network = new_network()
    histories = {
        f"{network}/{560000000000 + n}": random_history(chance, f"{network}/{560000000000 + n}")
        for n in range(60)
    }
    records = [
        verdict(subject, version, findings)
        for subject, history in histories.items()
        for version, findings in enumerate(history, 1)
        for _ in range(chance.randint(1, 2))
    ]
    chance.shuffle(records)
    for start in range(0, len(records), 40):
        await service.publish(*records[start : start + 40])
    await service.drained()

    totals: Counter[str] = Counter()
    frozen: Counter[str] = Counter()
    booked: dict[str, Any] = {}
    for subject, history in histories.items():
        entries = await service.all_items(f"/v1/waybills/{subject}/entries", limit=2)
        assert owed_by_entries(entries) == owed_by_findings(history[-1]), subject
        totals.update(owed_by_findings(history[-1], frozen=False))
        frozen.update(owed_by_findings(history[-1], frozen=True))
        booked |= {entry["entry_id"]: entry for entry in entries}
    for site in SITES:
        shown = await service.get(f"/v1/accounts/{network}/{site}")
        assert (shown["balance_fen"], shown["frozen_fen"]) == (totals[site], frozen[site])
        entries = await service.all_items(f"/v1/accounts/{network}/{site}/entries", limit=7)
        concerned = {
            i for i, e in booked.items() if site in (e["debit"].get("site"), e["credit"].get("site"))
        }
        assert [entry["entry_id"] for entry in entries] == list(dict.fromkeys(e["entry_id"] for e in entries))
        assert {entry["entry_id"] for entry in entries} == concerned
    balance = await service.get("/v1/trial-balance", network=network)
    assert balance["balanced"] is True
    assert balance["debits_fen"] == sum(entry["amount_fen"] for entry in booked.values())

    posted = await postings(service, network, expected=len(booked))
    assert posted == booked, "each entry is published, and nothing else"


async def postings(service: Service, network: str, *, expected: int) -> dict[str, Any]:
    """The published entries of a network by id, once there are as many as expected."""
    async with asyncio.timeout(WAIT_S):
        while True:
            records = await read_all(service.settings, "penalties.postings")
            events = [
                msgspec.json.decode(r.value) for r in records if r.key.startswith(network.encode() + b"/")
            ]
            assert all(event["type"] == "posting.booked" for event in events)
            found = {event["data"]["entry_id"]: event["data"] for event in events}
            if len(found) >= expected:
                return found
            await asyncio.sleep(0.1)


async def conflicts_counted(service: Service) -> int:
    """How often the alarm was raised so far; the broker's topic is shared, so others may have raised it too."""
    await service.drained()
    async with service.client() as client:
        metrics = (await client.get("/metrics")).text
    found = re.search(r"^faultline_ledger_digest_conflicts_total (\d+)", metrics, re.MULTILINE)
    assert found is not None, metrics
    return int(found.group(1))


async def test_what_cannot_be_taken_is_a_dead_letter_and_stops_nobody(service: Service) -> None:
    network = new_network()
    good, other = f"{network}/560000000001", f"{network}/560000000002"
    before = await conflicts_counted(service)
    unbalanced = finding("BJ02", {"hq": 100})
    broken = msgspec.structs.replace(unbalanced, amount_fen=101)
    await service.publish(
        OutRecord(VERDICTS_TOPIC, good.encode(), b"not even JSON \x00\xff"),
        OutRecord(VERDICTS_TOPIC, good.encode(), None),
        verdict(other, 1, [broken]),
        OutRecord(VERDICTS_TOPIC, other.encode(), verdict(good, 1, [unbalanced]).value),
        verdict(good, 1, [finding("BJ02", {"GZ01": 5_000})], content="sha256:first"),
        verdict(good, 1, [finding("BJ02", {"GZ01": 9_000})], content="sha256:second"),
    )
    await service.drained()
    letters = [
        letter
        for letter in await service.all_items("/v1/dead-letters", topic=VERDICTS_TOPIC)
        if letter["key"].startswith(network)
    ]
    assert Counter(letter["reason"] for letter in letters) == {
        "not_a_verdict": 2,
        "unfit_verdict": 1,
        "wrong_key": 1,
        "digest_conflict": 1,
    }
    (unfit,) = [letter for letter in letters if letter["reason"] == "unfit_verdict"]
    assert unfit["errors"][0]["pointer"] == "/findings/0/awards"
    entries = await service.all_items(f"/v1/waybills/{good}/entries")
    assert [entry["amount_fen"] for entry in entries] == [5_000], "the first of two contents stands"
    assert await service.all_items(f"/v1/waybills/{other}/entries") == []
    assert await conflicts_counted(service) == before + 1


async def test_a_key_reads_only_what_concerns_it(service: Service) -> None:
    network = new_network()
    subject = f"{network}/560000000001"
    await service.publish(
        verdict(
            subject, 1, [finding("BJ02", {"GZ01": 5_000}), finding("HUB-SH", {"hq": 1_000}, rule="TT-01")]
        )
    )
    await service.drained()
    key = await service.new_key("/sites/GZ01", network, ["read"])
    assert (await service.get(f"/v1/accounts/{network}/GZ01", key=key))["balance_fen"] == -5_000
    mine = await service.all_items(f"/v1/waybills/{subject}/entries", key=key)
    assert [entry["rule"] for entry in mine] == ["TT-04"]
    for path in (
        f"/v1/accounts/{network}/BJ02",
        f"/v1/accounts/{network}/BJ02/entries",
        f"/v1/accounts/{new_network()}/GZ01",
        f"/v1/statements/{network}/BJ02/2026-03",
        f"/v1/waybills/{new_network()}/560000000001/entries",
        f"/v1/trial-balance?network={network}",
        "/v1/dead-letters",
    ):
        await service.get(path, 403, key=key)
    await service.get(f"/v1/accounts/{network}/GZ01", 401, key=None)
    await service.get(f"/v1/accounts/{network}/GZ01", 401, key="no such key")
    desk = await service.new_key("/desks/arb1", None, ["read", "decide"])
    assert (await service.get(f"/v1/accounts/{network}/BJ02", key=desk))["balance_fen"] == 5_000
    async with service.client(desk) as client:
        assert (await client.post(f"/v1/periods/{network}/2026-03/close")).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/v1/accounts/tiantian/bj02",
        "/v1/accounts/Tiantian/BJ02",
        "/v1/accounts/tiantian/BJ02/entries?limit=0",
        "/v1/accounts/tiantian/BJ02/entries?limit=501",
        "/v1/accounts/tiantian/BJ02/entries?cursor=bm9uc2Vuc2U",
        "/v1/accounts/tiantian/BJ02/entries?cursor=WyJcdTAwMDAiLCIyMDI2LTAzLTA1VDAwOjAwOjAwWiIsIjU2MDAwMDAwMDAwMSIsMF0",
        "/v1/accounts/tiantian/BJ02/entries?from=2026-03-05",
        "/v1/accounts/tiantian/BJ02/entries?rule=%00",
        "/v1/waybills/tiantian/56/entries",
        "/v1/statements/tiantian/BJ02/2026-13",
        "/v1/trial-balance",
    ],
)
async def test_a_request_that_breaks_the_contract_is_told_where(service: Service, path: str) -> None:
    shown = await service.get(path, 422)
    assert shown["errors"], shown


async def test_a_month_is_stated_closed_and_stays(service: Service) -> None:
    network = new_network()
    subject = f"{network}/560000000001"
    await service.publish(verdict(subject, 1, [finding("BJ02", {"GZ01": 5_000})]))
    await service.drained()
    path = f"/v1/periods/{network}/2026-03/close"
    async with service.client() as one, service.client() as two:
        answers = await asyncio.gather(one.post(path), two.post(path))
        early = await one.post(f"/v1/periods/{network}/2099-01/close")
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json(), "two closers at once close once"
    assert (answers[0].json()["debits_fen"], early.status_code) == (5_000, 409)
    before = await service.get(f"/v1/statements/{network}/BJ02/2026-03")

    last_second = datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC)
    await service.publish(verdict(subject, 2, [finding("BJ02", {"GZ01": 8_000})], decided_at=last_second))
    await service.drained()
    first, late = await service.all_items(f"/v1/waybills/{subject}/entries")
    assert (first["period"], "belongs_to" in first) == ("2026-03", False)
    assert (late["period"], late["belongs_to"], late["amount_fen"]) == ("2026-04", "2026-03", 3_000)
    assert late["posted_at"] == "2026-03-31T15:59:59Z"
    after = await service.get(f"/v1/statements/{network}/BJ02/2026-03")
    assert (before, after["state"]) == (after, "closed")
    april = await service.get(f"/v1/statements/{network}/BJ02/2026-04")
    assert april["state"] == "open"
    assert (april["opening"]["balance_fen"], april["closing"]["balance_fen"]) == (5_000, 8_000)

    async with service.client() as client:
        answer = await client.get(f"/v1/statements/{network}/GZ01/2026-04", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["balance_fen"] for row in rows] == ["-5000", "-8000", "-8000"]


async def test_a_kill_in_the_middle_loses_and_doubles_nothing(service: Service) -> None:
    network = new_network()
    subjects = [f"{network}/{560000000000 + n}" for n in range(4_000)]
    await service.publish(*(verdict(subject, 1, [finding("BJ02", {"hq": 1})]) for subject in subjects))
    connection = await asyncpg.connect(service.settings.database_url)
    query = "SELECT count(*) FROM entries WHERE network = $1"
    service.stop(signal.SIGKILL)
    await service.start()
    await service.drained()
    assert await connection.fetchval(query, network) == len(subjects)
    await connection.close()
    assert (await service.get(f"/v1/accounts/{network}/BJ02"))["balance_fen"] == len(subjects)
    assert len(await postings(service, network, expected=len(subjects))) == len(subjects)


async def test_a_replay_into_an_empty_database_books_the_same_entries(
    service: Service, database: DatabaseFactory, parts: Parts
) -> None:
    chance = random.Random(5)
    network = new_network()
    first = [
        verdict(f"{network}/{560000000000 + n}", v, findings, decided_at=DECIDED_AT)
        for n in range(40)
        for v, findings in enumerate(random_history(chance, ""), 1)
    ]
    chance.shuffle(first)
    half = len(first) // 2
    await service.publish(*first[:half])
    await service.drained()
    async with service.client() as client:
        assert (await client.post(f"/v1/periods/{network}/2026-03/close")).status_code == 200
    await service.publish(*first[half:])
    await service.drained()
    service.stop()

    again = Service(parts.bootstrap_servers, database("penalties"))
    try:
        await again.start_with_closes_of(service)
        await again.drained()
        again.stop()
        there, here = await rows(again), await rows(service)
        assert there == here
        assert {row["period"] for row in here if row["network"] == network} == {"2026-03", "2026-04"}
    finally:
        again.stop()
        await service.start()


async def rows(service: Service) -> list[dict[str, Any]]:
    """The whole ledger as stored."""
    connection = await asyncpg.connect(service.settings.database_url)
    found = await connection.fetch("SELECT * FROM entries ORDER BY network, waybill, ordinal")
    await connection.close()
    return [dict(row) for row in found]
