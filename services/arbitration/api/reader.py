"""Opening a case: everything stored of a waybill, replayed at the moment of reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.casefile import CaseState, computed_verdict, issued_by, known_at, stored_verdict
from services.arbitration.domain import Facts, Rulebooks, distinct
from services.arbitration.facts import FactBook
from services.arbitration.judging import judge_at
from services.arbitration.projections.looked import happened
from services.arbitration.projections.registers import Entry, entries
from services.arbitration.projections.silences import Parcel, parcel_of
from services.arbitration.rules.case import Case
from services.arbitration.rules.localtime import seconds
from services.arbitration.store import reading
from services.arbitration.store.journal import Stored
from services.arbitration.stream import read_bodies, read_stream
from shared.clock import Clock
from shared.errors import FaultlineError
from shared.http.problems import Problem, not_found

log = structlog.get_logger(__name__)

T = TypeVar("T")


class OpenedCase(NamedTuple):
    """A case as read. `bodies`: the bytes as received, by the identity (`id()`) of the events in `state`."""

    state: CaseState
    verdict: dict[str, Any] | None
    pending: int
    bodies: dict[int, bytes]


class CaseReader:
    """Reads cases fresh from the journal."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        facts: FactBook,
        rulebooks: Rulebooks,
        code_version: str,
        stream_events_max: int,
    ) -> None:
        self.engine = engine
        self._clock = clock
        self._facts = facts
        self._rulebooks = rulebooks
        self._code_version = code_version
        self._stream_events_max = stream_events_max

    def now(self) -> datetime:
        """The moment of reading."""
        return self._clock.now()

    def parcel(self, subject: str, pieces: Sequence[Stored]) -> Parcel | None:
        """Where the parcel of a stream is; None where it has ended, or its events cannot be replayed."""
        return self._of_stream(subject, pieces, lambda case: parcel_of(case.events, case.custody), None)

    def entries(self, subject: str, pieces: Sequence[Stored]) -> list[Entry]:
        """The lines of a stream in the registers; none where its events cannot be replayed."""
        return self._of_stream(subject, pieces, lambda case: list(entries(case)), [])

    def _of_stream(
        self, subject: str, pieces: Sequence[Stored], read: Callable[[Case], T], otherwise: T
    ) -> T:
        """What `read` finds in the stream as it is now, about which no rule was asked."""
        try:
            stream = read_stream(pieces, self._stream_events_max)
            known = happened(distinct(stream.events, stream.bodies)[0], self.now())
            if not known:
                return otherwise
            rules = self._rulebooks.of(subject.partition("/")[0])
            return read(Case(known, Facts(), rules, seconds(self.now())))
        except Exception:  # whatever the walk raises is this waybill's trouble: it is parked for the same
            log.exception("waybill cannot be replayed", subject=subject)
            return otherwise

    async def open(self, network: str, waybill: str, as_of: datetime | None) -> OpenedCase:
        """Read and replay a waybill, as known at `as_of` or now.

        Raises Problem: 404 where nobody has heard of it, 500 where its events cannot be replayed.
        """
        subject = f"{network}/{waybill}"
        now = self._clock.now()
        stored = await reading.read_file(self.engine, subject, now)
        if not stored.pieces:
            raise not_found(f"waybill {subject}")
        if as_of is not None:
            version, first_issued = issued_by(
                await reading.versions_until(self.engine, subject, as_of), as_of
            )
            state, bodies = self._replayed(subject, stored, first_issued, as_of, known_by=as_of)
            verdict = computed_verdict(state.decision, version, as_of, self._code_version)
            return OpenedCase(state, verdict, 0, bodies)
        state, bodies = self._replayed(subject, stored, stored.first_issued, now)
        head = stored.head
        issued = None if head is None else stored_verdict(head.verdict)
        pending = len(state.events) - (0 if head is None else head.events)
        return OpenedCase(state, issued, max(0, pending), bodies)

    def _replayed(
        self,
        subject: str,
        stored: reading.File,
        first_issued: Mapping[str, datetime],
        now: datetime,
        known_by: datetime | None = None,
    ) -> tuple[CaseState, dict[int, bytes]]:
        """The case at `now`, from the events known by `known_by` (None: from all), and their bytes."""
        try:
            stream = read_stream(stored.pieces, self._stream_events_max)
            bodies = read_bodies(stored.pieces)
            by_event = {id(event): body for event, body in zip(stream.events, bodies, strict=True)}
            if known_by is not None:
                stream = known_at(stream, known_by)
            known, conflicts = distinct(stream.events, stream.bodies)
            facts = self._facts.known_for(subject, now, first_issued)
            decision = judge_at(known, facts, self._rulebooks, now, subject.partition("/")[0])
        except (
            Exception
        ) as error:  # whatever a rule raises is this waybill's trouble: it is parked for the same
            log.exception("waybill cannot be replayed", subject=subject)
            raise _unreadable(subject, error) from error
        return CaseState(subject, decision, [item.event for item in known], len(conflicts)), by_event


def _unreadable(subject: str, error: Exception) -> Problem:
    why = str(error) if isinstance(error, FaultlineError) else "A rule failed on its events (a defect)."
    return Problem(
        500,
        "Waybill cannot be replayed",
        f"The events of {subject} are kept, but cannot be judged, so its verdict waits. {why}"
        " See GET /v1/parked; once the cause is mended, POST /v1/parked/{network}/{waybill}/retry.",
    )
