"""Arbitration stands still over a deadline: nobody above a site is told of what the site did in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from signal import SIGCONT, SIGSTOP

import pytest

from tests.support.line import Line, event, parcel, wait
from tests.support.stack import running_stack

pytestmark = pytest.mark.stack
KEPT, MISSED, LATER = "A5600000L1", "A5600000L2", "A5600000L3"


class Desk:
    """The complaint desk of a running line, and what was told of its complaints."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def says(self, waybill: str, kind: str, source: str = "/desks/cs", **data: str) -> None:
        """Publish an event of a waybill's complaint that happens now."""
        now = self._line.stack.now()
        made = event(f"tiantian/{waybill}", source, kind, now, f"{kind}-{waybill}", complaint_id="C1", **data)
        self._line.publish([made])

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

    def waits_for_the_clock(self, moment: datetime) -> None:
        """Return once arbitration knows that it is `moment`: before, it takes events of then for wrong."""
        asked = {"network": "tiantian", "month": f"{moment:%Y-%m}"}

        def there() -> bool | None:
            as_of = self._line.get("arbitration", "/v1/complaints/report", **asked)["as_of"]
            return True if datetime.fromisoformat(as_of) >= moment.replace(microsecond=0) else None

        wait(there, lambda: f"{moment} has come")

    def told(self) -> set[tuple[str, str]]:
        """Waybills and occasions of what was told so far."""
        items = self._line.get("notify", "/v1/notices", network="tiantian", limit=500)["items"]
        return {(one.get("waybill", ""), one["occasion"]) for one in items}

    def overdue(self) -> set[str]:
        """Waybills of which it was told that a term was missed."""
        return {waybill for waybill, occasion in self.told() if occasion.endswith("_overdue")}

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
        desk.waits_for_the_clock(stack.advance_clock(timedelta(hours=4, minutes=2)))
        # Reminded of four hours before it is due: it shows that notify has looked at all that is due by then.
        later_due_at = desk.opens(LATER)
        stack.advance_clock(due_at - timedelta(minutes=1) - stack.now())
        desk.waits_for((KEPT, "contact_due"), (MISSED, "contact_due"))

        stack.kill("arbitration", SIGSTOP)
        desk.says(KEPT, "reply.registered", "/sites/BJ02", site="BJ02", outcome="progress", text="x")
        stack.advance_clock(later_due_at - timedelta(hours=4) - stack.now())
        desk.waits_for((LATER, "contact_due"))
        assert not desk.overdue(), "arbitration may not have read what kept them"

        stack.kill("arbitration", SIGCONT)
        desk.waits_for((MISSED, "contact_overdue"), (MISSED, "progress_overdue"))
        assert desk.overdue() == {MISSED}
