"""Scorecards, silences and rebuilds, on the real broker and database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared.clock import advance
from tests.support.arbitration import Arbitration, arbitration
from tests.support.bus import until
from tests.support.fresh import fresh
from tests.support.line import event, parcel
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


def new_network() -> str:
    """A network that no other test has: figures are a network's."""
    return f"n{fresh(10)}"


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
    assert (origin["late_parcels"], origin["late_rate"], origin["findings"]) == (
        1,
        0.5,
        1,
    )  # GB-01 after day 7
    desk = by_site["BJ02"]
    assert (desk["complaints"], desk["complaints_per_million"]) == (1, 500_000.0)
    by_rule = await figures(hub, network, group="rule")
    assert by_rule["GB-01"] == {"network": network, "rule": "GB-01", "findings": 1, "amount_fen": 0}
    by_day = await figures(hub, network, group="day")
    assert sum(card["parcels"] for card in by_day.values()) == 8


def pass_time(hub: Arbitration, by: timedelta) -> None:
    """Move the clock forward."""
    assert hub.settings.clock_file is not None
    advance(hub.settings.clock_file, by)


async def test_a_parcel_that_nothing_is_heard_of_is_found_with_who_holds_it(hub: Arbitration) -> None:
    network = new_network()
    start = hub.clock.now().replace(microsecond=0)
    silent, moving, ended = (f"{network}/{name}" for name in ("SILENT001", "MOVING001", "ENDED0001"))
    await hub.publish(*parcel(silent, start - timedelta(hours=10), signed=False)[:2])
    await hub.publish(*parcel(moving, start, signed=False)[:1])
    await hub.publish(*parcel(ended, start - timedelta(days=4)))
    await hub.decided(ended)
    assert (await hub.get("/v1/silences", network=network))["items"] == []
    pass_time(hub, timedelta(hours=25))

    async def listed() -> bool:
        return len((await hub.get("/v1/silences", network=network, hours=24))["items"]) == 2

    await until(listed, "both parcels are silent")
    assert (await hub.case(silent) or {})["verdict"] is None, "nothing was found, so nothing is issued"
    moved = event(moving, "/sites/GZ01", "scan.departed", hub.clock.now(), "d", site="GZ01", next_site="HGZ1")
    await hub.publish(moved)
    await hub.known(moving, 2)
    (item,) = (await hub.get("/v1/silences", network=network, hours=24))["items"]
    assert (item["waybill"], item["site"], item["towards"]) == ("SILENT001", "GZ01", "HGZ1")
    assert item["silent_hours"] == 26
    by_site = await figures(hub, network)
    assert by_site["GZ01"]["silent_parcels"] >= 1
    refused = await hub.http.get("/v1/silences", params={"network": network, "hours": 11})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/query/hours"


async def test_the_exact_term_of_the_rules_is_shown_and_not_the_look(hub: Arbitration) -> None:
    network = new_network()
    start = hub.clock.now().replace(microsecond=0)
    subject = f"{network}/TERM00001"
    await hub.publish(*parcel(subject, start, signed=False)[:1])
    before = (await hub.known(subject, 1))["next_review_at"]
    pass_time(hub, timedelta(hours=13))

    async def looked_at() -> bool:
        return bool(await hub.rows("SELECT 1 FROM parcels WHERE subject = :subject", subject=subject))

    await until(looked_at, "the parcel is looked at")
    assert (await hub.known(subject, 1))["next_review_at"] == before
    (due_at,) = (
        row[0]
        for row in await hub.rows("SELECT due_at FROM reviews WHERE subject = :subject", subject=subject)
    )
    assert due_at - start == timedelta(hours=24), "the next look, long before the term"


