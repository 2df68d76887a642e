"""What a consumer could not take: kept readable in the service's database and published, bytes unchanged.

Nothing is dropped silently. A publisher with bad records stops nobody; but when everything fails, whoever sent it, the
fault is rather here (a bad deployment), and the consumer stops before it drains a topic into the dead letters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import metrics
from shared.bus.outbox import enqueue
from shared.bus.records import Record
from shared.bus.tables import dead_letters
from shared.errors import StoppedConsumer
from shared.ids import stable_id

_SOURCE = re.compile(rb'"source"\s*:\s*"([^"]{1,80})"')

_lettered = metrics.counter(
    "dead_letters", "Records that could not be taken.", "records", ["topic", "reason"]
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that is not taken. `reason` is a short fixed word, `detail` a sentence, `errors` point at members."""

    record: Record
    reason: str
    detail: str
    errors: Sequence[dict[str, Any]] = ()


def dead_letter_id(record: Record) -> UUID:
    """The id of the dead letter that stands for this record of this topic."""
    return stable_id("dead-letter", record.topic, record.partition, record.offset)


async def record_dead_letters(
    connection: AsyncConnection, letters: Sequence[DeadLetter], at: datetime
) -> None:
    """Keep `letters` and publish them on `<topic>.dlq`, once each however often they are consumed."""
    if not letters:
        return
    rows = [
        {
            "id": dead_letter_id(letter.record),
            "topic": letter.record.topic,
            "partition": letter.record.partition,
            "offset": letter.record.offset,
            "key": letter.record.key,
            "value": letter.record.value,
            "reason": letter.reason,
            "detail": letter.detail,
            "errors": list(letter.errors),
            "at": at,
        }
        for letter in letters
    ]
    kept = await connection.execute(
        insert(dead_letters).on_conflict_do_nothing().returning(dead_letters.c.id), rows
    )
    fresh = set(kept.scalars())
    for letter in letters:
        if dead_letter_id(letter.record) in fresh:
            await _publish(connection, letter, at)


async def _publish(connection: AsyncConnection, letter: DeadLetter, at: datetime) -> None:
    record = letter.record
    headers = [
        ("faultline-topic", record.topic.encode()),
        ("faultline-partition", str(record.partition).encode()),
        ("faultline-offset", str(record.offset).encode()),
        ("faultline-reason", letter.reason.encode()),
        ("faultline-detail", letter.detail.encode()[:1024]),
        ("faultline-at", at.isoformat().encode()),
    ]
    await enqueue(connection, f"{record.topic}.dlq", None, [(record.key, record.value)], headers)
    _lettered.labels(record.topic, letter.reason).inc()


def source_of(record: Record) -> str:
    """Who seems to have sent a record that cannot be decoded: its source member. What names none counts as one sender's."""
    found = _SOURCE.search(record.value or b"")
    return found.group(1).decode(errors="replace") if found else "somebody unnamed"


class Fuse:
    """Stops a consumer when records fail in a row whoever sent them.

    A source counts for no more than its share, `failures_in_a_row_max / sources_min`: one that sends nothing but bad
    records stops nobody, also where others have sent some.
    """

    def __init__(self, *, failures_in_a_row_max: int = 200, sources_min: int = 3) -> None:
        self._failures_max = failures_in_a_row_max
        self._share_max = -(-failures_in_a_row_max // sources_min)
        self._failures: Counter[str] = Counter()
        self._counted: dict[tuple[str, int], int] = {}

    def good(self) -> None:
        """A record was taken: whatever failed before was its sender's fault."""
        self._failures.clear()

    def bad(self, source: str, record: Record) -> None:
        """A record was not taken. Raises StoppedConsumer when too many failed in a row, from several sources.

        A record counts once, however often its batch is rolled back and tried again.
        """
        place = (record.topic, record.partition)
        if record.offset <= self._counted.get(place, -1):
            return
        self._counted[place] = record.offset
        if self._failures[source] >= self._share_max:
            return
        self._failures[source] += 1
        if self._failures.total() >= self._failures_max:
            senders = ", ".join(sorted(self._failures)[:3])
            raise StoppedConsumer(
                f"{self._failures_max} records in a row, from {senders} and others, could not be taken; the last batch "
                "was rolled back.",
                cause="this version cannot read what the publishers send (a bad deployment here or there).",
                remedy="roll the deployment back or forward and start the service again; nothing was skipped.",
            )
