"""Copies of events that contradict the one that counts: dead-lettered once each, found only when a stream is read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.bus.outbox import enqueue
from shared.bus.tables import dead_letters
from shared.events import topic_of
from shared.ids import stable_id

REASON = "id_conflict"


class ConflictingCopy(NamedTuple):
    """An event's copy that says something else under the same id, and where it came from."""

    subject: str
    partition: int
    type: str
    source: str
    id: str
    digest: str
    value: bytes


async def record(connection: AsyncConnection, found: Iterable[ConflictingCopy], at: datetime) -> None:
    """Keep and publish copies as dead letters, once each however often their stream is read."""
    rows = {conflict: _row(conflict, at) for conflict in found}
    if not rows:
        return
    kept = await connection.execute(
        insert(dead_letters).on_conflict_do_nothing().returning(dead_letters.c.id), list(rows.values())
    )
    fresh = set(kept.scalars())
    for conflict, row in rows.items():
        if row["id"] in fresh:
            headers = [
                ("faultline-topic", row["topic"].encode()),
                ("faultline-partition", str(row["partition"]).encode()),
                ("faultline-reason", REASON.encode()),
                ("faultline-detail", row["detail"].encode()),
                ("faultline-at", at.isoformat().encode()),
            ]
            await enqueue(connection, f"{row['topic']}.dlq", None, [(row["key"], conflict.value)], headers)


def _row(conflict: ConflictingCopy, at: datetime) -> dict[str, Any]:
    return {
        "id": stable_id("id-conflict", conflict.subject, conflict.source, conflict.id, conflict.digest),
        "topic": topic_of(conflict.type),
        "partition": conflict.partition,
        "offset": -1,
        "key": conflict.subject.encode(),
        "value": conflict.value,
        "reason": REASON,
        "detail": f"event {conflict.id} of {conflict.source} was recorded before with other content; the first counts",
        "errors": [{"pointer": "/id", "message": "is taken by an event with other content"}],
        "at": at,
    }
