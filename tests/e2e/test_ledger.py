"""The ledger of the whole line: proved, and compared with arbitration's verdicts over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta, timezone

import asyncpg
import pytest

from faultline.cli.commands.ledger import report
from faultline.client import Addresses, Client
from faultline.reconcile import differences
from tests.support.line import Line, findings, parcel
from tests.support.stack import Stack

CHINA = timezone(timedelta(hours=8))
NETWORK = "tiantian"


@pytest.fixture(scope="module")
def line(stack: Stack) -> Line:
    return Line(stack)


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[Client]:
    addresses = Addresses(
        **{name: stack.urls[name] for name in ("intake", "arbitration", "penalties", "notify")}
    )
    with Client(addresses, stack.operator_key) as client:
        yield client


async def test_ledger_and_verdicts_agree_until_somebody_meddles(line: Line, client: Client) -> None:
    start = line.stack.now().astimezone(CHINA).replace(hour=10, minute=0, second=0, microsecond=0)
    fined, clean = f"{NETWORK}/LEDGER000001", f"{NETWORK}/LEDGER000002"
    line.publish(parcel(fined, start - timedelta(days=6), unscanned="HBJ1"))
    line.publish(parcel(clean, start - timedelta(days=6)))
    case = line.decided(fined)
    assert set(findings(case)) == {"TT-01/HBJ1"}
    line.decided(clean)
    assert list(differences(client, NETWORK)) == []
    assert report(client.ledger_verification())["ok"]

    connection = await asyncpg.connect(line.stack.database_url("postgres"))
    change = "UPDATE penalties.verdicts SET {} WHERE waybill = '{}'"
    try:
        await connection.execute(change.format("waybill = 'LEDGER000003'", "LEDGER000002"))
        await connection.execute(change.format("version = 7", "LEDGER000001"))
        found = {one.waybill: one.sentence for one in differences(client, NETWORK, settle_s=0)}
        assert found == {
            "LEDGER000001": "stands at version 7 in the ledger, at 1 in arbitration",
            "LEDGER000002": "is not in the ledger",
            "LEDGER000003": "is in the ledger, and arbitration has no verdict",
        }
        await connection.execute(change.format("version = 1, entries = 0", "LEDGER000001"))
        found = {one.waybill: one.sentence for one in differences(client, NETWORK, settle_s=0)}
        assert found["LEDGER000001"] == "TT-01/HBJ1, HBJ1: must owe 1000 fen, owes 0 in the ledger"
    finally:
        await connection.execute(change.format("entries = 1", "LEDGER000001"))
        await connection.execute(change.format("waybill = 'LEDGER000002'", "LEDGER000003"))
        await connection.close()
    assert list(differences(client, NETWORK)) == []
