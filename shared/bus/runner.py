"""A consumer whose offsets live in the service's own database, in the transaction that stores what was consumed.

Kafka's group protocol only says who owns which partitions. The topics of a runner are co-partitioned (same key,
partitioner and count) and a partition number is owned as a whole, over all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.bus import positions as stored
from shared.bus.assignment import Assignment, Listener, RunnerLimits, check_broker, check_range, whole_numbers
from shared.bus.connection import kafka_options
from shared.bus.positions import Fenced
from shared.bus.records import BatchHandler, Record
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.bus.waiting import wait_at_most, wait_ended
from shared.errors import StoppedConsumer
from shared.settings import ServiceSettings

Fetched = dict[TopicPartition, list[Record]]

log = structlog.get_logger(__name__)


class ConsumerRunner:
    """Consumes co-partitioned `topics` and hands batches to `handler`, exactly once in the database's eyes.

    Several lanes work at once, each on its own partition numbers, so that one fetches while another commits.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        engine: AsyncEngine,
        *,
        topics: Sequence[str],
        group: str,
        handler: BatchHandler,
        limits: RunnerLimits | None = None,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._topics = tuple(topics)
        self._group = group
        self._handler = handler
        self._limits = limits or RunnerLimits()
        self._stuck_s = 2 * self._limits.rebalance_timeout_ms / 1000
        self._consumer: AIOKafkaConsumer | None = None
        self._asker: AIOKafkaConsumer | None = None
        self._assignment: Assignment | None = None
        self._assigned = asyncio.Event()
        self._claim_wanted = asyncio.Event()
        self._fetches = 0
        self._no_fetch = asyncio.Event()
        self._no_fetch.set()
        self._stopping = asyncio.Event()
        self.failure: StoppedConsumer | None = None
        """Why the runner has stopped for good; a person has to act."""
        self.trouble: str | None = "starting"
        """What it is waiting for at present, None while it works."""

    async def run(self) -> None:
        """Consume until `stop`. A broker or database that is away is waited for; a StoppedConsumer ends it."""
        wait_ms = self._limits.retry_wait_ms
        while not self._stopping.is_set():
            started_s = time.monotonic()
            try:
                await self._session()
            except StoppedConsumer as failure:
                self.failure, self.trouble = failure, str(failure)
                log.error("consumer stopped", group=self._group, error=str(failure))
                return
            except TRANSIENT as error:
                self.trouble = f"{type(error).__name__}: {error}"
                log.warning("consumer restarts", group=self._group, error=self.trouble)
                if time.monotonic() - started_s > 30:
                    wait_ms = self._limits.retry_wait_ms
                await wait_at_most(self._stopping, wait_ms / 1000)
                wait_ms = min(wait_ms * 2, self._limits.retry_wait_ms_max)

    def stop(self) -> None:
        """Finish the batches in hand and give the partitions up; `run` then returns."""
        self._stopping.set()

    async def _session(self) -> None:
        limits = self._limits
        consumer = AIOKafkaConsumer(
            **kafka_options(self._settings),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=limits.session_timeout_ms,
            heartbeat_interval_ms=limits.heartbeat_ms,
            rebalance_timeout_ms=limits.rebalance_timeout_ms,
            max_poll_interval_ms=max(300_000, limits.rebalance_timeout_ms),
            max_partition_fetch_bytes=limits.fetch_partition_bytes_max,
            fetch_max_wait_ms=limits.fetch_wait_ms,
        )
        # Offsets are asked for on connections of their own: on the consumer's they would wait behind its long polls.
        asker = AIOKafkaConsumer(**kafka_options(self._settings), group_id=None)
        self._assignment = None
        self._assigned.clear()
        self._claim_wanted.clear()
        tasks: list[asyncio.Task[object]] = []
        try:
            await consumer.start()
            await asker.start()
            self._consumer, self._asker = consumer, asker
            await check_broker(self._settings, self._engine, self._group, self._topics)
            consumer.subscribe(self._topics, listener=Listener(self._release, self._claim_wanted.set))
            lanes = [self._lane(i) for i in range(limits.lanes)]
            work = [self._claims(), self._report_positions(), self._stopping.wait(), *lanes]
            tasks = [asyncio.create_task(each) for each in work]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._release()
            for task in tasks:
                task.cancel()
            await wait_ended(tasks, limits.close_timeout_ms / 1000)
            self._consumer = self._asker = None
            stops = [asyncio.create_task(each.stop()) for each in (consumer, asker)]
            await wait_ended(stops, limits.close_timeout_ms / 1000)
            for stop in stops:
                stop.result()

    # -- assignment ---------------------------------------------------------------------------------------------

    async def _claims(self) -> None:
        """Claim what the group assigns. Raises TimeoutError where nothing comes: a new session joins it anew."""
        missed = 0
        while True:
            await wait_at_most(self._claim_wanted, self._stuck_s / 2)
            if not self._claim_wanted.is_set():
                missed = 0 if self._assigned.is_set() else missed + 1
                if missed > 2:
                    raise TimeoutError(f"{self._stuck_s:g} s without an assignment")
                continue
            missed = 0
            self._claim_wanted.clear()
            try:
                async with asyncio.timeout(self._stuck_s):
                    await self._claim()
            except (IllegalStateError, Fenced):
                continue  # a further rebalance came in between; its own claim follows

    async def _claim(self) -> None:
        """Turn what the group assigned into an Assignment: raise the epochs, load the positions, seek."""
        assert self._consumer is not None
        consumer = self._consumer
        await self._release()
        # A broker that was wiped while we were connected to it knows no members: it assigns anew.
        await check_broker(self._settings, self._engine, self._group, self._topics)
        held = set(consumer.assignment())
        numbers = whole_numbers(held, self._topics)
        first = await consumer.beginning_offsets(list(held)) if held else {}
        starts = {n: [first[TopicPartition(t, n)] for t in self._topics] for n in numbers}
        async with self._engine.begin() as connection:
            claimed = await stored.claim(
                connection, self._group, self._settings.instance or self._group, starts
            )
        positions = {
            TopicPartition(topic, n): offset
            for n, (_, offsets) in claimed.items()
            for topic, offset in zip(self._topics, offsets, strict=True)
        }
        # Asked only now: until the claim, whoever had the partition went on.
        last = await consumer.end_offsets(list(held)) if held else {}
        check_range(self._group, positions, first, last)
        # A fetch of the last assignment that ended after the seek would take records along that nobody hands over.
        await self._no_fetch.wait()
        for tp, offset in positions.items():
            consumer.seek(tp, offset)
        self._assignment = Assignment({n: epoch for n, (epoch, _) in claimed.items()}, positions)
        self._assignment.quiet.set()
        self._handler.assigned(numbers)
        self._assigned.set()
        self.trouble = None
        log.info("partitions assigned", group=self._group, partitions=numbers)

    async def _release(self) -> None:
        """End the present assignment and wait until what is being written is committed or rolled back."""
        assignment = self._assignment
        if assignment is None:
            return
        assignment.ended.set()
        self._assigned.clear()
        await wait_at_most(assignment.quiet, self._limits.rebalance_timeout_ms / 2000)

    # -- work ---------------------------------------------------------------------------------------------------

    def lane_partitions(self, lane: int) -> list[int]:
        """The partition numbers that lane `lane` works on at present, ascending; empty between assignments."""
        if self._assignment is None or self._assignment.ended.is_set():
            return []
        return [n for i, n in enumerate(sorted(self._assignment.epochs)) if i % self._limits.lanes == lane]

    async def wait_assigned(self) -> Assignment:
        """Return the present assignment, waiting for one where there is none."""
        while True:
            await self._assigned.wait()
            if self._assignment is not None and not self._assignment.ended.is_set():
                return self._assignment
            await asyncio.sleep(0)

    @asynccontextmanager
    async def fenced(
        self, partitions: Sequence[int], assignment: Assignment
    ) -> AsyncIterator[tuple[AsyncConnection, dict[int, list[int]]]]:
        """A transaction that may write for `partitions`, and their stored positions; Fenced where they are lost.

        `assignment`: the one under which was read what is about to be written. Partitions that went and came back in
        between are lost too: another worker may have written.
        """
        if assignment.ended.is_set():
            raise Fenced(partitions)
        assignment.writing += 1
        assignment.quiet.clear()
        try:
            async with self._engine.begin() as connection:
                epochs = {n: assignment.epochs[n] for n in partitions}
                yield connection, await stored.lock(connection, self._group, epochs)
        finally:
            assignment.writing -= 1
            if assignment.writing == 0:
                assignment.quiet.set()

    async def _lane(self, lane: int) -> None:
        while True:
            assignment = await self.wait_assigned()
            numbers = self.lane_partitions(lane)
            if not numbers:
                await assignment.ended.wait()
                continue
            tps = [TopicPartition(topic, n) for n in numbers for topic in self._topics]
            self._fetches += 1
            self._no_fetch.clear()
            try:
                fetched = await self._fetch(tps, assignment)
            finally:
                self._fetches -= 1
                if not self._fetches:
                    self._no_fetch.set()
            if not assignment.ended.is_set() and (passed := await self._passed(tps, assignment)):
                await self._deliver(assignment, fetched, passed)

    async def _fetch(self, tps: Sequence[TopicPartition], assignment: Assignment) -> Fetched:
        assert self._consumer is not None
        try:
            try:
                fetched: Fetched = await self._consumer.getmany(
                    *tps, timeout_ms=self._limits.fetch_wait_ms, max_records=self._limits.batch_records_max
                )
            except (NoOffsetForPartitionError, OffsetOutOfRangeError):
                # Either left over from before the seek, or retention has overtaken us: the offsets decide which.
                first = await self._consumer.beginning_offsets(list(tps))
                last = await self._consumer.end_offsets(list(tps))
                check_range(self._group, {tp: assignment.positions[tp] for tp in tps}, first, last)
                for tp in tps:
                    self._consumer.seek(tp, assignment.positions[tp])
                return {}
        except IllegalStateError:
            await asyncio.sleep(0)  # the partitions were revoked while we asked for them
            return {}
        return fetched

    async def _passed(
        self, tps: Sequence[TopicPartition], assignment: Assignment
    ) -> dict[TopicPartition, int]:
        """The next offsets of those of `tps` that were read on, also where only a transaction's end mark was passed.

        Such a mark is no record, but what stands before the end of the log waits for it to be passed.
        """
        assert self._consumer is not None
        try:
            ends = {tp: await self._consumer.position(tp) for tp in tps}
        except IllegalStateError:
            return {}  # the partitions were revoked while we asked
        return {tp: end for tp, end in ends.items() if end > assignment.positions[tp]}

    async def _deliver(
        self, assignment: Assignment, fetched: Fetched, passed: Mapping[TopicPartition, int]
    ) -> None:
        """Hand over what was fetched until it is stored; give it up only when the partitions are lost."""
        wait_ms = self._limits.retry_wait_ms
        while not assignment.ended.is_set():
            try:
                await self._store(assignment, fetched, passed)
            except Fenced:
                await self.lost(assignment)
                return
            except TRANSIENT as error:
                unless_cancelled(error)
                self.trouble = f"{type(error).__name__}: {error}"
                log.warning("batch is tried again", group=self._group, error=self.trouble)
                await wait_at_most(assignment.ended, wait_ms / 1000)
                wait_ms = min(wait_ms * 2, self._limits.retry_wait_ms_max)
            else:
                self.trouble = None
                return

    async def _store(
        self, assignment: Assignment, fetched: Fetched, passed: Mapping[TopicPartition, int]
    ) -> None:
        numbers = sorted({tp.partition for tp in passed})
        column = {topic: i for i, topic in enumerate(self._topics)}
        async with self.fenced(numbers, assignment) as (connection, positions):
            fresh: list[Record] = []
            for tp in sorted(passed):
                # An attempt whose commit was not answered may have succeeded: the stored position knows.
                known = positions[tp.partition][column[tp.topic]]
                group = fetched.get(tp)
                if group:
                    fresh += group if group[0].offset >= known else [r for r in group if r.offset >= known]
                positions[tp.partition][column[tp.topic]] = max(known, passed[tp])
            if fresh:
                await self._handler.handle(connection, fresh)
            await stored.advance(connection, self._group, positions)
        for number, offsets in positions.items():
            for topic, offset in zip(self._topics, offsets, strict=True):
                assignment.positions[TopicPartition(topic, number)] = offset
        self._handler.committed(numbers)

    async def lost(self, assignment: Assignment) -> None:
        """Give up an assignment whose epoch another worker has raised.

        That worker may itself have been too late. Where the group still counts this one as the owner, which only the
        broker can say, the partitions are claimed once more; otherwise the next rebalance brings an assignment.
        """
        if assignment.ended.is_set():
            return
        log.warning("partitions lost", group=self._group)
        assignment.ended.set()
        self._assigned.clear()
        self.trouble = "the partitions went to another worker; waiting for the next assignment"
        if self._consumer is None:
            return
        try:
            await self._consumer.commit(dict(assignment.positions))
        except (CommitFailedError, IllegalStateError):
            return
        except TRANSIENT as error:
            unless_cancelled(error)
            # Claiming asks the broker too, and begins a new session where it does not answer.
            log.warning("ownership unknown", group=self._group, error=str(error))
        self._claim_wanted.set()

    # -- what others ask ----------------------------------------------------------------------------------------

    async def high_watermarks(self, partitions: Sequence[int]) -> dict[TopicPartition, int]:
        """The ends of all topics' logs for `partitions`, asked of the broker now."""
        if self._asker is None:
            raise Fenced(partitions)
        return dict(
            await self._asker.end_offsets([TopicPartition(t, n) for n in partitions for t in self._topics])
        )

    def has_passed(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether everything before `ends` is stored; False where a partition is not ours."""
        positions = self._assignment.positions if self._assignment else {}
        return all(positions.get(tp, -1) >= end for tp, end in ends.items())

    def lag(self) -> dict[TopicPartition, int]:
        """Records behind the last known end, for each partition held."""
        if self._assignment is None or self._consumer is None:
            return {}
        positions = self._assignment.positions
        ends = {tp: self._consumer.highwater(tp) for tp in positions if tp in self._consumer.assignment()}
        return {tp: max(0, end - positions[tp]) for tp, end in ends.items() if end is not None}

    async def _report_positions(self) -> None:
        """Tell Kafka the positions now and then, for lag tools only; nothing is ever read back."""
        while True:
            await asyncio.sleep(self._limits.commit_interval_ms / 1000)
            assignment = self._assignment
            # With more copies than partitions there may be nothing to tell.
            if not (assignment and assignment.positions and self._consumer) or assignment.ended.is_set():
                continue
            with contextlib.suppress(KafkaError, IllegalStateError):
                await self._consumer.commit(dict(assignment.positions))
