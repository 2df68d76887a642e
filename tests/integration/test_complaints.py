"""The complaint desk's list and its report: filters, pages, whose complaints a key sees, and the figures of a month."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.arbitration import START, Arbitration, Json, new_subject
from tests.support.bus import until
from tests.support.line import event

pytestmark = pytest.mark.stack

NETWORK = "desked"


class Waybill:
    """What the desk says about one waybill, all of it long ago."""

    def __init__(self) -> None:
        self.subject = new_subject(NETWORK)
        self.events: list[Json] = []

    def says(self, kind: str, at: datetime, complaint_id: str = "C1", **data: Any) -> None:
        """An event of the desk about a complaint."""
        name = f"e{len(self.events)}"
        self.events.append(
            event(self.subject, "/desks/cs", kind, at, name, complaint_id=complaint_id, **data)
        )

    def opened(
        self, at: datetime, category: str, channel: str, site: str, complaint_id: str = "C1", **data: Any
    ) -> None:
        """The customer complains."""
        given = {"category": category, "channel": channel, "claimant": "sender", "against_site": site}
        self.says("complaint.opened", at, complaint_id, **given, **data)


def month() -> list[Waybill]:
    """March 2026, with one complaint of April; START is Wednesday 4 March, 10:00."""
    two, at_intake, escalated, april = Waybill(), Waybill(), Waybill(), Waybill()
    two.opened(START, "attitude", "phone", "BJ02")
    two.opened(START + timedelta(minutes=1), "delay", "web", "GZ01", "C2")
    two.says("complaint.handled", START + timedelta(hours=2), "C2", site="GZ01")
    next_day = START + timedelta(days=1)
    at_intake.opened(next_day, "attitude", "letter", "BJ02", major=True, major_ground="reputation")
    at_intake.says(
        "complaint.closed", next_day + timedelta(minutes=30), satisfied=True, **{"class": "not_ours"}
    )
    midnight = datetime.fromisoformat("2026-04-01T00:00:00+08:00")
    escalated.opened(midnight - timedelta(seconds=1), "other", "visit", "HGZ1")
    escalated.says("complaint.escalated", midnight, escalation_id="X1", category="other", body="post_bureau")
    reply = {"complaint_id": "C1", "site": "HGZ1", "outcome": "contacted", "text": "we called"}
    escalated.events.append(
        event(
            escalated.subject, "/sites/HGZ1", "reply.registered", midnight + timedelta(hours=10), "r", **reply
        )
    )
    escalated.says(
        "complaint.closed", midnight + timedelta(hours=36), satisfied=True, **{"class": "operations"}
    )
    april.opened(midnight, "loss", "phone", "BJ02")
    return [two, at_intake, escalated, april]


@pytest.fixture(scope="module")
async def desked(hub: Arbitration) -> list[Waybill]:
    waybills = month()
    for waybill in waybills:
        # Some events come twice and the whole backwards: the rows are the same.
        await hub.publish(*reversed(waybill.events), *waybill.events[:1])
    for waybill in waybills:
        await hub.known(waybill.subject, len(waybill.events))
        await hub.decided(waybill.subject)

    async def all_listed() -> bool:
        return len(await listed(hub)) == 5

    await until(all_listed, "five complaints are listed")
    return waybills


async def listed(hub: Arbitration, **query: Any) -> list[str]:
    page = await hub.get("/v1/complaints", network=NETWORK, **query)
    return [f"{item['responsible_site']}/{item['category']}" for item in page["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["BJ02/attitude", "GZ01/delay", "BJ02/attitude", "HGZ1/other", "BJ02/loss"]),
        ({"state": "open"}, ["BJ02/attitude", "BJ02/loss"]),
        ({"state": "settled"}, ["GZ01/delay"]),
        ({"state": "closed"}, ["BJ02/attitude", "HGZ1/other"]),
        ({"site": "HGZ1"}, ["HGZ1/other"]),
        ({"overdue": True}, ["BJ02/attitude", "GZ01/delay", "BJ02/loss"]),
        ({"overdue": False}, ["BJ02/attitude", "HGZ1/other"]),
        ({"category": "delay"}, ["GZ01/delay"]),
        ({"class": "operations"}, ["HGZ1/other"]),
        ({"class": "unclassified", "site": "BJ02"}, ["BJ02/attitude", "BJ02/loss"]),
        ({"major": True}, ["BJ02/attitude"]),
        ({"queue": "hard"}, ["BJ02/attitude"]),
        ({"queue": "claims"}, ["BJ02/loss"]),
        ({"queue": "escalated"}, ["HGZ1/other"]),
        ({"queue": "escalated", "state": "open"}, []),
        ({"from": "2026-04-01T00:00:00+08:00"}, ["BJ02/loss"]),
        ({"from": "2026-03-05T00:00:00+08:00", "to": "2026-03-31T23:59:59+08:00"}, ["BJ02/attitude"]),
    ],
)
async def test_filters(
    hub: Arbitration, desked: list[Waybill], query: dict[str, Any], expected: list[str]
) -> None:
    assert await listed(hub, **query) == expected


async def test_pages_show_every_complaint_once(hub: Arbitration, desked: list[Waybill]) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await hub.get("/v1/complaints", network=NETWORK, limit=2, **cursor)
        found += [f"{item['waybill']}/{item['complaint_id']}" for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(found) == len(set(found)) == 5
    by_waybill = await hub.get("/v1/complaints", network=NETWORK, waybill=found[0].partition("/")[0])
    assert [item["complaint_id"] for item in by_waybill["items"]] == ["C1", "C2"]
    for query in ("cursor=WyJ4Il0", "waybill=A12345678901", "state=lost", "overdue=soon", "queue=all"):
        assert (await hub.http.get(f"/v1/complaints?{query}")).status_code == 422


async def test_what_is_overdue_and_since_when(hub: Arbitration, desked: list[Waybill]) -> None:
    first, second = (await hub.get("/v1/complaints", network=NETWORK, limit=2))["items"]
    # Opened on Wednesday 4 March at 10:00: three working days end with Monday 9 March.
    assert [(one["term"], one["rule"], one["since"]) for one in first["overdue"]] == [
        ("contacted", "SD-02", "2026-03-05T02:00:01Z"),
        ("progress_told", "SD-07", "2026-03-05T02:00:01Z"),
        ("settled", "SD-03", "2026-03-09T16:00:00Z"),
    ]
    # Settled the same day: followed up by the end of Monday as well.
    assert [(one["term"], one["since"]) for one in second["overdue"]] == [
        ("followed_up", "2026-03-09T16:00:00Z")
    ]
    assert second["clocks"]["settled"] == {
        "at": "2026-03-04T04:00:00Z",
        "due_at": "2026-03-09T15:59:59Z",
        "late": False,
    }
    for overdue in (True, False):
        items = (await hub.get("/v1/complaints", network=NETWORK, overdue=overdue))["items"]
        assert {bool(item["overdue"]) for item in items} == {overdue}


async def test_a_key_sees_its_owners_complaints(hub: Arbitration, desked: list[Waybill]) -> None:
    report = f"/v1/complaints/report?month=2026-03&network={NETWORK}"
    async with hub.caller("/sites/BJ02", NETWORK, "read") as site:
        items = (await site.get("/v1/complaints")).json()["items"]
        assert [item["responsible_site"] for item in items] == ["BJ02"] * 3
        assert (await site.get(report)).json()["by_site"] == {"BJ02": 2}
        for path in ("/v1/complaints?site=GZ01", "/v1/complaints?network=zto", f"{report}&site=GZ01"):
            assert (await site.get(path)).status_code == 403
    async with hub.caller("/desks/cs", "zto", "read") as desk:
        assert (await desk.get("/v1/complaints")).json()["items"] == []
        assert (await desk.get(report)).status_code == 403
    assert (await hub.http.get("/v1/complaints", headers={"Authorization": ""})).status_code == 401


async def test_the_figures_of_a_month(hub: Arbitration, desked: list[Waybill]) -> None:
    report = await hub.get("/v1/complaints/report", network=NETWORK, month="2026-03")
    del report["as_of"]
    assert report == {
        "network": NETWORK,
        "month": "2026-03",
        "site": None,
        "complaints": 4,
        "by_category": {"attitude": 2, "delay": 1, "other": 1},
        "by_class": {"unclassified": 2, "not_ours": 1, "operations": 1},
        "by_channel": {"phone": 1, "web": 1, "letter": 1, "visit": 1},
        "by_site": {"BJ02": 2, "GZ01": 1, "HGZ1": 1},
        "major": 1,
        "escalated": 1,
        "reopened": 0,
        "closed_at_intake": 1,
        # The one closed at intake had to be forwarded to nobody.
        "forwarded": {"in_time": 3, "late": 0, "waiting": 0},
        "contacted": {"in_time": 2, "late": 1, "waiting": 0},
        # HGZ1 said nothing of the progress; the settlement came after 36 hours.
        "progress_told": {"in_time": 1, "late": 2, "waiting": 0},
        "settled": {"in_time": 2, "late": 1, "waiting": 0},
        "followed_up": {"in_time": 2, "late": 1, "waiting": 0},
        # 0.5, 1.983 and 36 hours; the 90th percentile lies four fifths of the way between the last two.
        "hours_to_settlement": {"settled": 3, "median": 1.98, "percentile_90": 29.2},
    }
    empty = await hub.get("/v1/complaints/report", network=NETWORK, month="2026-05")
    assert (empty["complaints"], empty["by_site"], empty["hours_to_settlement"]["median"]) == (0, {}, None)


async def test_a_rebuild_gives_the_same_rows(hub: Arbitration, desked: list[Waybill]) -> None:
    async def shown() -> list[Json]:
        items: list[Json] = (await hub.get("/v1/complaints", network=NETWORK))["items"]
        return items

    async def generation() -> int:
        projections = (await hub.get("/v1/projections"))["items"]
        return int(next(one["live"] for one in projections if one["name"] == "complaints"))

    before, live = await shown(), await generation()
    assert (await hub.http.post("/v1/projections/complaints/rebuild")).status_code == 202

    async def rebuilt() -> bool:
        return await generation() > live

    await until(rebuilt, "the complaints are rebuilt")
    assert await shown() == before


async def test_nothing_about_persons_is_kept(hub: Arbitration) -> None:
    waybill = Waybill()
    waybill.subject = new_subject("desked-too")
    waybill.opened(START, "other", "phone", "BJ02", text="Mrs Li was upset")
    waybill.says("complaint.flagged", START, ground="customer_risk", text="Mrs Li said so")
    await hub.publish(*waybill.events)
    await hub.known(waybill.subject, 2)

    async def flagged() -> bool:
        rows = await hub.rows("SELECT c::text FROM complaints AS c WHERE subject = :s", s=waybill.subject)
        assert "Li" not in str(rows)
        return bool(
            await hub.rows(
                "SELECT 1 FROM complaints WHERE subject = :s AND flagged_at IS NOT NULL", s=waybill.subject
            )
        )

    await until(flagged, "the complaint is flagged")
