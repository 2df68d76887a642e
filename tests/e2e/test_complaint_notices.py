"""What is told of a complaint on the whole line: posted to intake, told by notify, each notice at its moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.line import Line, event, parcel, wait
from tests.support.stack import running_stack

pytestmark = pytest.mark.stack

SUBJECT = "tiantian/A5600000N1"
PARENT, MANAGER = "BJ00", "HQ-MANAGER"
SITES = {"GZ01": None, "HGZ1": None, "HBJ1": None, PARENT: None, "BJ02": PARENT, MANAGER: None}
_SECOND = timedelta(seconds=1)
Told = set[tuple[str, str]]


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with running_stack() as stack:
        line = Line(stack)
        for site, parent in SITES.items():
            record = {"name": site, "kind": "hub" if site[0] == "H" else "outlet", "language": "en"}
            line.put("intake", f"/v1/sites/tiantian/{site}", record | ({"parent": parent} if parent else {}))
        yield line


class Desk:
    """The complaint desk at work, and what the sites are told of it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.opened = line.stack.now()

    def says(self, kind: str, source: str = "/desks/cs", **data: Any) -> None:
        """Publish an event of complaint C1 that happens now."""
        now = self._line.stack.now()
        made = event(SUBJECT, source, kind, now, f"{kind}-{now.timestamp()}", complaint_id="C1", **data)
        self._line.publish([made])

    def move_to(self, moment: datetime) -> None:
        """Move the clock of every service."""
        self._line.stack.advance_clock(moment - self._line.stack.now())

    def notices(self) -> list[dict[str, Any]]:
        """Every notice about the complaint, newest first."""
        items: list[dict[str, Any]] = self._line.get("notify", "/v1/notices", network="tiantian", limit=500)[
            "items"
        ]
        return [one for one in items if one.get("waybill") == SUBJECT.partition("/")[2]]

    def waits_for(self, state: str) -> None:
        """Return once the desk's list shows the complaint in a state."""
        wait(lambda: True if self._listed()["state"] == state else None, self._listed)

    def due_at(self, term: str) -> datetime:
        """When a term of the complaint is over."""
        return datetime.fromisoformat(self._listed()["clocks"][term]["due_at"])

    def _listed(self) -> dict[str, Any]:
        [shown] = self._line.get("arbitration", "/v1/complaints", network="tiantian")["items"]
        return dict(shown)

    def told(self) -> Told:
        """Occasions and sites of what was told so far."""
        return {(one["occasion"], one["site"]) for one in self.notices()}

    def tells(self, *expected: tuple[str, str], at: datetime) -> None:
        """At `at`, and not half a minute before, exactly this is told in addition."""
        before = self.told()
        self.move_to(at - timedelta(seconds=30))
        assert self.told() == before, "told too early"
        self.move_to(at)
        wait(lambda: True if self.told() >= before | set(expected) else None, self.notices)
        assert self.told() == before | set(expected)
        for notice in self.notices():
            if (notice["occasion"], notice["site"]) in expected:
                assert datetime.fromisoformat(notice["created_at"]) >= at - _SECOND


def test_every_notice_of_a_complaints_life_comes_at_its_moment_and_once(line: Line) -> None:
    line.publish(parcel(SUBJECT, line.stack.now() - timedelta(days=4)))
    desk = Desk(line)
    desk.says(
        "complaint.opened",
        channel="phone",
        category="attitude",
        claimant="recipient",
        against_site="BJ02",
        text="a secret",
    )
    wait(lambda: True if ("complaint_opened", "BJ02") in desk.told() else None, desk.notices)
    opened = desk.opened.replace(microsecond=0)
    [told] = [one for one in desk.notices() if one["occasion"] == "complaint_opened"]
    assert datetime.fromisoformat(told["created_at"]) - desk.opened < timedelta(minutes=1), (
        "SD-01: within the hour"
    )
    contact_until, settle_until = (desk.due_at(term) for term in ("contacted", "settled"))
    assert contact_until - opened == timedelta(hours=24)

    desk.tells(("contact_due", "BJ02"), at=contact_until - timedelta(hours=4))
    overdue = contact_until + _SECOND
    at_24_hours = desk.told()
    desk.move_to(overdue)
    missed = {
        ("contact_overdue", PARENT),
        ("contact_overdue", MANAGER),
        ("progress_overdue", "CS"),
        ("finding_issued", "BJ02"),
    }
    wait(lambda: True if desk.told() == at_24_hours | missed else None, desk.notices)

    desk.says("reply.registered", "/sites/BJ02", site="BJ02", outcome="progress", text="x")
    desk.waits_for("contacted")
    # The finding now shows how late the contact was.
    wait(lambda: True if ("finding_changed", "BJ02") in desk.told() else None, desk.notices)
    desk.tells(("settle_due", "BJ02"), at=settle_until - timedelta(hours=24))
    desk.says("complaint.handled", site="BJ02")
    desk.waits_for("settled")
    follow_up_until = desk.due_at("followed_up")
    desk.move_to(follow_up_until - timedelta(hours=1))
    wait(
        lambda: True if any(occasion == "follow_up_due" for occasion, _ in desk.told()) else None,
        desk.notices,
    )
    assert not any(occasion == "settle_overdue" for occasion, _ in desk.told()), "it was settled in time"

    bodies = [one["title"] + one["body"] for one in desk.notices()]
    assert not any("a secret" in body for body in bodies)
    ids = [(one["occasion"], one["site"], one.get("due_at"), one.get("finding_id")) for one in desk.notices()]
    assert len(ids) == len(set(ids)), "told twice"
