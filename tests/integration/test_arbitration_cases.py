"""What arbitration keeps, shows and decides again: copies, lists, masks, parked waybills, restarts."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.arbitration import judging
from services.arbitration.casefile import MASK
from services.arbitration.domain import decision
from tests.support.arbitration import (
    START,
    STREAM_EVENTS_MAX,
    Arbitration,
    Json,
    arbitration,
    arrival,
    at,
    new_subject,
    record_of,
)
from tests.support.bus import until
from tests.support.line import event, findings, parcel
from tests.support.parts import Parts

pytestmark = pytest.mark.stack


async def test_copies_count_once_with_the_earliest_recordedtime(hub: Arbitration) -> None:
    subject = new_subject()
    early, late = START + timedelta(minutes=1), START + timedelta(days=1)
    await hub.publish({**arrival(subject), "recordedtime": at(late)})
    await hub.publish({**arrival(subject), "recordedtime": at(early)}, arrival(subject, "second"))
    case = await hub.known(subject, 2)
    assert case["conflicts"] == 0
    shown = (await hub.get(f"/v1/cases/{subject}/events"))["items"]
    assert datetime.fromisoformat(shown[0]["recordedtime"]) == min(early, START)


async def test_events_are_shown_as_they_were_received(hub: Arbitration) -> None:
    subject = new_subject()
    plain = arrival(subject, "plain")
    plain["data"]["future_member"] = {"nested": [1, "二"]}
    plain["extension"] = "kept"
    odd = record_of(arrival(subject, "odd"))
    odd = odd._replace(value=(odd.value or b"").replace(b'"previous_site"', b'"big": 1e999, "previous_site"'))
    copy = {**plain, "recordedtime": at(START + timedelta(days=3)), "extension": "conflicting"}
    await hub.send(record_of(plain), odd, record_of(copy))
    await hub.known(subject, 2)
    await until_conflicts(hub, subject, 1)
    answer = await hub.http.get(f"/v1/cases/{subject}/events")
    assert b"1e999" in answer.content
    shown = {one["id"]: one for one in json.loads(answer.content.replace(b"1e999", b"1"))["items"]}
    assert shown["plain"]["data"] == plain["data"]
    assert shown["plain"]["extension"] == "kept"
    assert shown["plain"]["position"] == 1 - shown["odd"]["position"]
    first = await hub.get(f"/v1/cases/{subject}/events", limit=1)
    assert len(first["items"]) == 1
    assert first["next"]


async def until_conflicts(hub: Arbitration, subject: str, count: int) -> None:
    async def there() -> bool:
        return bool(((await hub.case(subject)) or {}).get("conflicts") == count)

    await until(there, f"{count} conflicts of {subject}")


async def test_a_finding_that_comes_back_is_issued_anew(hub: Arbitration) -> None:
    """Its term to appeal begins again: notify tells it as new."""
    subject = new_subject()
    events = parcel(subject, START, unscanned="HBJ1")
    cure = next(
        e for e in parcel(subject, START) if e["type"] == "scan.arrived" and e["data"]["site"] == "HBJ1"
    )
    await hub.publish(*events)
    first = await hub.decided(subject)
    assert set(findings(first)) == {"TT-01/HBJ1"}
    issued = "SELECT first_issued_at FROM findings WHERE subject = :subject AND finding_id = 'TT-01/HBJ1'"
    (told,) = await hub.rows(issued, subject=subject)
    assert told.first_issued_at == datetime.fromisoformat(first["verdict"]["decided_at"])
    await hub.publish(cure)
    assert findings(await hub.decided(subject, 2)) == {}
    # What was taken for the cure turns out to be another event under that id, which was recorded first.
    real = {**cure, "type": "scan.problem", "data": {"site": "HBJ1", "reason": "other"}}
    await hub.publish({**real, "recordedtime": at(START)})
    third = await hub.decided(subject, 3)
    assert set(findings(third)) == {"TT-01/HBJ1"}
    (told,) = await hub.rows(issued, subject=subject)
    assert told.first_issued_at == datetime.fromisoformat(third["verdict"]["decided_at"])
    versions = (await hub.get(f"/v1/cases/{subject}/versions"))["items"]
    assert [version["version"] for version in versions] == [3, 2, 1]
    assert [version["findings"][0]["state"] for version in versions] == ["active", "revoked", "active"]


async def test_a_site_sees_what_concerns_it_and_no_persons(hub: Arbitration) -> None:
    subject = new_subject()
    events = parcel(subject, START, unscanned="HBJ1")
    events[-2]["data"]["unheard"] = "may tell about anybody"
    await hub.publish(*events)
    await hub.decided(subject)
    async with hub.caller("/sites/HGZ1", "tiantian", "read") as transit:
        shown = (await transit.get(f"/v1/cases/{subject}/events")).json()["items"]
        assert [one["id"] for one in shown] == [one["id"] for one in events]
        out = shown[-2]["data"]
        assert (out["courier"], "unheard" in out) == (MASK, False)
        assert (await transit.get(f"/v1/cases/{subject}")).json()["waybill"] == subject.partition("/")[2]
        # It is liable for nothing here, so its list does not show it; nobody's list but its own is shown to it.
        assert (await transit.get("/v1/cases?limit=500")).json()["items"] == []
        for path in ("/v1/cases?site=HBJ1", "/v1/cases?network=zto", "/v1/parked", "/v1/dead-letters"):
            answer = await transit.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
        assert (await transit.post(f"/v1/parked/{subject}/retry")).status_code == 403
    async with hub.caller("/sites/BJ02", "tiantian", "read") as delivery:
        shown = (await delivery.get(f"/v1/cases/{subject}/events")).json()["items"]
        assert shown[-2]["data"]["courier"] == "C17"
    async with hub.caller("/sites/SH99", "tiantian", "read") as stranger:
        for path in ("", "/events", "/versions"):
            assert (await stranger.get(f"/v1/cases/{subject}{path}")).status_code == 404
    async with hub.caller("/sites/HGZ1", "zto", "read") as elsewhere:
        assert (await elsewhere.get(f"/v1/cases/{subject}")).status_code == 404
    assert (await hub.http.get(f"/v1/cases/{subject}", headers={"Authorization": ""})).status_code == 401


async def test_lists_page_through_everything_once(hub: Arbitration) -> None:
    network = "listed"
    subjects = sorted(new_subject(network) for _ in range(7))
    for subject in subjects:
        complaint = {"complaint_id": "C1", "channel": "phone", "category": "delay", "claimant": "sender"}
        await hub.publish(event(subject, "/desks/hq", "complaint.opened", START, "c1", **complaint))
    for subject in subjects:
        await hub.decided(subject)
    for query in ({}, {"status": "open"}, {"from": "2026-01-01T00:00:00+08:00"}):
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await hub.get("/v1/cases", network=network, limit=3, **query, **cursor)
            found += [f"{item['network']}/{item['waybill']}" for item in page["items"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert found == subjects
    assert (await hub.get("/v1/cases", network=network, status="closed"))["items"] == []
    assert (await hub.get("/v1/cases", network=network, to="2026-01-01T00:00:00+08:00"))["items"] == []
    assert (await hub.get("/v1/cases", network="liste"))["items"] == []


async def test_what_waits_longest_can_come_first(hub: Arbitration) -> None:
    network = "waiting"
    subjects = sorted((new_subject(network) for _ in range(5)), reverse=True)
    for subject in subjects:
        complaint = {"complaint_id": "C1", "channel": "phone", "category": "delay", "claimant": "sender"}
        await hub.publish(event(subject, "/desks/hq", "complaint.opened", START, "c1", **complaint))
        await hub.decided(subject)
    asked: Json = {"network": network, "status": "open", "limit": 2}
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await hub.get("/v1/cases", order="decided_at", **asked, **cursor)
        found += [f"{item['network']}/{item['waybill']}" for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
        assert (await hub.http.get("/v1/cases", params=asked | cursor)).status_code == 422, (
            "of the other order"
        )
    assert found == subjects


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/cases/tiantian/NEVERHEARD1", 404),
        ("/v1/cases/Tiantian/560000000001", 422),
        ("/v1/cases/tiantian/x", 422),
        ("/v1/cases/tiantian/560000000001?as_of=2026-01-01", 422),
        ("/v1/cases/tiantian/560000000001?as_of=9999-12-31T23:59:59Z", 422),
        ("/v1/cases/tiantian/560000000001?as_of=0001-01-01T00:00:00%2B08:00", 422),
        ("/v1/cases?cursor=nonsense", 422),
        ("/v1/cases?limit=0", 422),
        ("/v1/cases?limit=501", 422),
        ("/v1/cases?status=lost", 422),
        ("/v1/cases?order=decided_at", 422),
        ("/v1/cases?order=decided_at&status=clear", 422),
        ("/v1/rulebooks/unheard-of", 404),
    ],
)
async def test_wrong_questions_get_problem_documents(hub: Arbitration, path: str, status: int) -> None:
    answer = await hub.http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status


async def test_a_rule_that_raises_parks_only_its_waybill_until_it_is_retried(
    hub: Arbitration, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = new_subject(), new_subject()
    judged = decision.judged
    defective = True

    def raise_for_one(known: Any, *others: Any) -> Any:
        if defective and known and known[0].event.subject == bad:
            raise ZeroDivisionError("a rule divides by nothing")
        return judged(known, *others)

    monkeypatch.setattr(judging, "judged", raise_for_one)
    events = parcel(bad, START, unscanned="HBJ1")
    await hub.publish(*events[:5], *parcel(good, START))
    await hub.publish(*events[5:])
    await hub.decided(good)
    (parked,) = await until_parked(hub, bad)
    assert parked["error"] == "ZeroDivisionError: a rule divides by nothing"
    answer = await hub.http.get(f"/v1/cases/{bad}")
    assert (answer.status_code, answer.json()["title"]) == (500, "Waybill cannot be replayed")
    assert "/v1/parked" in answer.json()["detail"]

    # The rule is mended; the waybill stays parked though new events ask, and they are journalled.
    defective = False
    report = {"report_id": "R1", "site": "GZ01", "kind": "delay", "against_site": "BJ02"}
    await hub.publish(event(bad, "/sites/GZ01", "report.filed", START + timedelta(days=6), "r1", **report))
    case = await hub.known(bad, len(events) + 1)
    await hub.reviewed(bad)
    case = await hub.case(bad) or {}
    assert (case["verdict"], case["pending"]) == (None, len(events) + 1)
    assert await parked_now(hub, bad) == [parked]

    answer = await hub.http.post(f"/v1/parked/{bad}/retry")
    assert answer.status_code == 202
    case = await hub.decided(bad)
    assert "TT-01/HBJ1" in findings(case)
    assert await parked_now(hub, bad) == []
    assert (await hub.http.post(f"/v1/parked/{bad}/retry")).status_code == 404


async def parked_now(hub: Arbitration, subject: str) -> list[Json]:
    items = (await hub.get("/v1/parked", network=subject.partition("/")[0], limit=500))["items"]
    return [item for item in items if f"{item['network']}/{item['waybill']}" == subject]


async def until_parked(hub: Arbitration, subject: str) -> list[Json]:
    found: list[Json] = []

    async def there() -> bool:
        found[:] = await parked_now(hub, subject)
        return bool(found)

    await until(there, f"{subject} is parked")
    return found


async def test_a_retry_that_fails_again_stays_parked_and_counts(
    hub: Arbitration, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = new_subject()
    judged = decision.judged
    defective = True

    def raise_for_one(known: Any, *others: Any) -> Any:
        if defective and known and known[0].event.subject == bad:
            raise KeyError("x")
        return judged(known, *others)

    monkeypatch.setattr(judging, "judged", raise_for_one)
    await hub.publish(*parcel(bad, START))
    await until_parked(hub, bad)
    assert (await hub.http.post(f"/v1/parked/{bad}/retry")).status_code == 202

    async def twice() -> bool:
        return bool((await until_parked(hub, bad))[0]["attempts"] == 2)

    await until(twice, "the second attempt is counted")
    defective = False
    await hub.http.post(f"/v1/parked/{bad}/retry")
    await hub.decided(bad)


async def test_what_the_database_refuses_is_parked_alone(hub: Arbitration) -> None:
    """A verdict that cannot be stored must not hold up the others of its batch."""
    bad = new_subject()
    others = [new_subject() for _ in range(6)]
    await hub.execute(f"ALTER TABLE cases ADD CONSTRAINT refuse CHECK (subject <> '{bad}') NOT VALID")
    try:
        await hub.publish(*(e for subject in (*others[:3], bad, *others[3:]) for e in parcel(subject, START)))
        for subject in others:
            await hub.decided(subject)
        (parked,) = await until_parked(hub, bad)
        assert "CheckViolation" in parked["error"]
    finally:
        await hub.execute("ALTER TABLE cases DROP CONSTRAINT refuse")
    await hub.http.post(f"/v1/parked/{bad}/retry")
    await hub.decided(bad)


async def test_a_restart_forgets_nothing(parts: Parts, hub: Arbitration) -> None:
    """Events of a decided waybill are decided whether or not the worker remembers it."""
    decided, undecided = new_subject(), new_subject()
    # Of today, so that the collection's own term lies days ahead.
    collected, *rest = parcel(decided, hub.clock.now() - timedelta(hours=12))[:3]
    complaint = {"complaint_id": "C1", "channel": "phone", "category": "delay", "claimant": "sender"}
    rest.append(event(decided, "/desks/hq", "complaint.opened", hub.clock.now(), "c1", **complaint))
    await hub.publish(*rest)
    await hub.decided(decided)
    await hub.publish(*parcel(undecided, START)[:4])
    await hub.known(undecided, 4)
    async with arbitration(parts.bootstrap_servers, hub.settings.database_url) as second:
        # The second copy's arrival makes both forget what they remembered.
        await second.publish(collected, *parcel(undecided, START)[4:])
        await second.known(decided, len(rest) + 1)
        assert (await second.decided(decided))["events"] == len(rest) + 1
        await second.known(undecided, 9)
        assert (await second.decided(undecided))["status"] == "clear"


async def test_a_decision_whose_commit_fails_is_made_again(parts: Parts, hub: Arbitration) -> None:
    subject = new_subject()
    events = parcel(subject, START)
    await hub.publish(*events)
    await hub.decided(subject, events=len(events))
    await hub.execute("CREATE SEQUENCE commits")
    await hub.execute(
        "CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('commits') = 1 THEN RAISE 'not now' USING ERRCODE = '40001'; END IF; RETURN NULL; END $$"
    )
    await hub.execute(
        "CREATE CONSTRAINT TRIGGER fail_once AFTER UPDATE ON cases DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        f" WHEN (NEW.subject = '{subject}') EXECUTE FUNCTION fail_once()"
    )
    try:
        # The second copy's arrival makes both forget what they remembered: the scan is looked at when all is quiet.
        async with arbitration(parts.bootstrap_servers, hub.settings.database_url) as second:
            late = event(subject, "/sites/BJ02", "scan.problem", START, "p-1", site="BJ02", reason="other")
            await second.publish(late)
            await second.journalled(subject, "p-1")
            await second.reviewed(subject)
        assert await hub.rows("SELECT last_value FROM commits") == [(2,)]
        ((known,),) = await hub.rows("SELECT events FROM cases WHERE subject = :subject", subject=subject)
        assert known == len(events) + 1
    finally:
        await hub.execute("DROP TRIGGER fail_once ON cases")
        await hub.execute("DROP FUNCTION fail_once")
        await hub.execute("DROP SEQUENCE commits")


async def test_a_flood_of_one_waybill_parks_it_alone(hub: Arbitration) -> None:
    flooded, good = new_subject(), new_subject()
    flood = [arrival(flooded, f"e-{n}") for n in range(STREAM_EVENTS_MAX + 1)]
    await hub.publish(*flood, *parcel(good, START))
    await hub.decided(good)
    (parked,) = await until_parked(hub, flooded)
    assert f"{len(flood)} events" in parked["error"]
    answer = await hub.http.get(f"/v1/cases/{flooded}")
    assert answer.status_code == 500
    assert "FAULTLINE_STREAM_EVENTS_MAX" in answer.json()["detail"]
    await hub.publish(arrival(flooded, "one more"))
    await hub.journalled(flooded, "one more")
    await hub.reviewed(flooded)
    assert (await until_parked(hub, flooded))[0]["attempts"] == 1
