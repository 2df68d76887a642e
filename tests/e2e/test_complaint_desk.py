"""A complaint's life as the desk's list shows it, with a clock that moves past its terms; through the public routes only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.line import Line, event, parcel, wait
from tests.support.stack import running_stack

SUBJECT = "tiantian/A5600000C1"
CHINA = timezone(timedelta(hours=8))
_SECOND = timedelta(seconds=1)
Shown = dict[str, Any]


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with running_stack(parts=("broker", "database", "intake", "arbitration")) as stack:
        yield Line(stack)


class Desk:
    """The complaint desk at work on one waybill."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def says(self, kind: str, source: str = "/desks/cs", **data: Any) -> datetime:
        """Publish an event of complaint C1 that happens now, and return its moment to the second."""
        now = self._line.stack.now()
        self._line.publish(
            [event(SUBJECT, source, kind, now, f"{kind}-{now.timestamp()}", complaint_id="C1", **data)]
        )
        return now.replace(microsecond=0)

    def shows(self, condition: Callable[[Shown], bool]) -> Shown:
        """The complaint in the list once it meets a condition."""

        def met() -> Shown | None:
            return next((one for one in self._listed() if condition(one)), None)

        return wait(met, self._listed)

    def overdue_at(self, due_at: str) -> dict[str, str]:
        """Move the clock past a term; nothing may be overdue by it before. What is overdue then, and since when."""
        due = datetime.fromisoformat(due_at)
        self._move_to(due - timedelta(minutes=5))
        since = (due + _SECOND).isoformat()
        assert since not in {one["since"].replace("Z", "+00:00") for one in self._listed()[0]["overdue"]}
        self._move_to(due + _SECOND)
        (shown,) = self._listed(overdue=True)
        assert self._listed(overdue=False) == []
        return {one["term"]: one["since"].replace("Z", "+00:00") for one in shown["overdue"]}

    def _move_to(self, moment: datetime) -> None:
        """Move the clock, and return once arbitration has noticed."""
        self._line.stack.advance_clock(moment - self._line.stack.now())

        def as_of() -> datetime:
            report = self._line.get(
                "arbitration", "/v1/complaints/report", network="tiantian", month="2026-01"
            )
            return datetime.fromisoformat(report["as_of"])

        wait(lambda: True if as_of() >= moment.replace(microsecond=0) else None, as_of)

    def _listed(self, **query: Any) -> list[Shown]:
        page = self._line.get("arbitration", "/v1/complaints", network="tiantian", **query)
        items: list[Shown] = page["items"]
        return items


def test_a_complaints_life(line: Line) -> None:
    desk = Desk(line)
    line.publish(parcel(SUBJECT, line.stack.now() - timedelta(days=4)))
    opened = desk.says(
        "complaint.opened", channel="phone", category="attitude", claimant="recipient", text="private"
    )
    shown = desk.shows(lambda one: True)
    assert (shown["state"], shown["responsible_site"], shown["overdue"]) == ("open", "BJ02", [])
    assert "private" not in str(shown)
    clocks = shown["clocks"]
    due = datetime.fromisoformat(clocks["contacted"]["due_at"])
    assert due == opened + timedelta(hours=24)

    since = (due + _SECOND).isoformat()
    assert desk.overdue_at(clocks["contacted"]["due_at"]) == {"contacted": since, "progress_told": since}
    contacted = desk.says(
        "reply.registered", "/sites/BJ02", site="BJ02", outcome="progress", text="we called"
    )
    shown = desk.shows(lambda one: one["state"] == "contacted")
    assert datetime.fromisoformat(shown["clocks"]["contacted"]["at"]) == contacted
    assert (shown["clocks"]["contacted"]["late"], shown["overdue"]) == (True, [])

    assert list(desk.overdue_at(clocks["settled"]["due_at"])) == ["settled"]
    desk.says("complaint.handled", site="BJ02")
    shown = desk.shows(lambda one: one["state"] == "settled")
    assert shown["overdue"] == []

    assert list(desk.overdue_at(shown["clocks"]["followed_up"]["due_at"])) == ["followed_up"]
    desk.says("complaint.closed", satisfied=True, **{"class": "service_quality", "subclass": "manner"})
    shown = desk.shows(lambda one: one["state"] == "closed")
    assert (shown["class"], shown["subclass"], shown["satisfied"]) == ("service_quality", "manner", True)
    assert shown["overdue"] == []
    late = {name for name, clock in shown["clocks"].items() if isinstance(clock, dict) and clock["late"]}
    assert late == {"contacted", "progress_told", "settled", "followed_up"}

    # What the list calls late, the verdict finds.
    case = line.decided(SUBJECT)
    found = {f["rule"] for f in case["verdict"]["findings"]}
    assert {"SD-02", "SD-03", "SD-05"} <= found
    month = (opened + timedelta(hours=8)).strftime("%Y-%m")
    report = line.get("arbitration", "/v1/complaints/report", network="tiantian", month=month)
    assert (report["complaints"], report["by_class"]) == (1, {"service_quality": 1})
    assert report["followed_up"] == {"in_time": 0, "late": 1, "waiting": 0}


def test_an_exemption_of_many_moves_what_is_due(line: Line) -> None:
    subject = "zto/A5600000C2"
    now = line.stack.now()
    opened = {
        "complaint_id": "C1",
        "channel": "web",
        "category": "other",
        "claimant": "sender",
        "against_site": "SH01",
    }
    line.publish([event(subject, "/desks/cs", "complaint.opened", now, "c1", **opened)])

    def due() -> datetime | None:
        items = line.get("arbitration", "/v1/complaints", network="zto")["items"]
        return datetime.fromisoformat(items[0]["clocks"]["contacted"]["due_at"]) if items else None

    def falls_due(moment: datetime) -> None:
        wait(lambda: True if due() == moment else None, due)

    falls_due(now.replace(microsecond=0) + timedelta(hours=24))
    today = now.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    body = {
        "sites": ["SH01"],
        "from": today.date().isoformat(),
        "to": (today + timedelta(days=1)).date().isoformat(),
        "ground": "flood",
        "reason": "the river is over its banks",
        "officer": "officer-1",
    }
    line.put("intake", "/v1/exemptions/zto/flood", body)
    # Neither today nor tomorrow counts: the 24 hours are those of the day after.
    falls_due(today + timedelta(days=3))
    assert line.delete("intake", "/v1/exemptions/zto/flood").is_success
    falls_due(now.replace(microsecond=0) + timedelta(hours=24))
