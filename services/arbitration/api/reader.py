"""Opening a case: everything stored of a waybill, replayed at the moment of reading."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.casefile import CaseState, computed_verdict, known_at, stored_verdict
from services.arbitration.domain import Rulebooks, distinct
from services.arbitration.facts import FactBook
from services.arbitration.judging import judge_at
from services.arbitration.store import reading
from services.arbitration.stream import Stream, read_stream
from shared.clock import Clock
from shared.http.problems import not_found


class OpenedCase(NamedTuple):
    """A case as read. `bodies`: the events' bytes as received, by (source, id)."""

    state: CaseState
    verdict: dict[str, Any] | None
    pending: int
    bodies: dict[tuple[str, str], bytes]


class CaseReader:
    """Reads cases fresh from the journal."""

    def __init__(
        self, engine: AsyncEngine, clock: Clock, facts: FactBook, rulebooks: Rulebooks, code_version: str
    ) -> None:
        self.engine = engine
        self._clock = clock
        self._facts = facts
        self._rulebooks = rulebooks
        self._code_version = code_version

    async def open(self, network: str, waybill: str, as_of: datetime | None) -> OpenedCase:
        """Read and replay a waybill, as known at `as_of` or now. Raises Problem (404) where nobody has heard of it."""
        subject = f"{network}/{waybill}"
        stored = await reading.read_file(self.engine, subject)
        if not stored.pieces:
            raise not_found(f"waybill {subject}")
        stream = read_stream(stored.pieces)
        if as_of is not None:
            return await self._computed(subject, known_at(stream, as_of), stored, as_of)
        state = self._state(subject, stream, stored, self._clock.now())
        head = stored.head
        verdict = None if head is None else stored_verdict(head.verdict)
        pending = len(state.events) - (0 if head is None else head.events)
        return OpenedCase(state, verdict, max(0, pending), _bodies(stream))

    async def _computed(
        self, subject: str, stream: Stream, stored: reading.File, as_of: datetime
    ) -> OpenedCase:
        state = self._state(subject, stream, stored, as_of)
        version = await reading.version_at(self.engine, subject, as_of)
        verdict = computed_verdict(state.decision, version, as_of, self._code_version)
        return OpenedCase(state, verdict, 0, _bodies(stream))

    def _state(self, subject: str, stream: Stream, stored: reading.File, now: datetime) -> CaseState:
        known, conflicts = distinct(stream.events, stream.bodies)
        issued = {finding: moment for finding, moment in stored.first_issued.items() if moment <= now}
        facts = self._facts.known_for(subject, now, issued)
        decision = judge_at(known, facts, self._rulebooks, now, subject.partition("/")[0])
        return CaseState(subject, decision, [item.event for item in known], len(conflicts))


def _bodies(stream: Stream) -> dict[tuple[str, str], bytes]:
    bodies = stream.bodies or ()
    return {(e.source, e.id): body for e, body in zip(stream.events, bodies, strict=False)}
