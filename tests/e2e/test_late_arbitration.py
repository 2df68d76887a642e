"""Arbitration stands still over a deadline: nobody above a site is told of what the site did in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from signal import SIGCONT, SIGSTOP

import pytest

from tests.support.line import Line, event, parcel, wait
from tests.support.stack import running_stack

pytestmark = pytest.mark.stack
KEPT, MISSED, LATER = "A5600000L1", "A5600000L2", "A5600000L3"
Told = set[tuple[str, str]]


class Desk:
    """The complaint desk of a running line, and what was told of its complaints."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def says(self, waybill: str, kind: str, source: str = "/desks/cs", **data: str) -> None:
        """Publish an event of a waybill's complaint that happens now."""
        subject, now = f"tiantian/{waybill}", self._line.stack.now()
        self._line.publish([event(subject, source, kind, now, kind, complaint_id="C1", **data)])

    def opens(self, waybill: str) -> datetime:
        """Open a complaint, wait until its site is told, and return when the contact is due."""
        self.says(
            waybill,
            "complaint.opened",
            channel="phone",
            category="attitude",
            claimant="recipient",
            against_site="BJ02",
        )
        self.waits_for((waybill, "complaint_opened"))
        listed = self._line.get("arbitration", "/v1/complaints", network="tiantian")["items"]
        [clocks] = [one["clocks"] for one in listed if one["waybill"] == waybill]
        return datetime.fromisoformat(clocks["contacted"]["due_at"])

    def told(self) -> Told:
        """Waybills and occasions of what was told so far."""
        items = self._line.get("notify", "/v1/notices", network="tiantian", limit=500)["items"]
        return {(one.get("waybill", ""), one["occasion"]) for one in items}

    def waits_for(self, *expected: tuple[str, str]) -> None:
        """Return once this was told."""
        wait(lambda: True if self.told().issuperset(expected) else None, self.told)


def test_no_escalation_of_a_contact_that_arbitration_reads_after_its_term() -> None:
    with running_stack() as stack:
        line = Line(stack)
        desk = Desk(line)
        for waybill in (KEPT, MISSED, LATER):
            line.publish(parcel(f"tiantian/{waybill}", stack.now() - timedelta(days=4)))
        due_at = max(desk.opens(KEPT), desk.opens(MISSED))
        stack.advance_clock(timedelta(hours=4, minutes=2))
        # Reminded of four hours before it is due: it shows that notify has looked at all that is due by then.
        later_due_at = desk.opens(LATER)
        stack.advance_clock(due_at - timedelta(minutes=1) - stack.now())
        desk.waits_for((KEPT, "contact_due"), (MISSED, "contact_due"))

        stack.kill("arbitration", SIGSTOP)
        desk.says(KEPT, "reply.registered", "/sites/BJ02", site="BJ02", outcome="progress", text="x")
        stack.advance_clock(later_due_at - timedelta(hours=4) - stack.now())
        desk.waits_for((LATER, "contact_due"))
        assert not any(occasion.endswith("_overdue") for _, occasion in desk.told())

        stack.kill("arbitration", SIGCONT)
        desk.waits_for((MISSED, "contact_overdue"), (MISSED, "progress_overdue"))
        overdue = {waybill for waybill, occasion in desk.told() if occasion.endswith("_overdue")}
        assert overdue == {MISSED}