async def test_lists_are_paged_and_a_site_sees_its_own(hub: Arbitration) -> None:
    network = new_network()
    await hub.publish(*parcel(f"{network}/PAGED0001", hub.clock.now() - timedelta(days=4)))
    await hub.decided(f"{network}/PAGED0001")
    sites: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await hub.get("/v1/scorecards", network=network, limit=1, **cursor)
        sites += [item["site"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert sites == ["BJ02", "GZ01", "HBJ1", "HGZ1"]
    async with hub.caller("/sites/GZ01", network, "read") as site:
        own = (await site.get("/v1/scorecards")).json()["items"]
        assert [item["site"] for item in own] == ["GZ01"]
        assert (await site.get("/v1/scorecards", params={"site": "BJ02"})).status_code == 403
        assert (await site.get("/v1/silences", params={"network": "other"})).status_code == 403
        assert (await site.get("/v1/projections")).status_code == 403


async def test_days_bound_what_is_added_up(hub: Arbitration) -> None:
    network = new_network()
    start = datetime(2026, 3, 4, 2, tzinfo=hub.clock.now().tzinfo)
    await hub.publish(*parcel(f"{network}/DAYS00001", start))
    await hub.decided(f"{network}/DAYS00001")
    assert set(await figures(hub, network, **{"from": "2026-03-05", "to": "2026-03-06"})) == {"HBJ1", "BJ02"}
    assert set(await figures(hub, network, to="2026-03-04T23:00:00+08:00")) == {"GZ01", "HGZ1"}
    days = await figures(hub, network, group="day")
    assert {day: card["parcels"] for day, card in days.items()} == {"2026-03-04": 2, "2026-03-06": 2}
    refused = await hub.http.get("/v1/scorecards", params={"from": "March"})
    assert refused.status_code == 422


async def test_a_rebuild_goes_on_beside_new_events_and_ends_in_the_same_figures(hub: Arbitration) -> None:
    network = new_network()
    start = hub.clock.now().replace(microsecond=0) - timedelta(days=9)
    subjects = [f"{network}/REBUILD{number:03d}" for number in range(40)]
    for number, subject in enumerate(subjects[:30]):
        await hub.publish(
            *parcel(subject, start, signed=number % 3 > 0, unscanned="HBJ1" if number % 5 else None)
        )
    # No term of theirs ends while this test looks.
    await hub.publish(*(complaint(subject, 1, start + timedelta(days=7)) for subject in subjects[:10]))
    for subject in subjects[:30]:
        await hub.decided(subject)
        await hub.reviewed(subject)
    before = await figures(hub, network)
    # Figures that nobody's events explain: only what is in the journal may be left of them.
    await hub.execute(
        "INSERT INTO scorecards SELECT live, :network, 'GZ01', current_date, '', 'parcels', 77 FROM projections"
        " WHERE name = 'scorecards'",
        network=network,
    )
    assert (await figures(hub, network))["GZ01"]["parcels"] == before["GZ01"]["parcels"] + 77
    answer = await hub.http.post("/v1/projections/scorecards/rebuild")
    assert answer.status_code == 202, answer.text
    assert answer.json()["building"] == answer.json()["live"] + 1
    assert (await hub.http.post("/v1/projections/scorecards/rebuild")).status_code == 409
    for subject in subjects[30:]:
        await hub.publish(*parcel(subject, start))
    for subject in subjects[30:]:
        await hub.decided(subject)
    await rebuilt(hub, "scorecards")
    after = await figures(hub, network)
    for site in ("GZ01", "HGZ1", "HBJ1", "BJ02"):
        assert after[site]["parcels"] == before[site]["parcels"] + 10
        assert {**after[site], "parcels": 0, "late_rate": 0, "complaints_per_million": 0} == {
            **before[site], "parcels": 0, "late_rate": 0, "complaints_per_million": 0,
        }  # fmt: skip
    left = await hub.rows(
        "SELECT DISTINCT generation FROM (SELECT generation FROM tallies UNION SELECT generation FROM scorecards"
        " UNION SELECT generation FROM scorecard_changes) AS g"
    )
    assert [row[0] for row in left] == [answer.json()["building"]]
    assert (await hub.http.post("/v1/projections/nothing/rebuild")).status_code == 404


async def test_a_worker_that_ends_in_the_middle_of_a_rebuild_leaves_it_to_the_next(
    parts: Parts, database: DatabaseFactory
) -> None:
    url = database("arbitration")
    network = new_network()
    subjects = [f"{network}/CUT{number:06d}" for number in range(60)]
    async with arbitration(parts.bootstrap_servers, url, projection_poll_ms=50) as first:
        start = first.clock.now().replace(microsecond=0) - timedelta(days=9)
        for subject in subjects:
            await first.publish(*parcel(subject, start, unscanned="HBJ1"))
        for subject in subjects:
            await first.decided(subject)
        before = await figures(first, network)
    # One waybill a transaction, so that it ends with some looks made and others planned or not even planned.
    slow = {"projection_rows_max": 7, "decide_waybills_max": 1, "projection_poll_ms": 20}
    async with arbitration(parts.bootstrap_servers, url, **slow) as second:
        assert (await second.http.post("/v1/projections/scorecards/rebuild")).status_code == 202

        async def some_are_replayed() -> bool:
            return bool(await second.rows("SELECT 1 FROM tallies WHERE generation = 2 LIMIT 1"))

        await until(some_are_replayed, "some waybills are replayed")
        assert (await figures(second, network)) == before, "the live generation is read meanwhile"
        left = await second.rows("SELECT building FROM projections WHERE name = 'scorecards'")
        assert left[0][0] == 2, "the rebuild was over before it could be cut"
    async with arbitration(parts.bootstrap_servers, url, projection_poll_ms=50) as third:
        await rebuilt(third, "scorecards")
        assert (await third.rows("SELECT live FROM projections WHERE name = 'scorecards'"))[0][0] == 2
        assert (await figures(third, network)) == before


async def test_the_reporting_role_reads_the_views_and_nothing_else(
    parts: Parts, database: DatabaseFactory
) -> None:
    url = database("arbitration")
    network = new_network()
    async with arbitration(parts.bootstrap_servers, url) as hub:
        await hub.publish(*parcel(f"{network}/VIEW00001", hub.clock.now() - timedelta(days=9), signed=False))
        await hub.decided(f"{network}/VIEW00001")
    name = url.rpartition("/")[2]
    reader = await asyncpg.connect(parts.database_url("reporting", name))
    try:
        cards = await reader.fetch(
            "SELECT * FROM scorecards_daily WHERE network = $1 AND site = 'GZ01'", network
        )
        assert sum(card["parcels"] for card in cards) == 1
        assert sum(card["late_parcels"] for card in cards) == 1
        found = await reader.fetch(
            "SELECT site, rule, findings FROM findings_daily WHERE network = $1", network
        )
        assert ("GZ01", "GB-01", 1) in [tuple(row) for row in found]
        parcels = await reader.fetch(
            "SELECT waybill, site FROM parcels_on_their_way WHERE network = $1", network
        )
        assert [tuple(row) for row in parcels] == [("VIEW00001", "BJ02")]
        assert await reader.fetch("SELECT * FROM complaint_clocks WHERE network = $1", network) == []
        await reader.execute("SET default_transaction_read_only = off")
        for forbidden in (
            "SELECT * FROM arbitration.journal",
            "SELECT * FROM arbitration.tallies",
            "DELETE FROM scorecards_daily",
            "CREATE TABLE reporting.mine (n integer)",
            "CREATE TABLE public.mine (n integer)",
            "SELECT * FROM penalties.entries",
        ):
            with pytest.raises(asyncpg.PostgresError):
                await reader.execute(forbidden)
    finally:
        await reader.close()
