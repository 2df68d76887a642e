"""The registers and the backlog, on the real broker and database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from services.arbitration.projections.registers import REGISTERS
from tests.support.arbitration import Arbitration, arbitration
from tests.support.bus import until
from tests.support.fresh import fresh
from tests.support.line import event, parcel, scan
from tests.support.parts import DatabaseFactory, Parts

pytestmark = pytest.mark.stack
Json = dict[str, Any]


@pytest.fixture
async def hub(parts: Parts, database: DatabaseFactory, tmp_path: Path) -> AsyncIterator[Arbitration]:
    """A copy of arbitration with a database and a movable clock of its own."""
    clock_file = tmp_path / "clock.json"
    async with arbitration(
        parts.bootstrap_servers, database("arbitration"), clock_file=clock_file, projection_poll_ms=50
    ) as running:
        yield running


def morning(hub: Arbitration) -> datetime:
    """10:00 local time, six days ago."""
    local = hub.clock.now().astimezone(timezone(timedelta(hours=8))) - timedelta(days=6)
    return local.replace(hour=10, minute=0, second=0, microsecond=0)


async def lines(hub: Arbitration, name: str, count: int, **query: Any) -> list[Json]:
    """The lines of a register once there are so many."""
    found: list[Json] = []

    async def there() -> bool:
        found[:] = (await hub.get(f"/v1/registers/{name}", **query))["items"]
        return len(found) == count

    await until(there, lambda: f"{count} lines in {name}: {found}")
    return found


async def test_a_waybill_stands_where_its_events_put_it(hub: Arbitration) -> None:
    network = f"n{fresh(10)}"
    start = morning(hub)
    subject, clean = f"{network}/PROBLEM01", f"{network}/CLEAN0001"
    events = parcel(subject, start, signed=False)
    out = start + timedelta(hours=46)
    events.append(scan(subject, "BJ02", "scan.problem", out + timedelta(hours=1), reason="refused"))
    photo = {"shows_name": False, "shows_identity": False, "legible": True}
    signed = scan(
        subject, "BJ02", "signature.recorded", out + timedelta(days=2), signer="addressee", photo=photo
    )
    await hub.publish(*parcel(clean, start), *events)
    await hub.decided(clean)
    (problem,) = await lines(hub, "problems", 1, network=network)
    assert (problem["waybill"], problem["site"], problem["reason"]) == ("PROBLEM01", "BJ02", "refused")
    assert (problem["courier"], problem["closed_on"]) == ("C17", None)
    day = problem["day"]
    await lines(hub, "problems", 1, network=network, day=day, site="BJ02")
    await lines(hub, "problems", 1, network=network, month=day[:7])
    await lines(hub, "problems", 0, network=network, site="GZ01")
    await lines(hub, "problems", 1, network=network, open_on=day)
    await hub.publish(signed)
    assert (await lines(hub, "photos", 1, network=network))[0]["defects"] == ["nobody_named"]
    assert (await lines(hub, "problems", 1, network=network))[0]["then"] == "signature.recorded"
    stood = await hub.rows("SELECT DISTINCT subject FROM registers WHERE network = :network", network=network)
    assert [tuple(row) for row in stood] == [(subject,)], "an ordinary parcel takes no room"


async def test_receipts_of_a_month_and_those_not_back_at_its_end(hub: Arbitration) -> None:
    start = morning(hub)
    number = fresh(8)
    for n in range(3):
        subject = f"freight/R{n}{number}"
        asked = event(subject, "/sites/GZ01", "receipt.required", start, f"r{n}", site="GZ01", transfers=2)
        await hub.publish(*parcel(subject, start), asked)
    mine = {"network": "freight", "from": start.date().isoformat(), "to": start.date().isoformat()}
    await lines(hub, "receipts", 3, **mine, site="GZ01")
    back = event(
        f"freight/R0{number}", "/sites/GZ01", "receipt.returned", start + timedelta(days=5), "b", site="GZ01"
    )
    await hub.publish(back)
    end = (start + timedelta(days=5)).date().isoformat()

    async def left() -> bool:
        items = (await hub.get("/v1/registers/receipts", network="freight", site="BJ02", open_on=end))[
            "items"
        ]
        return {item["waybill"] for item in items} == {f"R1{number}", f"R2{number}"}

    await until(left, "two receipts are open")
    pages: list[Json] = []
    cursor: dict[str, str] = {}
    while True:
        page = await hub.get("/v1/registers/receipts", network="freight", limit=1, **cursor)
        pages += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert [item["waybill"] for item in pages] == [f"R{n}{number}" for n in range(3)]
    assert {item["state"] for item in pages} == {"waiting", "returned"}


async def test_what_cannot_be_asked_is_refused(hub: Arbitration) -> None:
    for path, query in (
        ("nothing", {}),
        ("problems", {"day": "2026-03-04", "month": "2026-03"}),
        ("problems", {"month": "2026-13"}),
        ("problems", {"cursor": "x"}),
    ):
        answer = await hub.http.get(f"/v1/registers/{path}", params=query)
        assert answer.status_code == 422, (path, query)


async def test_a_rebuild_finds_the_same_lines(hub: Arbitration) -> None:
    network = f"n{fresh(10)}"
    start = morning(hub)
    subject = f"{network}/REBUILT01"
    problem = scan(subject, "BJ02", "scan.problem", start + timedelta(hours=47), reason="damaged")
    await hub.publish(*parcel(subject, start, signed=False), problem)
    before = await lines(hub, "anomalies", 1, network=network)
    answer = await hub.http.post("/v1/projections/registers/rebuild")
    assert answer.status_code == 202, answer.text

    async def live() -> bool:
        found = {item["name"]: item for item in (await hub.get("/v1/projections"))["items"]}
        return bool(found["registers"]["state"] == "live" and found["registers"]["live"] == 2)

    await until(live, "the rebuilt generation is read")
    assert await lines(hub, "anomalies", 1, network=network) == before


async def test_the_backlog_tells_how_far_every_partition_is(hub: Arbitration) -> None:
    subject = f"tiantian/B{fresh(8)}"
    await hub.publish(*parcel(subject, hub.clock.now() - timedelta(days=6)))
    await hub.decided(subject)

    async def done() -> bool:
        backlog = await hub.get("/v1/backlog")
        parts = backlog["partitions"]
        topics = {one["topic"] for one in parts}
        assert topics == {"parcel.scans", "parcel.signatures", "parcel.complaints"}
        assert len(parts) == 36
        assert backlog["figures"]["parked"] == 0
        return bool(sum(one["lag"] for one in parts) + backlog["outbox_batches"] == 0)

    await until(done, "everything is worked through")
    refused = await hub.http.get("/v1/backlog", headers={"Authorization": "Bearer nobody"})
    assert refused.status_code == 401


async def test_a_site_sees_nobody_elses_couriers_and_notes(hub: Arbitration) -> None:
    network, start = f"n{fresh(10)}", morning(hub)
    subject = f"{network}/PERSONS01"
    stuck = start + timedelta(hours=47)
    problem = scan(subject, "BJ02", "scan.problem", stuck, reason="damaged", note="called Mr Wang")
    missorted = scan(subject, "BJ02", "scan.problem", stuck + timedelta(hours=1), reason="missorted")
    await hub.publish(*parcel(subject, start, signed=False), problem, missorted)
    await lines(hub, "problems", 2, network=network)
    seen: dict[str, list[Json]] = {}
    for site in ("BJ02", "HBJ1"):
        async with hub.caller(f"/sites/{site}", network, "read") as caller:
            answers = [await caller.get(f"/v1/registers/{name}") for name in REGISTERS]
            seen[site] = [line for answer in answers for line in answer.json()["items"]]
    own = [line for line in seen["BJ02"] if "courier" in line]
    assert {line["courier"] for line in own} == {"C17"}
    assert "called Mr Wang" in {line.get("note") for line in own}
    about = {(line["site"], line["against"]) for line in seen["HBJ1"]}
    assert about == {("BJ02", "HBJ1")}, "it is told of what is about it"
    assert "C17" not in str(seen["HBJ1"])
    assert "Wang" not in str(seen["HBJ1"])
