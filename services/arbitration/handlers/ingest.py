"""Taking events in: check, append to the journal, note when the waybill is to be looked at. Batch work throughout."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.arbitration.settings import ArbitrationSettings
from services.arbitration.store import journal, reviews
from services.arbitration.watch import AT_ONCE, STAYS, WHEN_QUIET, Watch, Wish
from shared import metrics
from shared.bus.dead_letters import DeadLetter, Fuse, record_dead_letters, source_of
from shared.bus.partitioner import partition_of
from shared.bus.records import Record
from shared.clock import Clock
from shared.events import (
    AHEAD_MAX,
    TOPIC_OF_CLASS,
    Event,
    EventRefused,
    FieldError,
    ScanArrived,
    ScanCollected,
    check_time,
    decode_many,
)

_DECODE_SLICE = 1_000
"""Events decoded before the event loop gets a turn: heartbeats share it."""

_CATCH_UP = timedelta(minutes=5)
"""How long the rest of a parcel's story may take to come in after its collection, where all of it comes in late."""

_topic_of: Callable[[type], str | None] = TOPIC_OF_CLASS.get

_journalled = metrics.counter("journalled", "Events appended to the journal.", "events")


class Ingest:
    """The batch handler of the three input topics."""

    def __init__(
        self,
        settings: ArbitrationSettings,
        engine: AsyncEngine,
        clock: Clock,
        watch: Watch,
        on_commit: Callable[[Sequence[int], bool], None],
    ) -> None:
        """`on_commit` is told which partitions were stored, and whether a look was asked for at once."""
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._watch = watch
        self._on_commit = on_commit
        self._fuse = Fuse(failures_in_a_row_max=settings.failures_in_a_row_max)
        self._unsettled: set[int] = set()
        self._pressing: set[int] = set()
        self._months: set[date] = set()

    async def handle(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Journal what is good, dead-letter what is not, insert the reviews that the events ask for."""
        now = self._clock.now()
        month = await self._month(now)
        partitions = {record.partition for record in records}
        if not self._unsettled.isdisjoint(partitions):
            # An earlier attempt was rolled back after the watch had seen these events.
            for record in records:
                self._watch.forget(record.partition, (record.key or b"").decode(errors="replace"))
        self._unsettled |= partitions

        batch = _Batch(now, month, self._settings, self._clock, self._watch)
        for start in range(0, len(records), _DECODE_SLICE):
            batch.take(records[start : start + _DECODE_SLICE])
            await asyncio.sleep(0)
        self._judge_failures(records, batch)
        await record_dead_letters(connection, batch.letters, now)
        driver = await journal.driver(connection)
        await journal.append(driver, batch.journal_rows())
        await reviews.insert(driver, batch.review_rows())
        # What was collected asked for no more than its first term, as if nothing had come before it. A case may have been
        # forgotten, as after a restart.
        known = bool(batch.collected) and await reviews.insert_of_cases(driver, batch.collected, now)
        if known or batch.is_pressing():
            self._pressing |= partitions
        _journalled.inc(len(records) - len(batch.letters))

    def in_flight(self, partitions: Iterable[int]) -> bool:
        """Whether the watch has seen events of these partitions that are not stored yet."""
        return not self._unsettled.isdisjoint(partitions)

    def committed(self, partitions: Sequence[int]) -> None:
        """The batch of these partitions is stored."""
        self._unsettled.difference_update(partitions)
        pressing = not self._pressing.isdisjoint(partitions)
        self._pressing.difference_update(partitions)
        self._on_commit(partitions, pressing)

    def assigned(self, partitions: Sequence[int]) -> None:
        """Other workers may have seen events in between: what is remembered may be stale."""
        self._watch.clear()
        self._unsettled.clear()

    async def _month(self, now: datetime) -> date:
        month = date(now.year, now.month, 1)
        if month not in self._months:
            wanted = [month, journal.next_month(month)]
            await journal.ensure_months(self._engine, wanted)
            self._months.update(wanted[:1])
        return month

    def _judge_failures(self, records: Sequence[Record], batch: _Batch) -> None:
        if not batch.letters:
            self._fuse.good()
            return
        bad = {id(letter.record) for letter in batch.letters}
        for record in records:
            if id(record) in bad:
                self._fuse.bad(source_of(record), record)
            else:
                self._fuse.good()


class _Batch:
    """What a batch of records comes to."""

    def __init__(
        self, now: datetime, month: date, settings: ArbitrationSettings, clock: Clock, watch: Watch
    ) -> None:
        self.letters: list[DeadLetter] = []
        self._now = now
        self._month = month
        self._settings = settings
        self._clock = clock
        self._watch = watch
        self._stamped: dict[str, bytes] = {}
        self._unstamped: list[tuple[str, datetime, bytes]] = []
        self._wishes: dict[str, tuple[int, Wish]] = {}
        self._stays: dict[str, tuple[int, ScanArrived]] = {}
        self.collected: list[str] = []
        """Waybills that were collected and of which nothing else is remembered."""

    def take(self, records: Sequence[Record]) -> None:
        """Sort records into journal rows, wishes and dead letters."""
        values = [record.value or b"" for record in records]
        events = decode_many(values, [record.key or b"" for record in records])
        latest = self._now + AHEAD_MAX
        stamped, see = self._stamped, self._watch.see
        known = {number: self._watch.places(number) for number in {record.partition for record in records}}
        for record, event, value in zip(records, events, values, strict=True):
            if isinstance(event, EventRefused):
                self._refuse(record, "contract", event.errors)
                continue
            subject = event.subject
            recorded = event.recordedtime
            places = known[record.partition]
            place = places.get(subject)
            if (
                event.time > latest
                or _topic_of(event.__class__) != record.topic
                or (recorded is not None and recorded > latest)
                or (place is None and self._partition(record) != record.partition)
            ):
                self._refuse(record, *self._misfit(record, event))
                continue
            if recorded is None:
                self._unstamped.append((subject, self._clock.of_real_ms(record.timestamp), value))
            else:
                before = stamped.get(subject)
                stamped[subject] = value if before is None else b"%b,%b" % (before, value)
            wish = see(event, place, places, self._now)
            if place is None and event.__class__ is ScanCollected:
                self.collected.append(subject)
                wish = self._before_silence(wish, recorded)
            if wish is STAYS and isinstance(event, ScanArrived):
                self._stays[subject] = (record.partition, event)
            elif wish is not None:
                self._wish(subject, record.partition, wish)

    def _before_silence(self, wish: Wish, recorded: datetime | None) -> Wish:
        """A parcel of which nothing else is heard is looked at when it has been silent for long, if not before.

        What comes in late mostly comes with all that followed.
        """
        silent_at = (recorded or self._now) + timedelta(hours=self._settings.silence_look_hours)
        look_at = max(silent_at, self._now + _CATCH_UP)
        return look_at if wish is None or (isinstance(wish, datetime) and look_at < wish) else wish

    def _misfit(self, record: Record, event: Event) -> tuple[str, list[FieldError]]:
        """Why an event that is right in itself cannot be taken from here: its time, its topic or its partition."""
        if error := check_time(event, self._now):
            return "future", [error]
        topic = TOPIC_OF_CLASS[type(event)]
        if topic != record.topic:
            return "wrong_topic", [FieldError("/type", f"{event.type} belongs on {topic}")]
        wrong = f"belongs to partition {self._partition(record)}, not {record.partition}"
        return "wrong_partition", [FieldError("/subject", f"{wrong}: publish with the murmur2 partitioner")]

    def _partition(self, record: Record) -> int:
        return partition_of(record.key or b"", self._settings.partitions)

    def _wish(self, subject: str, partition: int, wish: Wish) -> None:
        """Keep the most pressing wish of a waybill: every decision plans the next review itself."""
        known = self._wishes.get(subject)
        if known is None or _pressing(wish, known[1]):
            self._wishes[subject] = (partition, wish)

    def _refuse(self, record: Record, reason: str, errors: Sequence[FieldError]) -> None:
        detail = "; ".join(f"{error.pointer or '/'} {error.message}" for error in errors)
        self.letters.append(
            DeadLetter(record, reason, detail, [msgspec.to_builtins(error) for error in errors])
        )

    def journal_rows(self) -> list[journal.JournalRow]:
        """One row for each waybill, and one for each event that does not say when it was recorded."""
        month = self._month
        rows: list[journal.JournalRow] = [
            (month, subject, None, joined) for subject, joined in self._stamped.items()
        ]
        rows += [(month, subject, broker_at, value) for subject, broker_at, value in self._unstamped]
        return rows

    def is_pressing(self) -> bool:
        """Whether a look is asked for at once."""
        return any(wish == AT_ONCE for _, wish in self._wishes.values())

    def review_rows(self) -> list[reviews.ReviewRow]:
        """A row for each waybill that asked for something, and for each parcel that may stay for too long."""
        now = self._now
        quiet_at = now + timedelta(milliseconds=self._settings.settle_ms)
        rows: list[reviews.ReviewRow] = []
        for subject, (partition, wish) in self._wishes.items():
            if wish == WHEN_QUIET:
                rows.append((partition, reviews.QUIET, quiet_at, now, subject))
            elif wish == AT_ONCE:
                rows.append((partition, reviews.AT_ONCE, now, now, subject))
            elif isinstance(wish, datetime):
                rows.append((partition, reviews.TIMED, wish, now, subject))
        for subject, (partition, event) in self._stays.items():
            stay = self._watch.stay(partition, event)
            _, wish = self._wishes.get(subject, (partition, None))
            if stay is None or stay.until <= now or (wish is not None and not isinstance(wish, datetime)):
                continue
            look_at = max(stay.at, quiet_at)
            if wish is None or look_at < wish:
                # A look that comes before plans this one.
                rows.append((partition, reviews.WINDOW, look_at, now, subject))
        return rows


def _pressing(wish: Wish, known: Wish) -> bool:
    """Whether `wish` is to be fulfilled before `known`."""
    if isinstance(known, datetime):
        return not isinstance(wish, datetime) or wish < known
    return wish == AT_ONCE and known == WHEN_QUIET
