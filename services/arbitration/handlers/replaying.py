"""Working on replays: judge past waybills under two rulebooks, a chunk a transaction. Runs in a process of its own.

Between two chunks nothing is locked, and nothing but the database knows how far a job is: any process may go on with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.arbitration.casefile import issued_by, known_at
from services.arbitration.domain import Difference, Facts, Rulebooks, distinct, overridden_for
from services.arbitration.facts import FactBook
from services.arbitration.judging import judge_at
from services.arbitration.settings import ArbitrationSettings
from services.arbitration.store import journal, replays
from services.arbitration.store.replays import Job
from services.arbitration.stream import read_stream
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.clock import Clock
from shared.db import is_refused
from shared.errors import FaultlineError
from shared.events.outputs import VerdictData

log = structlog.get_logger(__name__)

_RETRY_S: Final = 1.0
_verdict = msgspec.json.Decoder(VerdictData)


def judged_by(books: Rulebooks) -> str:
    """What says that two processes judge alike: the version of the code and the digest of its rulebooks."""
    return f"{version('faultline')} {books.digest}"


class _Terms(NamedTuple):
    """By what a job judges: it is the same for all its chunks."""

    job_id: UUID
    other: Rulebooks
    facts: Facts


class Replaying:
    """Moves unfinished replays on."""

    def __init__(
        self,
        settings: ArbitrationSettings,
        engine: AsyncEngine,
        clock: Clock,
        facts: FactBook,
        books: Rulebooks,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._facts = facts
        self._books = books
        self._judged_by = judged_by(books)
        self._terms: _Terms | None = None

    async def run(self) -> None:
        """Work until no replay is unfinished; wait while others work on them or the database is away."""
        while True:
            try:
                if not await replays.any_unfinished(self._engine):
                    return
                if not await self.step():
                    await asyncio.sleep(self._settings.replay_poll_ms / 1000)
            except TRANSIENT as error:
                unless_cancelled(error)
                log.warning("replays wait", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(_RETRY_S)

    async def step(self) -> bool:
        """Move one replay on by a chunk; False where there is none that nobody else works on."""
        job = None
        try:
            async with self._engine.begin() as connection:
                job = await replays.claim(connection)
                if job is not None:
                    await self._chunk(connection, job)
        except Exception as error:
            if job is None or (isinstance(error, TRANSIENT) and not is_refused(error)):
                raise
            # A defect, or what the database refuses, would come again with every try.
            log.exception("replay failed", replay_id=str(job.id))
            why = str(error) if isinstance(error, FaultlineError) else f"A defect: {type(error).__name__}."
            await replays.fail(self._engine, job.id, why, self._clock.now())
        return job is not None

    async def _chunk(self, connection: AsyncConnection, job: Job) -> None:
        terms = await self._terms_of(job)
        if job.started_at is None:
            await replays.start(connection, job, self._clock.now())
        walked = await replays.walk(connection, job, self._settings.replay_chunk_cases)
        chosen = [subject for subject, is_chosen in walked if is_chosen]
        streams = await journal.read(await journal.driver(connection), chosen)
        versions = await replays.versions(connection, chosen, job.judged_at)
        found = Difference()
        passed = 0
        until_s = time.monotonic() + self._settings.replay_chunk_ms / 1000
        for subject, is_chosen in walked:
            passed += 1
            if is_chosen:
                self._judge(found, subject, streams.get(subject, ()), versions[subject], job, terms)
                if time.monotonic() > until_s:
                    break
        ended = passed == len(walked) < self._settings.replay_chunk_cases
        last = walked[passed - 1][0] if walked else None
        rows = await replays.advance(
            connection, job, found, passed, last, self._clock.now() if ended else None
        )
        if rows > self._settings.replay_rows_max:
            raise _too_many_rows(self._settings.replay_rows_max)

    async def _terms_of(self, job: Job) -> _Terms:
        if self._terms is None or self._terms.job_id != job.id:
            if job.judged_by != self._judged_by:
                raise _other_code()
            await self._facts.load()
            facts = self._facts.known_for(f"{job.network}/", job.judged_at, {})
            other = overridden_for(self._books, job.network, job.rulebook)
            self._terms = _Terms(job.id, other, facts)
        return self._terms

    def _judge(
        self,
        found: Difference,
        subject: str,
        pieces: Sequence[journal.Stored],
        versions: Sequence[bytes],
        job: Job,
        terms: _Terms,
    ) -> None:
        """Judge a waybill under both rulebooks, all else being the same."""
        at = job.judged_at
        try:
            stream = known_at(read_stream(pieces, self._settings.stream_events_max), at)
            known, _ = distinct(stream.events, stream.bodies)
            _, first_issued = issued_by(versions, at)
            facts = msgspec.structs.replace(terms.facts, first_issued=first_issued)
            issued = _verdict.decode(versions[-1]).findings
            before = judge_at(known, facts, self._books, at, job.network).findings
            after = judge_at(known, facts, terms.other, at, job.network).findings
        except Exception as error:  # noqa: BLE001 - whatever a rule raises is this waybill's trouble: the others go on
            found.not_judged += 1
            log.warning("waybill not replayed", subject=subject, error=type(error).__name__)
            return
        found.add(subject, issued, before, after)


def _other_code() -> FaultlineError:
    return FaultlineError(
        "The rules have changed since the replay was asked for.",
        cause="another version of the service was installed meanwhile.",
        remedy="ask for it again: one result is never made by two versions.",
    )


def _too_many_rows(rows_max: int) -> FaultlineError:
    return FaultlineError(
        f"The result has more than {rows_max} rows of rule and site.",
        cause="the network has more sites with findings than was planned for.",
        remedy="ask for a shorter time, or raise FAULTLINE_REPLAY_ROWS_MAX.",
    )
