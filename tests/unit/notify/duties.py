"""Duties for the tests of notify."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from services.notify.domain.duties import Limits
from shared.events.duties import DutiesData, Duty

OPENED_AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
"""09:00 of Monday, 2 March, in Shanghai."""
HOUR = timedelta(hours=1)
LIMITS = Limits(leads={}, news_within=72 * HOUR, bundling=timedelta(minutes=15))


def duty(kind: str, about: str = "C1", **members: Any) -> Duty:
    """A duty of BJ02 that came at OPENED_AT, about a complaint unless `members` differ."""
    usual: dict[str, Any] = {
        "duty_id": f"{kind}/{about}",
        "kind": kind,
        "site": "BJ02",
        "begun_at": OPENED_AT,
        "complaint_id": about if about.startswith("C") else None,
    }
    return Duty(**{**usual, **members})


def duties(revision: int, *all_: Duty, **members: Any) -> DutiesData:
    """Revision `revision` of the duties of tiantian/560000000001, found at OPENED_AT unless `members` differ."""
    usual: dict[str, Any] = {
        "network": "tiantian",
        "waybill": "560000000001",
        "revision": revision,
        "as_of": OPENED_AT,
        "origin": "GZ01",
        "duties": list(all_),
    }
    return DutiesData(**{**usual, **members})


COMPLAINT = duty("complaint", rule="SD-01", note="delay")
CONTACT = duty("contact", rule="SD-02", due_at=OPENED_AT + 24 * HOUR)
SETTLE = duty("settle", rule="SD-03", due_at=datetime(2026, 3, 5, 15, 59, 59, tzinfo=UTC))
FOLLOW_UP = duty(
    "follow_up",
    rule="SD-05",
    site=None,
    desk="desk1",
    begun_at=OPENED_AT + 30 * HOUR,
    due_at=datetime(2026, 3, 6, 15, 59, 59, tzinfo=UTC),
)
FINE = duty(
    "fine",
    "TT-02/BJ02",
    rule="TT-02",
    finding_id="TT-02/BJ02",
    amount_fen=5_000,
    due_at=datetime(2026, 3, 3, 3, 59, 59, tzinfo=UTC),
)
