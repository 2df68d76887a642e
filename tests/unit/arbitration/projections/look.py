"""A look at a waybill for the tests of its duties, warned as by default: three hours ahead, two for a notice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.arbitration.domain import Facts, distinct
from services.arbitration.domain.decision import judged
from services.arbitration.projections.duties import Ahead, Outlook, outlook
from services.arbitration.projections.looked import Looked, happened
from shared.events import Event
from shared.events.duties import Duty
from tests.unit.arbitration.build import BOOKS, Waybill

AHEAD = Ahead(fines=timedelta(hours=3), windows=timedelta(hours=2))


def look(events: Sequence[Event], now: datetime, facts: Facts | None = None) -> Outlook:
    """The outlook at `now`; what happens later is not known yet."""
    facts = facts or Facts()
    known = happened(distinct(events)[0], now)
    subject = events[0].subject
    rules = BOOKS.of(events[0].network)
    decision, case = judged(known, facts, rules, now)
    looked = Looked(subject, 0, known, decision.chain, decision.findings, facts, rules, now, case)
    return outlook(looked, decision.next_review_at, AHEAD)


def duties(waybill: Waybill, now: datetime, facts: Facts | None = None) -> dict[str, Duty]:
    """The duties at `now` by their ids."""
    return {duty.duty_id: duty for duty in look(waybill.events, now, facts).duties}


def told(waybill: Waybill, now: datetime) -> dict[str, tuple[str | None, datetime | None]]:
    """Who has to do each duty at `now`, a site or a desk, and until when."""
    return {name: (duty.site or duty.desk, duty.due_at) for name, duty in duties(waybill, now).items()}
