"""What a batch of due reviews comes to: which waybills are looked at, why, and what is known of them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError

from services.arbitration.judging import Judgement
from services.arbitration.store import cases, duties, journal, reviews
from services.arbitration.store.reviews import Review
from services.arbitration.watch import DECIDED, Place, Watch, stays

_PLANNED = (reviews.QUIET, reviews.TIMED, reviews.WINDOW)
"""Looks that nobody asked for at once."""
_CLOCKS_APART = timedelta(seconds=5)
"""By how much the clocks of copies may differ: a partition also takes a while to change hands."""


class Work:
    """One batch of due waybills on its way from the reviews to the verdicts."""

    def __init__(self, cutoff: datetime) -> None:
        self.cutoff = cutoff
        self.wanted: dict[str, Review] = {}
        self.since: dict[str, datetime] = {}
        self.terms: set[tuple[str, datetime]] = set()
        self.facts_dated = 0
        self.projected: dict[str, Review] = {}
        self.heads: dict[str, cases.Head] = {}
        self.streams: dict[str, list[journal.Stored]] = {}
        self.first_issued: dict[str, dict[str, datetime]] = {}
        self.published: dict[str, duties.Published] = {}
        self.places: dict[str, Place | None] = {}
        self.outcomes: list[Judgement] = []

    def add(self, review: Review) -> None:
        """Several reviews of a waybill are one look, for the most pressing reason."""
        known = self.wanted.get(review.subject)
        if known is None or review.outranks(known):
            self.wanted[review.subject] = review
        self.since[review.subject] = max(review.since, self.since.get(review.subject, review.since))
        if review.priority == reviews.TIMED:
            self.terms.add((review.subject, review.due_at))
        elif review.priority == reviews.PROJECT:
            self.projected[review.subject] = review

    def drop_parked(self, parked: Collection[str]) -> None:
        """What is parked stays so, whatever comes in, until somebody asks to try it again."""
        for subject in parked:
            if self.wanted[subject].priority != reviews.RETRY:
                del self.wanted[subject]

    def park(self, subject: str, error: Exception) -> None:
        """The verdict of the only waybill of this batch cannot be stored."""
        asked = self.wanted[subject]
        cause = error.orig if isinstance(error, DBAPIError) else error
        self.outcomes = [Judgement(subject, asked.partition, error=f"{type(cause).__name__}: {cause}")]

    def retried(self) -> list[str]:
        """The parked waybills that could be decided now."""
        return [
            outcome.subject
            for outcome in self.outcomes
            if outcome.error is None and self.wanted[outcome.subject].priority == reviews.RETRY
        ]

    def drop_settled_terms(self, watch: Watch) -> None:
        """What was planned and what came since has settled needs no look."""
        for subject, asked in list(self.wanted.items()):
            if asked.priority in _PLANNED and self._is_settled(asked, watch.place(asked.partition, subject)):
                del self.wanted[subject]
                if subject in self.projected:
                    self.wanted[subject] = self.projected[subject]

    def _is_settled(self, asked: Review, place: Place | None) -> bool:
        """Whether a newer verdict has overtaken the look: it said when the next one is due. Or the parcel has gone on that
        could have stayed somewhere for too long.

        The watch knows of a verdict after which nothing came. Of a case that it has forgotten, the look may be that of a scan
        which came since and asked for nothing else; but not where it was asked for before the verdict.
        """
        head = self.heads.get(asked.subject)
        if head is not None and (head.next_look_at is None or head.next_look_at > self.cutoff):
            return place is DECIDED or self.since[asked.subject] + _CLOCKS_APART < head.decided_at
        return asked.priority == reviews.WINDOW and place is not None and not stays(place)

    def is_new_term(self, outcome: Judgement) -> bool:
        """Whether the next look stands in no row yet."""
        head = self.heads.get(outcome.subject)
        following = outcome.next_look_at
        assert following is not None
        return head is None or head.next_look_at != following or (outcome.subject, following) in self.terms
