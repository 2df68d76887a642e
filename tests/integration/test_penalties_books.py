"""What accountants do with the ledger, over HTTP: booking by hand, closing, proving, statements and totals."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.penalties.domain import ZONE, month_after, month_of
from shared.clock import Clock
from tests.support.bus import WAIT_S
from tests.support.parts import Parts
from tests.support.penalties import Service, finding, verdict
from tests.support.verdicts import new_network

pytestmark = pytest.mark.stack

OTHER_OPERATOR = "/operators/second"


@pytest.fixture(scope="module")
async def service(parts: Parts) -> AsyncIterator[Service]:
    name, url = parts.create_database("penalties")
    running = Service(parts.bootstrap_servers, url)
    await running.start()
    yield running
    running.stop()
    parts.drop_database(name)


def order(amount_fen: Any = 5_000, **other: Any) -> dict[str, Any]:
    return {
        "debit": {"account": "bank"},
        "credit": {"account": "receivable", "site": "BJ02"},
        "amount_fen": amount_fen,
        "reason": "付款 payment of March",
        **other,
    }


async def booked(service: Service, network: str, *verdicts: Any) -> None:
    await service.publish(*verdicts)
    await service.drained()
    assert await service.all_items("/v1/ledger/waybills", network=network)


async def test_an_adjustment_is_booked_once_however_often_it_is_sent(service: Service) -> None:
    network = new_network()
    await service.register(network, "BJ02")
    path = f"/v1/adjustments/{network}"
    answers = await asyncio.gather(
        *(service.post(path, 201, order(), idempotency_key="payment-1") for _ in range(4))
    )
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["state"] == "booked"
    refused = await service.post(path, 409, order(5_001), idempotency_key="payment-1")
    assert "another command" in refused["title"]
    await service.post(path, 201, order(700), idempotency_key="payment-2")
    assert (await service.get(f"/v1/accounts/{network}/BJ02"))["balance_fen"] == -5_700
    entries = await service.all_items(f"/v1/accounts/{network}/BJ02/entries", limit=1)
    assert [(e["kind"], e["waybill"], e["note"], e["chain"]["position"]) for e in entries] == [
        ("adjustment", "-", "付款 payment of March", 1),
        ("adjustment", "-", "付款 payment of March", 2),
    ]
    _, summary = await service.proof(network)
    assert summary == {"ok": True, "chains": 1, "entries": 2, "debits_fen": 5_700}


async def test_above_the_limit_a_second_person_approves(service: Service) -> None:
    network = new_network()
    await service.register(network, "BJ02")
    path = f"/v1/adjustments/{network}"
    made = await service.post(path, 202, order(100_001), idempotency_key="large")
    assert (made["state"], made["entry_id"]) == ("proposed", None)
    assert (await service.get(f"/v1/accounts/{network}/BJ02"))["balance_fen"] == 0
    approval = f"{path}/{made['adjustment_id']}/approve"
    await service.post(approval, 403)
    second = await service.new_key(OTHER_OPERATOR, None, ["read", "admin"])
    await service.post(f"/v1/adjustments/{new_network()}/{made['adjustment_id']}/approve", 404, key=second)
    once, again = await asyncio.gather(*(service.post(approval, 200, key=second) for _ in range(2)))
    assert once == again
    assert (once["state"], once["approved_by"]) == ("booked", OTHER_OPERATOR)
    assert (await service.get(f"/v1/accounts/{network}/BJ02"))["balance_fen"] == -100_001
    assert await service.all_items("/v1/adjustments", network=network, limit=1) == [once]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        (order(1.0), "/amount_fen"),
        (order("100"), "/amount_fen"),
        (order(True), "/amount_fen"),
        (order(0), "/amount_fen"),
        (order(2**53), "/amount_fen"),
        (order(credit={"account": "receivable", "site": "NOWHERE"}), "/credit/site"),
        (order(credit={"account": "receivable"}), "/credit/site"),
        (order(debit={"account": "headquarters", "site": "BJ02"}), "/debit/site"),
        (order(debit={"account": "frozen", "site": "BJ02"}), "/debit/account"),
        (order(debit={"account": "receivable", "site": "BJ02"}), "/credit"),
        (order(reason=" "), "/reason"),
        (order(period="2099-01"), "/period"),
        (order(memo="x"), "/memo"),
    ],
)
async def test_a_wrong_order_is_told_where_and_books_nothing(
    service: Service, wrong: dict[str, Any], pointer: str
) -> None:
    network = new_network()
    await service.register(network, "BJ02")
    answer = await service.post(f"/v1/adjustments/{network}", 422, wrong, idempotency_key=f"{network}-k")
    assert pointer in [error["pointer"] for error in answer["errors"]]
    assert await service.all_items("/v1/adjustments", network=network) == []
    # What was refused has not used the key up.
    await service.post(f"/v1/adjustments/{network}", 201, order(), idempotency_key=f"{network}-k")


@pytest.mark.parametrize(
    ("fen", "reason"),
    [
        ("1.0", "not_a_verdict"),
        ('"1"', "not_a_verdict"),
        (str(2**53), "unfit_verdict"),
        ("-1", "unfit_verdict"),
    ],
)
async def test_a_verdict_with_a_wrong_amount_books_nothing(service: Service, fen: str, reason: str) -> None:
    network = new_network()
    good = verdict(f"{network}/560000000001", 1, [finding("BJ02", {"hq": 77_777})])
    assert good.value is not None
    await service.publish(good._replace(value=good.value.replace(b"77777", fen.encode())))
    await service.drained()
    letters = await service.all_items("/v1/dead-letters", reason=reason)
    assert [letter["key"] for letter in letters if letter["key"].startswith(network)] == [
        f"{network}/560000000001"
    ]
    assert (await service.get("/v1/trial-balance", network=network))["accounts"] == []


async def test_orders_need_a_key_a_scope_and_their_own_network(service: Service) -> None:
    network = new_network()
    await service.register(network, "BJ02")
    path = f"/v1/adjustments/{network}"
    await service.post(path, 422, order())
    strangers = await service.new_key("/operators/elsewhere", new_network(), ["read", "admin"])
    site = await service.new_key("/sites/BJ02", network, ["read", "publish"])
    for key in (strangers, site):
        await service.post(path, 403, order(), idempotency_key=f"{network}-k", key=key)
        await service.post(f"/v1/periods/{network}/2026-03/close", 403, key=key)
        await service.get(f"/v1/ledger/verification?network={network}", 403, key=key)
        await service.get(f"/v1/ledger/waybills?network={network}", 403, key=key)
        await service.get(f"/v1/headquarters/{network}/2026-03", 403, key=key)
        await service.get(f"/v1/adjustments?network={network}", 403, key=key)
    await service.get("/v1/ledger/verification", 403, key=strangers)
    assert (await service.get(f"/v1/trial-balance?network={network}"))["debits_fen"] == 0


async def test_nothing_is_booked_in_a_closed_period(service: Service) -> None:
    network = new_network()
    await service.register(network, "BJ02")
    close = f"/v1/periods/{network}/2026-04/close"
    first, second = await asyncio.gather(
        service.post(close, 200, idempotency_key="a"), service.post(close, 200, idempotency_key="b")
    )
    assert first == second, "two closers at once close once"
    assert await service.post(close, 200, idempotency_key="a") == first
    await service.post(f"/v1/periods/{network}/2026-03/close", 409, idempotency_key="a")
    for period in ("2026-04", "2026-03"):
        answer = await service.post(
            f"/v1/adjustments/{network}", 409, order(period=period), idempotency_key=period
        )
        assert "final up to 2026-04" in answer["detail"]
    assert await service.all_items("/v1/adjustments", network=network) == []
    await booked(service, network, verdict(f"{network}/560000000001", 1, [finding("BJ02", {"hq": 100})]))
    (entry,) = await service.all_items(f"/v1/accounts/{network}/BJ02/entries")
    assert (entry["period"], entry["belongs_to"]) == ("2026-05", "2026-03")
    march = await service.get(f"/v1/statements/{network}/BJ02/2026-03")
    assert (march["state"], march["lines"]) == ("closed", [])


async def test_a_month_can_be_closed_from_its_end_on_in_the_networks_zone(
    parts: Parts, tmp_path: Path
) -> None:
    month = month_of(Clock().now())
    year, number = map(int, month_after(month).split("-"))
    over = datetime(year, number, 1, tzinfo=ZONE)
    real_ms = int(time.time() * 1000)
    offset_ms = int((over - timedelta(seconds=8)).timestamp() * 1000) - real_ms
    clock_file = tmp_path / "clock.json"
    clock_file.write_text(json.dumps({"moves": [[real_ms, offset_ms]]}))
    name, url = parts.create_database("penalties")
    late = Service(parts.bootstrap_servers, url, FAULTLINE_CLOCK_FILE=str(clock_file))
    try:
        await late.start()
        path = f"/v1/periods/{new_network()}/{month}/close"
        clock = Clock(clock_file)
        statuses: dict[tuple[datetime, datetime], int] = {}
        async with asyncio.timeout(WAIT_S), late.client() as client:
            while 200 not in statuses.values():
                asked_at = clock.now()
                statuses[asked_at, clock.now()] = (await client.post(path)).status_code
                await asyncio.sleep(0.2)
        for (asked_at, _), status in statuses.items():
            assert status == 200 or asked_at < over, f"refused at {asked_at}"
        closed_at = [asked_at for (asked_at, _), status in statuses.items() if status == 200]
        assert closed_at[0] >= over - timedelta(seconds=0.5)
    finally:
        late.stop()
        parts.drop_database(name)


# -- proof ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "position", "problem"),
    [
        ("UPDATE entries SET amount_fen = 1 WHERE {e} = 3", 3, "does not follow"),
        ("UPDATE entries SET credit_site = 'ME' WHERE {e} = 2", 2, "does not follow"),
        ("DELETE FROM entries WHERE {e} = 4", 4, "no entry"),
        ("DELETE FROM entries WHERE {e} = 5", 5, "remembered up to 5"),
        ("UPDATE chains SET position = 4 WHERE network = '{n}'", 5, "remembered up to 4"),
        ("DELETE FROM chains WHERE network = '{n}'", 6, "remembered up to 5"),
    ],
)
async def test_the_proof_names_the_first_broken_link(
    service: Service, change: str, position: int, problem: str
) -> None:
    network = new_network()
    subject = f"{network}/560000000001"
    for version in range(1, 6):
        await service.publish(verdict(subject, version, [finding("BJ02", {"hq": 100 * version})]))
    await service.drained()
    (chain,), summary = await service.proof(network)
    assert (chain["ok"], summary["entries"]) == (True, 5)
    connection = await asyncpg.connect(service.settings.database_url)
    await connection.execute("ALTER TABLE entries DISABLE TRIGGER entries_stay")
    await connection.execute(change.format(n=network, e=f"network = '{network}' AND position"))
    await connection.execute("ALTER TABLE entries ENABLE TRIGGER entries_stay")
    await connection.close()
    (chain,), summary = await service.proof(network)
    assert not summary["ok"]
    assert (chain["broken"]["position"], problem in chain["broken"]["problem"]) == (position, True), chain


async def test_the_proof_compares_kept_balances_and_the_seals_of_closes(service: Service) -> None:
    network = new_network()
    await booked(service, network, verdict(f"{network}/560000000001", 1, [finding("BJ02", {"hq": 100})]))
    await service.post(f"/v1/periods/{network}/2026-03/close", 200)
    assert (await service.proof(network))[1]["ok"]
    connection = await asyncpg.connect(service.settings.database_url)
    await connection.execute(
        "UPDATE balances SET debits_fen = 99 WHERE network = $1 AND site = 'BJ02'", network
    )
    (chain,), _ = await service.proof(network)
    assert chain["differences"] == [
        "receivable BJ02 in 2026-03: entries say 100 debit and 0 credit, the kept balance 99 and 0 fen"
    ]
    with pytest.raises(asyncpg.RaiseError, match="Closed periods are final"):
        await connection.execute("DELETE FROM period_closes")
    await connection.execute("ALTER TABLE period_closes DISABLE TRIGGER closes_stay")
    await connection.execute(
        "UPDATE period_closes SET seals = replace(seals::text, 'sha256:', 'sha256:0')::jsonb WHERE network = $1",
        network,
    )
    await connection.execute("ALTER TABLE period_closes ENABLE TRIGGER closes_stay")
    await connection.close()
    (chain,), _ = await service.proof(network)
    assert "sealed another hash" in chain["broken"]["problem"]


# -- reports ----------------------------------------------------------------------------------------------------------


async def test_a_statement_says_by_which_clause_and_whether_an_appeal_runs(service: Service) -> None:
    network = new_network()
    one, two = (f"{network}/56000000000{n}" for n in (1, 2))
    await booked(
        service,
        network,
        verdict(one, 1, [finding("BJ02", {"GZ01": 5_000})]),
        verdict(one, 2, [finding("BJ02", {"GZ01": 5_000}, state="frozen")]),
        verdict(two, 1, [finding("BJ02", {"hq": 100}, state="frozen")]),
        verdict(two, 2, [finding("BJ02", {"hq": 100})]),
    )
    shown = await service.get(f"/v1/statements/{network}/BJ02/2026-03")
    assert {(line["entry"]["waybill"], line["appeal"]) for line in shown["lines"]} == {
        ("560000000001", "pending"),
        ("560000000002", "decided"),
    }
    assert shown["lines"][0]["entry"]["clause"] == {"source": "002", "text": "每票每天五十元"}
    assert shown["closing"] == {"balance_fen": 100, "frozen_fen": 5_000}
    path = f"/v1/statements/{network}/BJ02/2026-03"
    async with service.client() as client:
        pdf = await client.get(path, headers={"Accept": "application/pdf"})
        sheet = await client.get(path, headers={"Accept": "text/csv"})
        assert (await client.get(path, headers={"Accept": "image/png"})).status_code == 406
        assert (await client.get(f"/v1/statements/{network}/NOWHERE/2026-03")).status_code == 404
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    rows = list(csv.DictReader(io.StringIO(sheet.content.decode("utf-8-sig"))))
    assert (rows[1]["clause"], rows[1]["appeal"]) == ("002 每票每天五十元", "pending")
    totals = await service.get(f"/v1/headquarters/{network}/2026-03")
    assert sum(account["closing_fen"] for account in totals["accounts"]) == 0
    by_name = {account["account"]: account["closing_fen"] for account in totals["accounts"]}
    assert (by_name["headquarters"], by_name["headquarters_frozen"], by_name["frozen"]) == (-100, 0, 0)


async def test_the_trial_balance_of_a_past_moment_counts_what_was_posted_until_then(
    service: Service,
) -> None:
    network = new_network()
    await service.register(network, "BJ02")
    start = datetime(2026, 2, 10, tzinfo=UTC)
    moments = [start + timedelta(days=12 * n) for n in range(8)]
    records = [
        verdict(f"{network}/{560000000000 + n}", 1, [finding("BJ02", {"hq": 2**n})], decided_at=moment)
        for n, moment in enumerate(moments)
    ]
    await booked(service, network, *records[:5])
    await service.post(f"/v1/periods/{network}/2026-03/close", 200)
    late = verdict(f"{network}/560000000099", 1, [finding("BJ02", {"hq": 1_000})], decided_at=moments[1])
    await booked(service, network, late, *records[5:])
    await service.post(f"/v1/adjustments/{network}", 201, order(10_000), idempotency_key=f"{network}-k")
    for moment in [start - timedelta(seconds=1), *moments]:
        wanted = sum(2**n for n, posted in enumerate(moments) if posted <= moment)
        wanted += 1_000 * (moments[1] <= moment)
        shown = await service.get("/v1/trial-balance", network=network, as_of=moment.isoformat())
        assert (shown["debits_fen"], shown["balanced"]) == (wanted, True), moment
    now = await service.get("/v1/trial-balance", network=network)
    assert now["debits_fen"] == 255 + 1_000 + 10_000
    assert now["as_of"] is None
