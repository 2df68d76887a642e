"""Scorecards, silences and rebuilds, on the real broker and database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.clock import Clock
from tests.conftest import DatabaseFactory
from tests.support.arbitration import Arbitration, arbitration
from tests.support.bus import until
from tests.support.line import event, parcel
from tests.support.parts import Parts

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


def new_network() -> str:
    """A network that no other test has: figures are a network's."""
    return f"n{uuid4().hex[:10]}"


async def figures(hub: Arbitration, network: str, **query: Any) -> dict[str, Json]:
    """Scorecards by their key."""
    group = query.get("group", "site")
    page = await hub.get("/v1/scorecards", network=network, **query)
    assert page["next"] is None
    return {item[group]: item for item in page["items"]}


async def rebuilt(hub: Arbitration, name: str) -> None:
    """Return once the projection is live again, with nothing left of the old generation."""

    async def live() -> bool:
        found = {item["name"]: item for item in (await hub.get("/v1/projections"))["items"]}
        return bool(found[name]["state"] == "live")

    await until(live, f"{name} is live")


def complaint(subject: str, number: int, at: datetime, **data: Any) -> Json:
    """A complaint of a delay that names nobody."""
    said = {"complaint_id": f"C{number}", "channel": "phone", "category": "delay", "claimant": "sender"}
    return event(subject, "/desks/gz", "complaint.opened", at, f"c-{number}", **said | data)


async def test_scorecards_count_what_sites_did(hub: Arbitration) -> None:
    network = new_network()
    start = hub.clock.now().replace(microsecond=0) - timedelta(days=9)
    late = parcel(f"{network}/LATE00001", start, signed=False)
    events = [*parcel(f"{network}/CLEAN0001", start), *late]
    events.append(complaint(f"{network}/LATE00001", 1, start + timedelta(days=8), against_site="BJ02"))
    await hub.publish(*events)
    await hub.decided(f"{network}/CLEAN0001")
    await hub.decided(f"{network}/LATE00001")
    by_site = await figures(hub, network)
    assert {site: card["parcels"] for site, card in by_site.items()} == {
        "GZ01": 2, "HGZ1": 2, "HBJ1": 2, "BJ02": 2,
    }  # fmt: skip
    origin = by_site["GZ01"]
    assert (origin["late_parcels"], origin["late_rate"], origin["findings"]) == (1, 0.5, 1)  # GB-01 after day 7
    desk = by_site["BJ02"]
    assert (desk["complaints"], desk["complaints_per_million"]) == (1, 500_000.0)
    by_rule = await figures(hub, network, group="rule")
    assert by_rule["GB-01"] == {"network": network, "rule": "GB-01", "findings": 1, "amount_fen": 0}
    by_day = await figures(hub, network, group="day")
    assert sum(card["parcels"] for card in by_day.values()) == 8
