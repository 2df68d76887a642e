"""From scans over HTTP to verdict, ledger entry and notice, on real parts, through the public interfaces only."""

from __future__ import annotations

import random
from datetime import datetime, time, timedelta, timezone
from typing import Any

import httpx
import pytest

from tests.support.line import Line, event, findings, parcel, scan, wait
from tests.support.stack import Stack

CHINA = timezone(timedelta(hours=8))


@pytest.fixture(scope="module")
def line(stack: Stack) -> Line:
    return Line(stack)


def days_ago(line: Line, days: int) -> datetime:
    """10:00 local time, `days` days before the stack's today."""
    return (line.stack.now().astimezone(CHINA) - timedelta(days=days)).replace(
        hour=10, minute=0, second=0, microsecond=0
    )


def booked(line: Line, subject: str) -> dict[str, int]:
    """What each site owes (positive) or is owed on a waybill, over all its accounts, from the ledger's entries."""
    owed: dict[str, int] = {}
    for entry in line.get("penalties", f"/v1/waybills/{subject}/entries")["items"]:
        for side, sign in (("debit", 1), ("credit", -1)):
            if site := entry[side].get("site"):
                owed[site] = owed.get(site, 0) + sign * entry["amount_fen"]
    return {site: amount for site, amount in owed.items() if amount}


def owed_by(case: dict[str, Any]) -> dict[str, int]:
    """What each site owes by the verdict: its findings less the awards to it."""
    owed: dict[str, int] = {}
    for finding in findings(case).values():
        if finding["kind"] in ("fine", "compensation") and finding["amount_fen"]:
            owed[finding["site"]] = owed.get(finding["site"], 0) + finding["amount_fen"]
            for award in finding["awards"]:
                if award["to"].isupper():
                    owed[award["to"]] = owed.get(award["to"], 0) - award["amount_fen"]
    return {site: amount for site, amount in owed.items() if amount}


def settled_books(line: Line, subject: str, case: dict[str, Any]) -> None:
    """Wait until the ledger says what the verdict says."""
    wait(
        lambda: True if booked(line, subject) == owed_by(case) else None,
        lambda: (booked(line, subject), owed_by(case)),
    )


def test_missing_arrival_scan_is_found_booked_and_told(line: Line) -> None:
    subject = "tiantian/LINE000001"
    events = parcel(subject, days_ago(line, 6), unscanned="HBJ1")
    random.Random(7).shuffle(events)
    line.publish(events)
    line.publish(events[:4])
    case = line.decided(subject)
    assert set(findings(case)) == {"TT-01/HBJ1"}
    assert case["events"] == 8
    assert [link["site"] for link in case["custody"]] == ["GZ01", "HGZ1", "HBJ1", "BJ02"]
    settled_books(line, subject, case)
    assert booked(line, subject) == {"HBJ1": 1000}
    notices = wait(
        lambda: line.get("notify", "/v1/notices", waybill="LINE000001")["items"] or None, lambda: "no notice"
    )
    assert [(n["site"], n["finding_id"], n["version"]) for n in notices] == [("HBJ1", "TT-01/HBJ1", 1)]
    assert line.get("penalties", "/v1/trial-balance", network="tiantian")["balanced"] is True


def test_late_event_revokes_and_money_returns(line: Line) -> None:
    subject = "tiantian/LINE000002"
    start = days_ago(line, 6)
    events = parcel(subject, start)
    late = next(e for e in events if e["type"] == "scan.arrived" and e["data"]["site"] == "HBJ1")
    line.publish([e for e in events if e is not late])
    first = line.decided(subject, lambda c: bool(findings(c)))
    settled_books(line, subject, first)
    line.publish([late])
    second = line.decided(subject, lambda c: not findings(c))
    assert findings(second, standing=False)["TT-01/HBJ1"]["state"] == "revoked"
    assert second["verdict"]["version"] == first["verdict"]["version"] + 1
    settled_books(line, subject, second)
    versions = line.get("arbitration", f"/v1/cases/{subject}/versions")["items"]
    assert [v["version"] for v in versions] == [2, 1]
    assert versions[1]["findings"][0]["state"] == "active"


def test_clean_parcel_is_clear_and_costs_nobody_anything(line: Line) -> None:
    subject = "tiantian/LINE000003"
    line.publish(parcel(subject, days_ago(line, 6)))
    case = line.decided(subject)
    assert (case["status"], findings(case), case["next_review_at"]) == ("clear", {}, None)
    assert booked(line, subject) == {}


def test_term_that_passes_is_decided_by_itself(line: Line) -> None:
    """TT-02: out for delivery, no signature by noon of the day after the due date."""
    subject = "tiantian/LINE000004"
    # Out for delivery at 8:00 of a day that is 9 to 33 hours ago: noon of the day after it is yet to come.
    delivery_day = (line.stack.now().astimezone(CHINA) - timedelta(hours=9)).date()
    start = datetime.combine(delivery_day, time(10), CHINA) - timedelta(days=2)
    line.publish(parcel(subject, start, signed=False))
    undecided = wait(lambda: line.case(subject), lambda: "nothing journalled")
    assert undecided["verdict"] is None
    line.stack.advance_clock(timedelta(days=3))
    case = line.decided(subject, lambda c: "TT-02/BJ02" in findings(c))
    assert findings(case)["TT-02/BJ02"]["amount_fen"] == 5000
    settled_books(line, subject, case)
    signed = scan(
        subject, "BJ02", "signature.recorded", line.stack.now() - timedelta(minutes=1), signer="addressee"
    )
    line.publish([signed])
    cured = line.decided(subject, lambda c: "TT-02/BJ02" not in findings(c))
    settled_books(line, subject, cured)


