"""From a request's bytes to the broker: decode, judge, deduplicate, stamp, publish, and say what became of each event."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError

from services.intake import domain
from services.intake.domain import Caller, IdWindow, Recorded, Refusal, Stamp
from services.intake.settings import IntakeSettings
from shared import log, metrics
from shared.bus.producer import EVENT_HEADERS, OutRecord, Producer
from shared.clock import Clock
from shared.events import EVENT_BYTES_MAX, TOPIC_OF_CLASS, Event, EventRefused, FieldError, decode_many

_accepted = metrics.counter("intake_events_accepted", "Events that the broker has acknowledged.", "events")
_duplicates = metrics.counter("intake_events_duplicate", "Copies recognised among recent ids.", "events")
_refused = metrics.counter(
    "intake_events_refused", "Events refused, by the status of their item.", "events", ("status",)
)
_unacknowledged = metrics.counter(
    "intake_events_unacknowledged",
    "Events answered 503: the broker did not acknowledge them in time.",
    "events",
)
_publish_s = metrics.histogram(
    "intake_publish_seconds",
    "Time from handing a chunk of events to the broker to its acknowledgement.",
    "seconds",
)
_window_ids = metrics.gauge("intake_window_ids", "Recent ids whose copies are recognised.", "count")

Ticket = asyncio.Future[bool]
"""Stands for the events that one chunk claims: True once the broker has them, False where it has not."""


class BrokerAway(Exception):
    """The broker did not acknowledge in time. What was sent may be stored or not: the same ids can be sent again."""


@dataclass
class Tally:
    """What became of a request's events so far."""

    accepted: int = 0
    duplicates: int = 0
    refused: list[Refusal] = field(default_factory=list)
    refused_omitted: int = 0
    """Refused events beyond those that one answer lists."""

    @property
    def refused_count(self) -> int:
        """All refused events, listed or not."""
        return len(self.refused) + self.refused_omitted


@dataclass
class _Chunk:
    """One chunk, judged: what to publish, and what depends on other chunks."""

    ticket: Ticket
    records: list[OutRecord] = field(default_factory=list)
    claimed: list[tuple[str, Recorded]] = field(default_factory=list)
    duplicates: int = 0
    refused: list[Refusal] = field(default_factory=list)
    waiting: list[tuple[Ticket, Refusal | None]] = field(default_factory=list)
    """Copies (None) and conflicts (the refusal) of events that another chunk has on its way."""


class Intake:
    """Takes events in for all requests of this process; the id window is common to them."""

    def __init__(self, producer: Producer, clock: Clock, settings: IntakeSettings) -> None:
        self.settings = settings
        self._producer = producer
        self._clock = clock
        self._window: IdWindow[Ticket] = IdWindow(settings.id_window_size)
        _window_ids.set_function(lambda: len(self._window))

    def submission(self, caller: Caller) -> Submission:
        """A request's events, to be fed chunk by chunk."""
        return Submission(self, caller, self.settings)

    async def take(self, values: Sequence[bytes], first_index: int, caller: Caller, tally: Tally) -> None:
        """Take one chunk in and add to `tally` what became of it. Raises BrokerAway."""
        chunk = _Chunk(asyncio.get_running_loop().create_future())
        taken = False
        try:
            self._judge(chunk, values, first_index, caller)
            await self._publish(chunk.records)
            taken = True
        except BrokerAway:
            _unacknowledged.inc(len(chunk.records))
            raise
        finally:
            # Only what the broker has acknowledged becomes known: else a copy sent again would be lost as a duplicate.
            if taken:
                self._window.settle(chunk.claimed, chunk.ticket)
            else:
                self._window.release((key for key, _ in chunk.claimed), chunk.ticket)
            chunk.ticket.set_result(taken)
        await _settle_waiting(chunk)
        _add(tally, chunk)

    def _judge(self, chunk: _Chunk, values: Sequence[bytes], first_index: int, caller: Caller) -> None:
        now = self._clock.now()
        stamp = Stamp(now)
        for index, (value, event) in enumerate(zip(values, decode_many(values), strict=True), first_index):
            if isinstance(event, EventRefused):
                chunk.refused.append(_malformed(index, value, event))
            elif len(value) > EVENT_BYTES_MAX:
                chunk.refused.append(_too_large(index, value))
            elif (wrong := domain.refuse(event, caller, now)) is not None:
                chunk.refused.append(Refusal(index, event.id, *wrong))
            else:
                self._claim(chunk, index, value, event, domain.recorded(event, value, now), stamp, caller)

    def _claim(
        self,
        chunk: _Chunk,
        index: int,
        value: bytes,
        event: Event,
        recorded: Recorded,
        stamp: Stamp,
        caller: Caller,
    ) -> None:
        key = domain.window_key(event)
        claim = self._window.claim(key, recorded, chunk.ticket, backfill=caller.may_backfill)
        if claim.kind is domain.NEW:
            chunk.claimed.append((key, recorded))
            body = value if event.recordedtime is not None else stamp.on(value)
            chunk.records.append(
                OutRecord(TOPIC_OF_CLASS[type(event)], event.subject.encode(), body, headers=EVENT_HEADERS)
            )
            return
        conflict = _conflict(index, event.id) if claim.kind is domain.CONFLICT else None
        if claim.ticket is not None and claim.ticket is not chunk.ticket:
            chunk.waiting.append((claim.ticket, conflict))
        elif conflict is not None:
            chunk.refused.append(conflict)
        else:
            chunk.duplicates += 1

    async def _publish(self, records: Sequence[OutRecord]) -> None:
        if not records:
            return
        began_s = time.perf_counter()
        try:
            async with asyncio.timeout(self.settings.delivery_timeout_ms / 1000):
                await self._producer.send_all(records)
        except (KafkaError, OSError, TimeoutError) as error:
            log.get(__name__).warning("broker_away", error=repr(error), events=len(records))
            raise BrokerAway from error
        _publish_s.observe(time.perf_counter() - began_s)


