"""From records of `arbitration.verdicts` to entries, in the transaction that also stores the positions.

Records are worked through one by one in the topic's order, whatever the batches were, so that a replay from the
beginning books the same entries. Only reading and writing is done for a batch at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.penalties import store
from services.penalties.chain import Chains
from services.penalties.domain import difference, faults, month_of, open_period
from services.penalties.store import Book, Booking, Close, Key
from shared import log, metrics
from shared.bus.dead_letters import DeadLetter, Fuse, record_dead_letters
from shared.bus.outbox import Outgoing, enqueue_all
from shared.bus.records import Record
from shared.bus.waking import Waking
from shared.clock import Clock
from shared.events.outputs import Entry, OutputEvent, VerdictData, decode_verdict
from shared.ids import stable_id

VERDICTS_TOPIC = "arbitration.verdicts"
POSTINGS_TOPIC = "penalties.postings"
VERDICT_TYPE = "verdict.issued"
POSTING_TYPE = "posting.booked"
SOURCE = "/services/penalties"
_SLICE_VERDICTS = 500

_logger = log.get(__name__)
_verdicts = metrics.counter(
    "ledger_verdicts",
    "Verdicts worked through: booked, unchanged (no money moved), superseded (a newer version is "
    "booked), repeated, conflict.",
    "verdicts",
    ["outcome"],
)
_entries = metrics.counter("ledger_entries", "Entries booked.", "entries", ["kind"])
_conflicts = metrics.counter(
    "ledger_digest_conflicts",
    "ALARM: a version arrived twice with different findings; the first stands, the other is a dead letter.",
    "verdicts",
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A record that is a verdict fit for the ledger."""

    record: Record
    verdict: VerdictData

    @property
    def key(self) -> Key:
        """The waybill."""
        return self.verdict.network, self.verdict.waybill


