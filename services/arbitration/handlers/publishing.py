"""The records that a decision publishes, by the partition of their waybill: verdict versions and changed duties."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from asyncpg import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from services.arbitration.judging import SOURCE, Judgement
from services.arbitration.store import duties
from services.arbitration.store.duties import Published
from shared.bus.outbox import enqueue
from shared.events.duties import DutiesData
from shared.events.outputs import OutputEvent
from shared.ids import stable_id

VERDICTS: Final = "arbitration.verdicts"
DUTIES: Final = "arbitration.duties"

_encoder = msgspec.json.Encoder()
Keyed = tuple[int, str, bytes]
"""Partition, subject and value of a record."""


async def publish_verdicts(connection: AsyncConnection, outcomes: Sequence[Judgement]) -> None:
    """Publish the versions that were issued."""
    await _publish(
        connection,
        VERDICTS,
        [(o.partition, o.subject, o.issued.record) for o in outcomes if o.issued is not None],
    )


async def publish_duties(
    connection: AsyncConnection,
    driver: Connection,
    outcomes: Sequence[Judgement],
    last: Mapping[str, Published],
) -> int:
    """Publish the lists of duties that differ from the `last` published ones; returns how many."""
    changed, records = [], []
    for outcome in outcomes:
        before = last.get(outcome.subject)
        if outcome.outlook is None or not (before or outcome.outlook.duties):
            continue
        digest = hashlib.sha256(_encoder.encode(outcome.outlook.duties)).digest()
        if before is None or before.digest != digest:
            revision = before.revision + 1 if before is not None else 1
            changed.append(Published(outcome.subject, revision, digest))
            records.append((outcome.partition, outcome.subject, duties_record(outcome, revision)))
    await duties.keep(driver, changed)
    await _publish(connection, DUTIES, records)
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
        type="duties.changed",
        subject=outcome.subject,
        time=looked.now,
        data=msgspec.Raw(_encoder.encode(data)),
    )
    return _encoder.encode(event)


async def _publish(connection: AsyncConnection, topic: str, records: Iterable[Keyed]) -> None:
    by_partition: dict[int, list[tuple[bytes | None, bytes | None]]] = {}
    for partition, subject, value in records:
        by_partition.setdefault(partition, []).append((subject.encode(), value))
    for partition, keyed in by_partition.items():
        await enqueue(connection, topic, partition, keyed)
