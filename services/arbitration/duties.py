"""The first moments at which a site is to be told that an ordinary scan becomes a fault by the mere passing of time.

They plan a waybill's first look; the look made then plans every further one. Too early costs a look, so these follow
the rulebooks exactly for the ordinary parcel, and leave every other to a look as soon as its stream has settled.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog

from services.arbitration.domain import Facts, Rulebooks, decide, distinct
from services.arbitration.projections.duties import Ahead
from services.arbitration.rules.localtime import HOUR_S, clock_of, day_of, moment_of, seconds, start_of
from services.arbitration.rules.rulebook import Terms
from services.arbitration.watch import WHEN_QUIET, Stay, Wish
from shared.events import ScanArrived, ScanCollected, ScanOutForDelivery

log = structlog.get_logger(__name__)

_NO_FACTS: Final = Facts()
_TERMS_KEPT_MAX: Final = 4_096


class Duties:
    """Plans first looks by the terms that `books` has in force, so long `ahead` of them as sites are warned."""

    def __init__(self, books: Rulebooks, ahead: Ahead) -> None:
        self._books = books
        self._ahead = ahead
        self._after_collection: dict[tuple[str, str, int], datetime | None] = {}

    def of_collection(self, event: ScanCollected) -> Wish:
        """When a parcel that was just collected has to be looked at, if nothing else comes of it."""
        data = event.data
        if (
            data.order_placed_at
            or data.pickup_agreed_at
            or data.inspected is False
            or data.urgent
            or data.premium_fen is not None
        ):
            return WHEN_QUIET
        at = seconds(event.time)
        key = (event.subject.partition("/")[0], data.scope, day_of(at))
        if key not in self._after_collection:
            if len(self._after_collection) >= _TERMS_KEPT_MAX:
                self._after_collection.clear()
            try:
                known, _ = distinct([event])
                decision = decide(known, _NO_FACTS, self._books, moment_of(at), key[0])
            except Exception:
                # The look meets the same defect and parks the waybill; taking events in must not stop for it.
                log.exception("no term can be told", subject=event.subject)
                return WHEN_QUIET
            review_at = decision.next_review_at
            self._after_collection[key] = review_at - self._ahead.fines if review_at is not None else None
        return self._after_collection[key]

    def of_stay(self, event: ScanArrived) -> Stay | None:
        """When a parcel has to be looked at that came by its bag and is not scanned, or stays at its destination."""
        at = seconds(event.time)
        if event.data.via == "bag":
            hours = self._books.of(event.subject.partition("/")[0]).general.at(day_of(at))["notice_hours"]
            until = moment_of(at + hours * HOUR_S)
            return Stay(until - self._ahead.windows, until)
        terms = self._terms("TT-04", event.subject, day_of(at))
        if terms is None:
            return None
        late = moment_of(start_of(_due_day(at, terms) + 1))
        return Stay(late - self._ahead.fines, late)

    def of_delivery(self, event: ScanOutForDelivery, arrived: datetime) -> Wish:
        """When a parcel that is out for delivery is about to be late (TT-04 d), else its signature overdue (TT-02)."""
        out = seconds(event.time)
        terms = self._terms("TT-02", event.subject, day_of(out))
        if terms is None:
            return None
        due = _due_day(seconds(arrived), terms)
        moment = start_of(due + 1)
        if moment <= out:
            entry = clock_of(due + 1, terms["entry_hour"])
            if out > entry:
                entry = clock_of(day_of(out) + 1, terms["entry_hour"])
            moment = entry + 1
        return moment_of(moment) - self._ahead.fines

    def _terms(self, rule_id: str, subject: str, day: int) -> Terms | None:
        rule = self._books.of(subject.partition("/")[0]).by_id.get(rule_id)
        return rule.on(day) if rule is not None else None


def _due_day(arrived: int, terms: Terms) -> int:
    """The day on which a parcel that arrived at a moment is to be delivered."""
    day = day_of(arrived)
    return day if arrived < clock_of(day, terms["arrival_cutoff_hour"]) else day + 1