def test_as_of_shows_what_was_known(line: Line) -> None:
    subject = "tiantian/LINE000005"
    start = days_ago(line, 9)
    events = parcel(subject, start, unscanned="HBJ1")
    line.publish(events)
    line.decided(subject)
    before = line.case(subject, as_of=(start + timedelta(hours=12)).isoformat())
    after = line.case(subject, as_of=(start + timedelta(days=4)).isoformat())
    assert before is not None
    assert after is not None
    assert (before["events"], findings(before)) == (3, {})
    assert set(findings(after)) == {"TT-01/HBJ1"}


def test_conflicting_copy_is_counted_and_dead_lettered(line: Line) -> None:
    subject = "tiantian/LINE000006"
    events = parcel(subject, days_ago(line, 6))
    line.publish(events)
    line.decided(subject)
    answer = line.post("intake", "/v1/events", {**events[0], "data": {**events[0]["data"], "fragile": True}})
    assert answer.status_code in (409, 415, 422), answer.text


def test_appeal_freezes_and_its_decision_moves_the_money(line: Line) -> None:
    subject = "tiantian/LINE000007"
    line.publish(parcel(subject, days_ago(line, 6), unscanned="HBJ1"))
    case = line.decided(subject, lambda c: bool(findings(c)))
    settled_books(line, subject, case)
    now = line.stack.now()
    line.publish(
        [
            event(
                subject,
                "/sites/HBJ1",
                "appeal.filed",
                now,
                "ap1",
                appeal_id="A1",
                site="HBJ1",
                finding_id="TT-01/HBJ1",
            )
        ]
    )
    frozen = line.decided(subject, lambda c: c["status"] == "appealed")
    assert findings(frozen)["TT-01/HBJ1"]["state"] == "frozen"
    wait(
        lambda: line.get("penalties", "/v1/accounts/tiantian/HBJ1")["frozen_fen"] or None,
        lambda: "nothing frozen",
    )
    assert booked(line, subject) == {"HBJ1": 1000}
    decision = {
        "appeal_id": "A1",
        "outcome": "upheld",
        "officer": "officer-1",
        "reason": "scanner outage proven",
    }
    line.publish([event(subject, "/desks/arb1", "appeal.decided", line.stack.now(), "ap2", **decision)])
    upheld = line.decided(subject, lambda c: not findings(c))
    settled_books(line, subject, upheld)
    assert booked(line, subject) == {}


def test_exemption_of_many_excuses_and_its_withdrawal_does_not(line: Line) -> None:
    subject = "tiantian/LINE000008"
    start = days_ago(line, 8)
    events = [e for e in parcel(subject, start) if e["type"] != "signature.recorded"]
    events.append(
        scan(subject, "BJ02", "signature.recorded", start + timedelta(days=5, hours=4), signer="addressee")
    )
    report = {"report_id": "R1", "site": "GZ01", "kind": "delay", "against_site": "BJ02"}
    events.append(event(subject, "/sites/GZ01", "report.filed", start + timedelta(days=6), "rep1", **report))
    line.publish(events)
    late = line.decided(subject, lambda c: any(f.startswith("TT-04") for f in findings(c)))
    settled_books(line, subject, late)
    day = start.date()
    body = {
        "sites": ["BJ02"],
        "from": day.isoformat(),
        "to": (day + timedelta(days=7)).isoformat(),
        "ground": "typhoon",
        "reason": "typhoon over the region",
        "officer": "officer-1",
    }
    line.put("intake", "/v1/exemptions/tiantian/EX-1", body)
    excused = line.decided(subject, lambda c: not findings(c))
    settled_books(line, subject, excused)
    assert line.delete("intake", "/v1/exemptions/tiantian/EX-1").is_success
    again = line.decided(subject, lambda c: any(f.startswith("TT-04") for f in findings(c)))
    settled_books(line, subject, again)


def test_lists_are_filtered_and_confined(line: Line) -> None:
    """A site's key sees its own cases and nothing of others."""
    subject = "tiantian/LINE000009"
    line.publish(parcel(subject, days_ago(line, 6), unscanned="HGZ1"))
    line.decided(subject, lambda c: bool(findings(c)))
    listed = line.get("arbitration", "/v1/cases", network="tiantian", rule="TT-01", site="HGZ1")["items"]
    assert "LINE000009" in [item["waybill"] for item in listed]
    made = line.post(
        "intake", "/v1/keys", {"owner": "/sites/SH99", "network": "tiantian", "scopes": ["read"]}
    )
    assert made.status_code == 201, made.text
    stranger = httpx.Client(headers={"Authorization": f"Bearer {made.json()['key']}"})
    url = line.stack.urls["arbitration"]
    answer = wait(
        lambda: r if (r := stranger.get(f"{url}/v1/cases/{subject}")).status_code != 401 else None,
        lambda: "key unknown",
    )
    assert answer.status_code == 404
    assert stranger.get(f"{url}/v1/cases").json()["items"] == []
    assert stranger.get(f"{url}/v1/cases?site=HGZ1").status_code == 403
