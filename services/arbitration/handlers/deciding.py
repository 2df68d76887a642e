"""Deciding what is due: read the streams, judge, store versions and publish them. A batch of waybills at a time.

A decision waits until the partition's three positions have passed the ends that the topics had when it fell due: after
an outage a complaint must not be judged before the scans that explain it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from asyncpg import Connection
from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.arbitration.facts import FactBook
from services.arbitration.handlers import projecting
from services.arbitration.handlers.ingest import Ingest
from services.arbitration.handlers.pace import Pace, quiet_at
from services.arbitration.handlers.publishing import publish
from services.arbitration.handlers.work import Work
from services.arbitration.judging import Judgement, Judging
from services.arbitration.projections.silences import next_look
from services.arbitration.settings import ArbitrationSettings
from services.arbitration.store import cases, conflicts, facts, journal, reviews
from services.arbitration.store.previous import previous
from services.arbitration.store.reviews import Review, ReviewRow
from services.arbitration.stream import Stream, read_stream
from services.arbitration.watch import Watch
from shared import metrics
from shared.bus.assignment import Assignment
from shared.bus.outbox import OutboxRelay
from shared.bus.positions import Fenced
from shared.bus.runner import ConsumerRunner
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.bus.waiting import wait_at_most
from shared.clock import Clock
from shared.db import is_refused

log = structlog.get_logger(__name__)

_decided = metrics.counter("decided", "Waybills looked at and judged.", "verdicts")
_issued = metrics.counter("verdicts_issued", "Verdict versions issued.", "verdicts")
_told = metrics.counter("duties_published", "Lists of duties published because they changed.", "records")
_parked = metrics.counter("parked", "Waybills set aside because their decision raised.", "verdicts")


class Deciding:
    """Works off the due reviews of the partitions that `runner` holds, two tasks a lane."""

    def __init__(
        self,
        settings: ArbitrationSettings,
        engine: AsyncEngine,
        clock: Clock,
        watch: Watch,
        facts: FactBook,
        judging: Judging,
        relay: OutboxRelay,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._watch = watch
        self._facts = facts
        self._judging = judging
        self._relay = relay
        self._ingest = Ingest(settings, engine, clock, watch, self._stored)
        self._lane_of: dict[int, int] = {}
        self._in_hand: list[set[str]] = [set() for _ in range(settings.lanes)]
        self._moved = [asyncio.Event() for _ in range(settings.lanes)]
        self._asked = [asyncio.Event() for _ in range(settings.lanes)]
        """Set where `reviews.ASKED` may be due; what is due ex officio is looked for now and then."""
        self._facts_missed = False
        self._settle = timedelta(milliseconds=settings.settle_ms)
        self._settle_max = timedelta(milliseconds=settings.settle_ms_max)

    @property
    def ingest(self) -> Ingest:
        """The handler whose events these decisions are about."""
        return self._ingest

    def wake(self) -> None:
        """A review was inserted: look now."""
        for asked in self._asked:
            asked.set()

    def _stored(self, partitions: Sequence[int], pressing: bool) -> None:
        """Something was journalled. Only those who wait for just that are woken: a look at what is due costs a question."""
        for lane in {self._lane_of[number] for number in partitions if number in self._lane_of}:
            self._moved[lane].set()
            if pressing:
                self._asked[lane].set()

    async def run(self, runner: ConsumerRunner, lane: int, *, asked: bool) -> None:
        """Decide what is due in lane `lane` until cancelled; what fails because something is away is tried again.

        Run it twice beside each other: for what was `asked` for, and for the rest. Who waits for an answer does not wait
        for what nobody has asked for.
        """
        wait_s = self._settings.review_poll_ms / 1000
        wanted = self._asked[lane] if asked else asyncio.Event()
        pace = Pace(self._settings.decide_waybills_min, self._settings.decide_waybills_max)
        while True:
            assignment = await runner.wait_assigned()
            try:
                if not await self._round(runner, assignment, lane, pace, asked=asked):
                    await wait_at_most(wanted, wait_s)
                    wanted.clear()
            except Fenced:
                # Where nothing comes in, nobody else would notice it.
                await runner.lost(assignment)
            except TRANSIENT as error:
                unless_cancelled(error)
                log.warning("decisions wait", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(wait_s * 4)

    async def _until_stored(self, lane: int) -> None:
        """Return when more of the lane was stored, or after a while."""
        await wait_at_most(self._moved[lane], self._settings.review_poll_ms / 1000)
        self._moved[lane].clear()

    async def _round(
        self, runner: ConsumerRunner, assignment: Assignment, lane: int, pace: Pace, *, asked: bool
    ) -> bool:
        """Decide a batch of what is due now, the most pressing first; False where nothing is that is free."""
        partitions = runner.lane_partitions(lane)
        self._lane_of |= dict.fromkeys(partitions, lane)
        cutoff = self._clock.now()
        in_hand = self._in_hand[lane]
        due = await self._due(partitions, cutoff, pace.limit, in_hand, asked=asked)
        pace.found(len(due))
        if not due:
            return False
        ends = await runner.high_watermarks(sorted({review.partition for review in due}))
        while not runner.has_passed(ends):
            if assignment.ended.is_set():
                return True
            await self._until_stored(lane)
        # The other loop may have taken some meanwhile: a waybill is in one hand at a time.
        batch = [review for review in due if review.subject not in in_hand]
        if not batch:
            return False
        subjects = {review.subject for review in batch}
        in_hand |= subjects
        try:
            await self._decide_settled(runner, assignment, lane, batch, cutoff)
        finally:
            in_hand -= subjects
            if not asked:
                # Something may have been asked for about these waybills.
                self._asked[lane].set()
        self._relay.wake()
        return True

    async def _due(
        self, partitions: Sequence[int], cutoff: datetime, limit: int, without: set[str], *, asked: bool
    ) -> list[Review]:
        if not partitions:
            return []
        priorities = reviews.ASKED if asked else reviews.EX_OFFICIO
        async with self._engine.connect() as connection:
            driver = await journal.driver(connection)
            return await reviews.due(driver, partitions, priorities, cutoff, limit, without=list(without))

    async def _decide_settled(
        self,
        runner: ConsumerRunner,
        assignment: Assignment,
        lane: int,
        batch: Sequence[Review],
        cutoff: datetime,
    ) -> None:
        """Decide `batch`; where that fails, return only when nothing of it is under way any more.

        What a commit came to that was not answered is known once its locks are free; until then nobody may read the heads.
        """
        try:
            await self._decide(runner, assignment, lane, batch, cutoff)
        except TRANSIENT as failure:
            unless_cancelled(failure)
            while True:
                try:
                    async with runner.fenced(sorted({review.partition for review in batch}), assignment):
                        break
                except TRANSIENT as error:
                    unless_cancelled(error)
                    await asyncio.sleep(self._settings.review_poll_ms / 1000)
            raise

    async def _decide(
        self,
        runner: ConsumerRunner,
        assignment: Assignment,
        lane: int,
        due: Sequence[Review],
        cutoff: datetime,
    ) -> None:
        """Decide what `due` asks for, in one transaction. What the database refuses is parked, alone."""
        async with self._engine.connect() as connection:
            work = await self._read(await journal.driver(connection), due, cutoff, lane)
        await self._judge(work)
        touched = sorted({review.partition for review in due})
        try:
            await self._store(runner, assignment, touched, work, due)
        except (DBAPIError, PostgresError, InterfaceError) as error:
            subjects = list(work.wanted)
            if not subjects or not is_refused(error):
                raise
            if len(subjects) == 1:
                work.park(subjects[0], error)
                await self._store(runner, assignment, touched, work, due)
                return
            first = set(subjects[: len(subjects) // 2])
            log.error("batch is decided in halves", waybills=len(subjects), error=type(error).__name__)
            for half in (True, False):
                part = [review for review in due if (review.subject in first) is half]
                await self._decide(runner, assignment, lane, part, cutoff)

    async def _read(self, driver: Connection, due: Sequence[Review], cutoff: datetime, lane: int) -> Work:
        work = Work(cutoff)
        for review in due:
            work.add(review)
        told = (review for review in due if review.priority == reviews.FACTS)
        if self._facts_missed or any(not self._facts.knows(review.subject, review.due_at) for review in told):
            # Another copy heard of the fact before us: it stands in the database.
            self._facts_missed = False
            try:
                await self._facts.load()
            except BaseException:
                self._facts_missed = True
                raise
        subjects = list(work.wanted)
        known = await previous(driver, subjects)
        work.drop_parked(known.parked)
        work.heads, work.published = known.heads, known.published
        work.drop_settled_terms(self._watch)
        subjects = list(work.wanted)
        while self._ingest.in_flight(review.partition for review in due):
            await self._until_stored(lane)
        # What the watch has seen is in the journal now; what it sees from here on changes the place.
        work.places = {
            subject: self._watch.begin_look(work.wanted[subject].partition, subject) for subject in subjects
        }
        work.streams = await journal.read(driver, subjects)
        with_findings = [
            s for s, head in work.heads.items() if s in work.wanted and self._judging.has_findings(head)
        ]
        if with_findings:
            work.first_issued = await cases.first_issued(driver, with_findings, self._clock.now())
        return work

    async def _judge(self, work: Work) -> None:
        """Judge waybill by waybill, giving the event loop its turn in between."""
        work.facts_dated = self._facts.dated
        slice_s = self._settings.decide_slice_ms / 1000
        began_s = time.monotonic()
        for subject, asked in work.wanted.items():
            work.outcomes.append(self._judge_one(subject, asked, work))
            if time.monotonic() - began_s > slice_s:
                await asyncio.sleep(0)
                began_s = time.monotonic()

    def _judge_one(self, subject: str, asked: Review, work: Work) -> Judgement:
        now = self._clock.now()
        head = work.heads.get(subject)
        try:
            stream = read_stream(work.streams.get(subject, ()), self._settings.stream_events_max)
            if asked.priority == reviews.QUIET and (quiet_at := self._quiet_at(stream, asked)) > now:
                return Judgement(subject, asked.partition, postponed_to=quiet_at)
            known = self._facts.known_for(subject, now, work.first_issued.get(subject, {}))
            if asked.priority == reviews.PROJECT:
                return self._judging.replay(subject, asked.partition, stream, head, known, now)
            asked_for = asked.priority in reviews.ASKED
            return self._judging.judge(
                subject, asked.partition, stream, head, known, now, asked_for=asked_for
            )
        except Exception as error:
            # Whatever a rule raises is this waybill's trouble, and nobody else's.
            log.exception("waybill parked", subject=subject)
            return Judgement(subject, asked.partition, error=f"{type(error).__name__}: {error}")

    def _quiet_at(self, stream: Stream, asked: Review) -> datetime:
        recorded = [event.recordedtime for event in stream.events if event.recordedtime]
        return quiet_at(max(recorded, default=asked.since), asked.since, self._settle, self._settle_max)

    async def _store(
        self,
        runner: ConsumerRunner,
        assignment: Assignment,
        partitions: Sequence[int],
        work: Work,
        due: Sequence[Review],
    ) -> None:
        """Write all of it or nothing; the watch forgets what it was told of waybills that were not stored."""
        stored = False
        try:
            async with runner.fenced(partitions, assignment) as (writer, _):
                await self._write(writer, work, due)
            stored = True
        finally:
            if not stored:
                for outcome in work.outcomes:
                    self._watch.forget(outcome.partition, outcome.subject)

    async def _write(self, connection: AsyncConnection, work: Work, due: Sequence[Review]) -> None:
        driver = await journal.driver(connection)
        outcomes = work.outcomes
        issued = [o.issued for o in outcomes if o.issued is not None]
        await cases.insert(driver, [i.head for i in issued if i.head.version == 1])
        await cases.replace(driver, [i.head for i in issued if i.head.version > 1])
        await cases.update(driver, [o.refreshed for o in outcomes if o.refreshed is not None])
        await cases.keep_findings(
            driver, [(i.head.subject, i.head.decided_at, finding) for i in issued for finding in i.findings]
        )
        await conflicts.record(connection, (c for o in outcomes for c in o.conflicts), self._clock.now())
        await cases.keep_exempted(
            driver, [(one, o.subject) for o in outcomes if o.has_case for one in o.exemptions]
        )
        failed = [
            (o.subject, o.partition, self._clock.now(), o.error) for o in outcomes if o.error is not None
        ]
        if failed:
            await cases.park(driver, failed)
        await cases.release(driver, work.retried())
        await projecting.keep(driver, [o.looked for o in outcomes if o.looked is not None])
        await reviews.delete(driver, [review.address for review in due])
        missed = await facts.count_dated(driver) != work.facts_dated
        self._facts_missed |= missed
        await reviews.insert(driver, self._following(work, again=missed))
        _told.inc(await publish(connection, driver, outcomes, work.published))
        # Under the locks, so that no event of these partitions is seen in between.
        for outcome in outcomes:
            if outcome.has_case:
                self._watch.decided(outcome.partition, outcome.subject)
            elif outcome.events:
                self._watch.looked_at(outcome.partition, outcome.subject, outcome.events)
        _decided.inc(len(outcomes))
        _issued.inc(len(issued))
        _parked.inc(len(failed))

    def _following(self, work: Work, *, again: bool) -> list[ReviewRow]:
        """The reviews that come next: the next term, a postponed look, and what came in while we judged.

        `again`: a fact came in that may concern any of the waybills.
        """
        rows: list[ReviewRow] = []
        now = self._clock.now()
        for outcome in work.outcomes:
            asked = work.wanted[outcome.subject]
            if outcome.postponed_to is not None:
                later = (outcome.postponed_to, asked.since, outcome.subject)
                rows.append((outcome.partition, reviews.QUIET, *later))
                if outcome.subject in work.projected:
                    rows.append((outcome.partition, reviews.PROJECT, *later))
                continue
            if (next_at := self._next_look(work, outcome)) is not None:
                rows.append((outcome.partition, reviews.TIMED, next_at, now, outcome.subject))
            place = self._watch.place(outcome.partition, outcome.subject)
            if again or place is not work.places.get(outcome.subject):
                # Where nobody has asked, a version that says nothing is not issued either.
                pressing = outcome.has_case or asked.priority in reviews.ASKED
                priority = reviews.AT_ONCE if pressing else reviews.QUIET
                rows.append((outcome.partition, priority, now, now, outcome.subject))
        return rows

    def _next_look(self, work: Work, outcome: Judgement) -> datetime | None:
        """When the verdict could change or a duty begins. A waybill without a verdict is looked at before, should its parcel
        fall silent."""
        due_at, looked = outcome.next_look_at, outcome.looked
        if outcome.has_case or outcome.subject in work.heads or looked is None:
            return due_at if due_at is not None and work.is_new_term(outcome) else None
        silent_at = next_look(looked, self._settings.silence_look_hours)
        return min((at for at in (due_at, silent_at) if at is not None), default=None)
