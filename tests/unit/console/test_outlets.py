"""What an outlet is shown of its findings and terms, and which appeals wait for an officer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.console.outlets import own_findings
from services.console.pages.appeals import undecided
from services.console.pages.outlet import last_months
from services.console.pages.registers import bounds

NOW = datetime(2026, 3, 5, tzinfo=UTC)


def finding(site: str, rule: str = "TT-04", **more: Any) -> dict[str, Any]:
    return {"finding_id": f"{rule}/{site}", "site": site, "kind": "fine", "state": "active", **more}


def case(*findings: dict[str, Any]) -> dict[str, Any]:
    return {"network": "tiantian", "waybill": "W1", "verdict": {"findings": list(findings)}}


def notice(
    finding_id: str, due: timedelta, occasion: str = "finding_issued", sent: str = "1"
) -> dict[str, Any]:
    about = {"network": "tiantian", "waybill": "W1", "finding_id": finding_id}
    return {**about, "occasion": occasion, "created_at": sent, "due_at": (NOW + due).isoformat()}


def test_nothing_of_others_and_nothing_revoked() -> None:
    rows = own_findings(
        [case(finding("A"), finding("B"), finding("A", "TT-01", state="revoked")), case()], "A", [], NOW
    )
    assert [row.finding["finding_id"] for row in rows] == ["TT-04/A"]
    assert rows[0].due_at is None
    assert not rows[0].open


@pytest.mark.parametrize(
    ("left", "state", "kind", "may"),
    [
        (timedelta(0), "active", "fine", True),
        (timedelta(seconds=-1), "active", "fine", False),
        (timedelta(days=1), "frozen", "fine", False),
        (timedelta(days=1), "active", "alert", False),
        (timedelta(days=1), "provisional", "compensation", True),
        (timedelta(days=1), "active", "liability", True),
    ],
)
def test_who_may_appeal(left: timedelta, state: str, kind: str, may: bool) -> None:
    (row,) = own_findings([case(finding("A", state=state, kind=kind))], "A", [notice("TT-04/A", left)], NOW)
    assert row.open is may


def test_the_term_is_what_the_site_was_told_last() -> None:
    told = [
        notice("TT-04/A", timedelta(days=2), sent="2"),
        notice("TT-04/A", timedelta(days=1), sent="1"),
        notice("TT-04/A", timedelta(days=9), "finding_revoked", sent="3"),
    ]
    (row,) = own_findings([case(finding("A"))], "A", told, NOW)
    assert row.due_at == (NOW + timedelta(days=2)).isoformat()


def test_a_case_without_a_verdict_has_no_findings() -> None:
    assert own_findings([{"network": "n", "waybill": "w", "verdict": None}], "A", [], NOW) == []


def event(type_: str, source: str = "/sites/A", **data: Any) -> dict[str, Any]:
    return {"type": type_, "source": source, "time": "t", "data": data}


def test_only_appeals_without_a_decision_wait() -> None:
    events = [
        event("appeal.filed", appeal_id="1", finding_id="TT-04/A", site="A"),
        event("appeal.filed", appeal_id="2", finding_id="TT-01/A", site="A"),
        event("evidence.submitted", kind="photo"),
        event("evidence.submitted", "/sites/B", kind="other"),
        event("appeal.decided", "/desks/x", appeal_id="1"),
    ]
    (appeal,) = undecided(events, {"TT-01/A": finding("A", "TT-01")})
    assert appeal["appeal_id"] == "2"
    assert appeal["finding"]["finding_id"] == "TT-01/A"
    assert [one["kind"] for one in appeal["evidence"]] == ["photo"]


def test_months_go_back_over_the_year() -> None:
    assert last_months(date(2026, 2, 28), 4) == ["2026-02", "2026-01", "2025-12", "2025-11"]
    first, end = bounds("2026-12", ZoneInfo("Asia/Shanghai"))
    assert (first.isoformat(), end.isoformat()) == ("2026-12-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00")