class Unfit(Exception):
    """A record that the ledger cannot take; becomes a dead letter."""

    def __init__(self, reason: str, detail: str, errors: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.errors = [{"pointer": pointer, "message": message} for pointer, message in errors]


class VerdictHandler:
    """Books verdicts (`shared.bus.runner.BatchHandler`)."""

    def __init__(self, clock: Clock, wake: Callable[[], None], fuse: Fuse | None = None) -> None:
        """`wake` is called when postings may have been stored; `fuse` stops a bad deployment."""
        self._clock = clock
        self._waking = Waking(wake)
        self._fuse = fuse or Fuse()

    async def handle(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Book what `records` ask for and queue the postings. Raises StoppedConsumer where nothing can be read."""
        taken, letters = await self._read(records)
        newest: dict[Key, int] = {}
        for one in taken:
            newest[one.key] = max(one.verdict.version, newest.get(one.key, 0))
        closes = await store.closes(connection)
        heads = await store.heads(
            connection, {network for network, _ in newest}, {record.partition for record in records}
        )
        batch = Batch(await store.load(connection, newest), closes, Chains(heads))
        for number, one in enumerate(taken, 1):
            if batch.work(one) == "conflict":
                letters.append(_conflict(one, batch.books[one.key]))
            await _breathe(number)
        await store.save(connection, batch.changed, batch.bookings, batch.chains.changed)
        await _queue(connection, batch.bookings)
        await record_dead_letters(connection, letters, self._clock.now())
        if batch.bookings or letters:
            self._waking.stored(records)
        batch.count()

    def committed(self, partitions: Sequence[int]) -> None:
        """Postings may be there to be published."""
        self._waking.committed(partitions)

    def assigned(self, partitions: Sequence[int]) -> None:
        """Nothing is kept between batches, so nothing can be stale."""

    async def _read(self, records: Sequence[Record]) -> tuple[list[Taken], list[DeadLetter]]:
        taken: list[Taken] = []
        letters: list[DeadLetter] = []
        for number, record in enumerate(records, 1):
            await _breathe(number)
            try:
                taken.append(Taken(record, read(record)))
            except Unfit as unfit:
                # Every verdict has one source: what tells a bad deployment from one bad record is the waybill.
                self._fuse.bad((record.key or b"?").decode(errors="replace"), record)
                letters.append(DeadLetter(record, unfit.reason, unfit.detail, unfit.errors))
                _logger.error(
                    "verdict_not_taken",
                    subject=(record.key or b"").decode(errors="replace"),
                    partition=record.partition,
                    offset=record.offset,
                    reason=unfit.reason,
                )
            else:
                self._fuse.good()
        return taken, letters


class Batch:
    """Verdicts being worked through: the books as they become, and what is to be stored of them."""

    def __init__(
        self, books: dict[Key, Book], closes: dict[str, list[Close]], chains: Chains | None = None
    ) -> None:
        self.books = books
        self.chains = chains or Chains()
        self.changed: dict[Key, Book] = {}
        self.bookings: list[Booking] = []
        self._closes = closes
        self._outcomes: dict[str, int] = {}

    def work(self, one: Taken) -> str:
        """Bring the book of a verdict's waybill up to that verdict, and say what that meant (a label of the metric)."""
        outcome = self._work(one)
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
        return outcome

    def _work(self, one: Taken) -> str:
        verdict = one.verdict
        book = self.books.get(one.key)
        if book is None:
            book = self.books[one.key] = Book()
        if verdict.version < book.version:
            return "superseded"
        if verdict.version == book.version:
            return "repeated" if verdict.digest == book.digest else "conflict"
        record = one.record
        closed = {
            close.period
            for close in self._closes.get(verdict.network, ())
            if close.before(record.partition, record.offset)
        }
        fresh = entries_of(verdict, book.entries, closed)
        for entry in fresh:
            sealed = self.chains.sealed(entry, record.partition, book.count, record.offset)
            self.bookings.append(Booking(sealed, book.count, record.partition, record.offset))
            book.entries.append(sealed)
            book.count += 1
        book.version, book.digest = verdict.version, verdict.digest
        self.changed[one.key] = book
        return "booked" if fresh else "unchanged"

    def count(self) -> None:
        """Add this batch to the metrics."""
        for outcome, number in self._outcomes.items():
            _verdicts.labels(outcome).inc(number)
        for booking in self.bookings:
            _entries.labels(booking.entry.kind).inc()


def read(record: Record) -> VerdictData:
    """The verdict that a record carries. Raises Unfit for anything else."""
    try:
        event, verdict = decode_verdict(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unfit("not_a_verdict", f"The record is not a verdict.issued event: {error}") from error
    if event.type != VERDICT_TYPE:
        raise Unfit("unknown_type", "The ledger takes verdict.issued only.")
    subject = f"{verdict.network}/{verdict.waybill}"
    if event.subject != subject or record.key != subject.encode(errors="replace"):
        raise Unfit("wrong_key", "The record's key, the event's subject and the verdict's waybill differ.")
    if found := faults(verdict):
        raise Unfit("unfit_verdict", "The verdict breaks the contract: see errors.", found)
    return verdict


def entries_of(verdict: VerdictData, booked: Sequence[Entry], closed: Collection[str]) -> list[Entry]:
    """The entries that bring a waybill's ledger from `booked` to what `verdict` asks for.

    Their ids follow from what they are about. `closed` are the periods closed before this verdict came.
    """
    posted_at = verdict.decided_at.astimezone(UTC)
    month = month_of(posted_at)
    period = open_period(month, closed)
    fresh = []
    for movement in difference(verdict.findings, booked):
        debit, credit = movement.leg
        sides = (debit.account, debit.site or "", credit.account, credit.site or "")
        entry_id = stable_id(
            "entry",
            *(verdict.network, verdict.waybill, verdict.version, movement.finding_id),
            *(*sides, movement.reverses or ""),
        )
        fresh.append(
            Entry(
                entry_id=str(entry_id),
                kind=movement.kind,
                posted_at=posted_at,
                period=period,
                network=verdict.network,
                waybill=verdict.waybill,
                finding_id=movement.finding_id,
                version=verdict.version,
                rule=movement.rule,
                debit=debit,
                credit=credit,
                amount_fen=movement.amount_fen,
                reverses=movement.reverses,
                clause=movement.clause,
                belongs_to=month if month != period else None,
            )
        )
    return fresh


def posting(entry: Entry) -> tuple[bytes, bytes]:
    """Key and value of the `posting.booked` record of `entry`."""
    subject = f"{entry.network}/{entry.waybill}"
    event = OutputEvent(
        id=entry.entry_id,
        source=SOURCE,
        type=POSTING_TYPE,
        subject=subject,
        time=entry.posted_at,
        data=msgspec.Raw(_encode(entry)),
    )
    return subject.encode(), _encode(event)


async def _breathe(number: int) -> None:
    """Let heartbeats and requests in after every few verdicts: they share this event loop."""
    if number % _SLICE_VERDICTS == 0:
        await asyncio.sleep(0)


async def _queue(connection: AsyncConnection, bookings: Sequence[Booking]) -> None:
    by_partition: dict[int, list[tuple[bytes | None, bytes | None]]] = {}
    for booking in bookings:
        by_partition.setdefault(booking.partition, []).append(posting(booking.entry))
    await enqueue_all(
        connection,
        [Outgoing(POSTINGS_TOPIC, partition, records) for partition, records in by_partition.items()],
    )


def _conflict(one: Taken, book: Book) -> DeadLetter:
    _conflicts.inc()
    verdict = one.verdict
    _logger.error(
        "verdict_digest_conflict",
        subject="/".join(one.key),
        version=verdict.version,
        booked_digest=book.digest,
        digest=verdict.digest,
    )
    detail = (
        f"Version {verdict.version} is booked with findings of digest {book.digest}; this copy has {verdict.digest}. "
        "Likely cause: two arbitration workers decided the same version. The first one stands; compare both with "
        "GET /v1/cases/{network}/{waybill}/versions of arbitration."
    )
    return DeadLetter(one.record, "digest_conflict", detail)


_encode = msgspec.json.Encoder().encode
