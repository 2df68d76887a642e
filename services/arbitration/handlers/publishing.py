"""What is published, by the partition of the waybills: verdict versions, changed duties, and until when these are complete."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from asyncpg import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from services.arbitration.judging import SOURCE, Judgement
from services.arbitration.store import duties
from services.arbitration.store.duties import Published
from shared.bus.outbox import Outgoing, enqueue_all
from shared.events.duties import CHANGED, COMPLETE, ESCALATED, CompleteData, DutiesData, missed_at
from shared.events.outputs import OutputEvent
from shared.ids import stable_id

VERDICTS: Final = "arbitration.verdicts"
DUTIES: Final = "arbitration.duties"

_encoder = msgspec.json.Encoder()
Keyed = tuple[int, str, bytes]
"""Partition, subject and value of a record."""


async def publish(
    connection: AsyncConnection,
    driver: Connection,
    outcomes: Sequence[Judgement],
    last: Mapping[str, Published],
) -> int:
    """Publish the versions that were issued, and the lists of duties that differ from the `last` published ones.

    Returns how many lists.
    """
    verdicts = [(o.partition, o.subject, o.issued.record) for o in outcomes if o.issued is not None]
    changed, records = [], []
    terms: list[tuple[int, datetime]] = []
    for outcome in outcomes:
        before = last.get(outcome.subject)
        if outcome.outlook is None or not (before or outcome.outlook.duties):
            continue
        digest = hashlib.sha256(_encoder.encode(outcome.outlook.duties)).digest()
        if before is None or before.digest != digest:
            revision = before.revision + 1 if before is not None else 1
            changed.append(Published(outcome.subject, revision, digest))
            records.append((outcome.partition, outcome.subject, duties_record(outcome, revision)))
            terms += ((outcome.partition, missed) for missed in _terms(outcome))
    await duties.keep(driver, changed)
    await duties.await_terms(driver, terms)
    await enqueue_all(connection, [*_by_partition(VERDICTS, verdicts), *_by_partition(DUTIES, records)])
    return len(changed)


def duties_record(outcome: Judgement, revision: int) -> bytes:
    """The `duties.changed` of a look."""
    looked, found = outcome.looked, outcome.outlook
    assert looked is not None
    assert found is not None
    network, _, waybill = outcome.subject.partition("/")
    data = DutiesData(
        network=network,
        waybill=waybill,
        revision=revision,
        as_of=looked.now,
        origin=looked.custody.origin_site,
        duties=found.duties,
    )
    event = OutputEvent(
        id=str(stable_id("duties", outcome.subject, revision)),
        source=SOURCE,
        type=CHANGED,
        subject=outcome.subject,
        time=looked.now,
        data=msgspec.Raw(_encoder.encode(data)),
    )
    return _encoder.encode(event)


def _terms(outcome: Judgement) -> Iterator[datetime]:
    assert outcome.looked is not None
    assert outcome.outlook is not None
    for duty in outcome.outlook.duties:
        if duty.kind in ESCALATED and duty.due_at is not None:
            yield missed_at(duty.due_at, outcome.looked.now)


async def publish_completeness(
    connection: AsyncConnection, partitions: Sequence[int], complete_until: datetime
) -> None:
    """Publish that the duties of `partitions` are complete. No list that this is said of may be in the outbox still."""
    records = (complete_record(number, complete_until) for number in partitions)
    await enqueue_all(connection, _by_partition(DUTIES, records))


def complete_record(partition: int, complete_until: datetime) -> Keyed:
    """The `duties.complete` of a partition."""
    subject = f"partition/{partition}"
    event = OutputEvent(
        id=str(stable_id("complete", subject, complete_until.isoformat())),
        source=SOURCE,
        type=COMPLETE,
        subject=subject,
        time=complete_until,
        data=msgspec.Raw(_encoder.encode(CompleteData(partition=partition, complete_until=complete_until))),
    )
    return partition, subject, _encoder.encode(event)


def _by_partition(topic: str, records: Iterable[Keyed]) -> list[Outgoing]:
    found: dict[int, list[tuple[bytes | None, bytes | None]]] = {}
    for partition, subject, value in records:
        found.setdefault(partition, []).append((subject.encode(), value))
    return [Outgoing(topic, partition, keyed) for partition, keyed in found.items()]