async def _settle_waiting(chunk: _Chunk) -> None:
    """Copies get the outcome of the first of their id. Raises BrokerAway where that was not taken."""
    for ticket, conflict in chunk.waiting:
        if not await asyncio.shield(ticket):
            _unacknowledged.inc()
            raise BrokerAway
        if conflict is None:
            chunk.duplicates += 1
        else:
            chunk.refused.append(conflict)


def _add(tally: Tally, chunk: _Chunk) -> None:
    tally.accepted += len(chunk.records)
    tally.duplicates += chunk.duplicates
    tally.refused += chunk.refused
    _accepted.inc(len(chunk.records))
    _duplicates.inc(chunk.duplicates)
    for refusal in chunk.refused:
        _refused.labels(str(refusal.status)).inc()


class Submission:
    """One request's events. Chunks are published while later ones are read, a bounded number at a time."""

    def __init__(self, intake: Intake, caller: Caller, settings: IntakeSettings) -> None:
        self._intake = intake
        self._caller = caller
        self._listed_max = settings.refused_listed_max
        self._in_flight_max = settings.chunks_in_flight_max
        self._tasks: set[asyncio.Task[None]] = set()
        self._tally = Tally()
        self._fed = 0

    async def feed(self, values: Sequence[bytes], done: Callable[[], None] | None = None) -> None:
        """Begin to take `values` in, the request's next events, and call `done` when that has ended.

        Raises BrokerAway for an earlier chunk's sake.
        """
        task = asyncio.create_task(self._intake.take(values, self._fed, self._caller, self._tally))
        self._fed += len(values)
        self._tasks.add(task)
        if done is not None:
            task.add_done_callback(lambda _: done())
        if len(self._tasks) >= self._in_flight_max:
            await self._wait(asyncio.FIRST_COMPLETED)
        self._bound_refused()

    def skip(self) -> None:
        """Count an event that was too large to be kept, as refused."""
        error = FieldError("", f"is longer than an event may be: at most {EVENT_BYTES_MAX} bytes")
        _refused.labels(str(domain.STATUS_TOO_LARGE)).inc()
        self._tally.refused.append(Refusal(self._fed, None, domain.STATUS_TOO_LARGE, [error]))
        self._fed += 1

    @property
    def fed(self) -> int:
        """The number of events so far."""
        return self._fed

    async def finish(self) -> Tally:
        """Wait for the broker and say what became of all. Raises BrokerAway: the request is to be sent again."""
        await self._wait(asyncio.ALL_COMPLETED)
        self._tally.refused.sort(key=lambda refusal: refusal.index)
        self._bound_refused()
        return self._tally

    async def abandon(self) -> None:
        """Wait for what is on its way, whatever becomes of it: for a request that cannot be answered."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait(self, until: str) -> None:
        if not self._tasks:
            return
        done, self._tasks = await asyncio.wait(self._tasks, return_when=until)
        failed = [error for task in done if (error := task.exception()) is not None]
        if failed:
            raise failed[0]

    def _bound_refused(self) -> None:
        excess = len(self._tally.refused) - self._listed_max
        if excess > 0:
            del self._tally.refused[self._listed_max :]
            self._tally.refused_omitted += excess


def _malformed(index: int, value: bytes, refused: EventRefused) -> Refusal:
    status = domain.STATUS_TOO_LARGE if len(value) > EVENT_BYTES_MAX else domain.STATUS_INVALID
    return Refusal(index, _readable_id(value), status, refused.errors)


def _too_large(index: int, value: bytes) -> Refusal:
    error = FieldError("", f"is {len(value)} bytes long; an event has at most {EVENT_BYTES_MAX}")
    return Refusal(index, _readable_id(value), domain.STATUS_TOO_LARGE, [error])


def _conflict(index: int, event_id: str) -> Refusal:
    message = (
        "This id was recorded before with other content: the first recorded wins. Give a new event a new id"
    )
    return Refusal(index, event_id, domain.STATUS_CONFLICT, [FieldError("/id", message)])


def _readable_id(value: bytes) -> str | None:
    """The id of something that is no event, where it has a printable one."""
    try:
        members = json.loads(value)
    except (ValueError, RecursionError):
        return None
    event_id = members.get("id") if isinstance(members, dict) else None
    if isinstance(event_id, str) and len(event_id) <= 64 and event_id.isprintable():
        return event_id
    return None
