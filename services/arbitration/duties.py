"""The first moments at which an ordinary scan becomes a fault by the mere passing of time.

They plan a waybill's first look; the decision made then plans every further one. Too early costs a look, so these follow
the rulebooks exactly for the ordinary parcel, and leave every other to a look as soon as its stream has settled.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog

from services.arbitration.domain import Facts, Rulebooks, decide, distinct
from services.arbitration.rules.localtime import clock_of, day_of, moment_of, seconds
from services.arbitration.watch import WHEN_QUIET, Wish
from shared.events import ScanCollected, ScanOutForDelivery

log = structlog.get_logger(__name__)

_NO_FACTS: Final = Facts()
_TERMS_KEPT_MAX: Final = 4_096


class Duties:
    """Plans first looks by the terms that `books` has in force."""

    def __init__(self, books: Rulebooks) -> None:
        self._books = books
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
            self._after_collection[key] = decision.next_review_at
        return self._after_collection[key]

    def of_delivery(self, event: ScanOutForDelivery, arrived: datetime) -> Wish:
        """When the signature of a parcel that went out for delivery is overdue (TT-02, TT-04 d)."""
        out = seconds(event.time)
        rule = self._books.of(event.subject.partition("/")[0]).by_id.get("TT-02")
        terms = rule.on(day_of(out)) if rule is not None else None
        if terms is None:
            return None
        start = seconds(arrived)
        due = day_of(start)
        if start >= clock_of(due, terms["arrival_cutoff_hour"]):
            due += 1
        entry = clock_of(due + 1, terms["entry_hour"])
        if out > entry:
            entry = clock_of(day_of(out) + 1, terms["entry_hour"])
        return moment_of(entry + 1)
