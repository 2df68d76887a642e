"""What sites choose of their notices: channels, quiet hours and digests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.moved import Moved
from tests.support.notify import site_of
from tests.support.verdicts import record_of
from tests.unit.notify.duties import HOUR
from tests.unit.notify.verdicts import finding, verdict

pytestmark = pytest.mark.stack


async def choose_quiet(moved: Moved, site: str) -> None:
    """Have quiet hours around the present moment, so that nothing leaves during the test."""
    local = moved.clock.now() + 8 * HOUR
    body = {
        "quiet_hours": {"from": f"{local - HOUR:%H:%M}", "to": f"{local + 12 * HOUR:%H:%M}"},
        "digest": {"enabled": False},
    }
    async with moved.notify.client() as client:
        answer = await client.put(f"/v1/preferences/{moved.network}/{site}", json=body)
    assert answer.status_code == 200, answer.text


async def test_what_is_queued_is_withdrawn_when_it_becomes_void(moved: Moved) -> None:
    network = moved.network
    # Until an appeal closes: what is due before the quiet hours end would leave at once.
    about = {"network": network, "decided_at": moved.clock.now()}
    await moved.notify.knows(site_of(network, "BJ02", email="bj02@example.com"))
    await choose_quiet(moved, "BJ02")
    await moved.tell(1, moved.duty("complaint"))
    await moved.notify.told(record_of(verdict(1, finding(awards=[]), **about)))
    queued = [one for one in await moved.notices() if one["channel"] == "email"]
    assert [(one["occasion"], one["state"]) for one in queued] == [
        ("complaint_opened", "queued"),
        ("finding_issued", "queued"),
    ]
    await moved.tell(2)
    await moved.notify.told(record_of(verdict(2, finding(awards=[], state="revoked"), **about)))
    now = {one["occasion"]: one["state"] for one in await moved.notices() if one["channel"] == "email"}
    assert now == {
        "complaint_opened": "withdrawn",
        "finding_issued": "withdrawn",
        "finding_revoked": "queued",
    }
    in_app = {one["state"] for one in await moved.notices() if one["channel"] == "in_app"}
    assert in_app == {"delivered"}
    await moved.tell(3, moved.duty("complaint"))
    again = [one["state"] for one in await moved.notices() if one["occasion"] == "complaint_opened"]
    assert sorted(again) == ["delivered", "queued"], "it holds again, and is the same notice"


async def test_preferences_are_the_sites_own(moved: Moved) -> None:
    network = moved.network
    await moved.notify.knows(site_of(network, "BJ02"), site_of(network, "GZ01"))
    own = await moved.notify.new_key("/sites/BJ02", network, ["read"])
    desk = await moved.notify.new_key("/desks/d1", network, ["read"])
    path = f"/v1/preferences/{network}/BJ02"
    usual = await moved.notify.get(path, key=own)
    assert usual["digest"] == {"enabled": True, "every_minutes": 5}
    assert usual["channels"]["findings"] == ["webhook", "email"]
    wanted = {
        "channels": {"risks": []},
        "quiet_hours": {"from": "22:00", "to": "07:00"},
        "digest": {"daily_at": "08:00"},
    }
    async with moved.notify.client(own) as client:
        answer = await client.put(path, json=wanted)
        assert answer.status_code == 200, answer.text
        assert (await client.put(f"/v1/preferences/{network}/GZ01", json={})).status_code == 403
    shown_now = await moved.notify.get(path, key=own)
    assert shown_now["channels"]["risks"] == []
    assert shown_now["quiet_hours"] == {"from": "22:00", "to": "07:00"}
    assert shown_now["digest"] == {"enabled": True, "daily_at": "08:00"}
    await moved.notify.get(path, 200, key=desk)
    async with moved.notify.client(desk) as client:
        assert (await client.put(path, json={})).status_code == 403
    await moved.notify.get(f"/v1/preferences/{network}/NOBODY", 404)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"channels": {"gossip": ["email"]}}, "/channels/gossip"),
        ({"channels": {"risks": ["in_app"]}}, "/channels/risks/0"),
        ({"quiet_hours": {"from": "22:00", "to": "22:00"}}, "/quiet_hours"),
        ({"quiet_hours": {"from": "22:00"}}, "/quiet_hours/to"),
        ({"quiet_hours": {"from": "25:00", "to": "07:00"}}, "/quiet_hours/from"),
        ({"quiet_hours": {"from": "22:00+08:00", "to": "07:00"}}, "/quiet_hours/from"),
        ({"digest": {}}, "/digest"),
        ({"digest": {"enabled": False, "daily_at": "08:00"}}, "/digest"),
        ({"digest": {"every_minutes": 0}}, "/digest/every_minutes"),
        ({"digest": {"every_minutes": 5, "daily_at": "08:00"}}, "/digest"),
        ({"language": "zh"}, "/language"),
    ],
)
async def test_bad_preferences_are_refused_where_they_are_bad(
    moved: Moved, body: dict[str, Any], pointer: str
) -> None:
    await moved.notify.knows(site_of(moved.network, "BJ02"))
    async with moved.notify.client() as client:
        answer = await client.put(f"/v1/preferences/{moved.network}/BJ02", json=body)
    assert answer.status_code == 422
    assert pointer in [error["pointer"].removesuffix("/[key]") for error in answer.json()["errors"]]
