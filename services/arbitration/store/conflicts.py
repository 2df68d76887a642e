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
    for conflict in found:
        topic = topic_of(conflict.type)
        row: dict[str, Any] = {
            "id": stable_id("id-conflict", conflict.subject, conflict.source, conflict.id, conflict.digest),
            "topic": topic,
            "partition": conflict.partition,
            "offset": -1,
            "key": conflict.subject.encode(),
            "value": conflict.value,
            "reason": REASON,
            "detail": f"event {conflict.id} of {conflict.source} was recorded before with other content; the first counts",
            "errors": [{"pointer": "/id", "message": "is taken by an event with other content"}],
            "at": at,
        }
        kept = await connection.execute(
            insert(dead_letters).values(row).on_conflict_do_nothing().returning(dead_letters.c.id)
        )
        if kept.one_or_none() is not None:
            headers = [("faultline-topic", topic.encode()), ("faultline-reason", REASON.encode())]
            headers += [
                ("faultline-detail", row["detail"].encode()),
                ("faultline-at", at.isoformat().encode()),
            ]
            await enqueue(connection, f"{topic}.dlq", None, [(row["key"], conflict.value)], headers)
