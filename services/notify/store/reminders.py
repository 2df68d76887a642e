"""What is to be said later: planned, dropped, and taken when it falls due."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Boolean, DateTime, Integer, LargeBinary, SmallInteger, Text, Uuid, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.sayings import Saying
from services.notify.store.tables import array_of


async def plan(connection: AsyncConnection, sayings: Iterable[Saying]) -> None:
    """Plan what is to be said; what is planned already takes the newer content, what was said stays said."""
    # The last of one id counts: a statement may not meet a row twice.
    planned = {saying.saying_id: saying for saying in sayings}
    if planned:
        await connection.execute(_PLAN, _columns(sorted(planned.items())))


async def drop(connection: AsyncConnection, about: Collection[tuple[str, str]]) -> None:
    """Forget what was planned or said about each (subject, about)."""
    if about:
        subjects, matters = zip(*sorted(about), strict=True)
        await connection.execute(_DROP, {"subject": list(subjects), "about": list(matters)})


async def any_due(connection: AsyncConnection, now: datetime) -> bool:
    """Whether something waits to be said by `now`."""
    return bool((await connection.execute(_ANY_DUE, {"now": now})).scalar())


async def take_single(
    connection: AsyncConnection, ready: Mapping[int, datetime], *, limit: int
) -> list[Saying]:
    """Take away up to `limit` of what fell due by the moment `ready` gives each partition; the most urgent first.

    Escalations are left where the duties of their partition are not known to be complete. What another copy is taking is left to it. Planned again, it names the notice that exists, and makes none.
    """
    rows = await connection.execute(_TAKE_SINGLE, {**_ready(ready), "limit": limit})
    return _decoded(rows.scalars())


async def take_bundles(
    connection: AsyncConnection, ready: Mapping[int, datetime], now: datetime, *, limit: int
) -> list[Saying]:
    """Mark as said all that is due of the bundle that fell due first, up to `limit`; empty where another copy does so.

    One copy at a time: two would tear a bundle in parts. What was said stays until its duty is gone: a bundle's notice
    does not say by its id whom it was about.
    """
    if not (await connection.execute(_LOCK_BUNDLES)).scalar():
        return []
    rows = await connection.execute(_TAKE_BUNDLE, {**_ready(ready), "now": now, "limit": limit})
    return _decoded(rows.scalars())


def _columns(planned: Sequence[tuple[str, Saying]]) -> dict[str, list[Any]]:
    sayings = [saying for _, saying in planned]
    return {
        "reminder_id": [UUID(saying_id) for saying_id, _ in planned],
        "subject": [saying.subject for saying in sayings],
        "about": [saying.about for saying in sayings],
        "remind_at": [saying.at for saying in sayings],
        "urgency": [saying.urgency for saying in sayings],
        "bundle": [saying.bundle for saying in sayings],
        "partition": [saying.partition for saying in sayings],
        "escalation": [saying.escalation for saying in sayings],
        "content": [_encoder.encode(saying) for saying in sayings],
    }


def _ready(ready: Mapping[int, datetime]) -> dict[str, Any]:
    return {"partitions": list(ready), "moments": list(ready.values()), "last": max(ready.values())}


def _decoded(contents: Iterable[bytes]) -> list[Saying]:
    sayings = [_decoder.decode(content) for content in contents]
    return sorted(sayings, key=lambda saying: (saying.urgency, saying.at, saying.saying_id))


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Saying)

_PLANNED = {
    "reminder_id": Uuid,
    "subject": Text,
    "about": Text,
    "remind_at": DateTime(timezone=True),
    "urgency": SmallInteger,
    "bundle": Text,
    "partition": Integer,
    "escalation": Boolean,
    "content": LargeBinary,
}
_PLAN = text(
    f"""INSERT INTO reminders ({", ".join(_PLANNED)})
        SELECT * FROM unnest({", ".join(f":{name}" for name in _PLANNED)})
        ON CONFLICT (reminder_id) DO UPDATE
        SET remind_at = excluded.remind_at, bundle = excluded.bundle, content = excluded.content
        WHERE reminders.said_at IS NULL"""
).bindparams(*(array_of(name, kind) for name, kind in _PLANNED.items()))
_DROP = text(
    """DELETE FROM reminders USING unnest(:subject, :about) AS void (subject, about)
       WHERE reminders.subject = void.subject AND reminders.about = void.about"""
).bindparams(array_of("subject", Text), array_of("about", Text))
_ANY_DUE = text("SELECT EXISTS (SELECT FROM reminders WHERE said_at IS NULL AND remind_at <= :now)")

_FALLEN_DUE = """
    FROM reminders JOIN unnest(:partitions, :moments) AS ready (partition, moment) USING (partition)
    WHERE said_at IS NULL AND remind_at <= :last AND remind_at <= ready.moment AND (NOT escalation OR remind_at <= (
        SELECT complete_until FROM duties_complete WHERE duties_complete.partition = reminders.partition))"""
_READY_PARAMETERS = (array_of("partitions", Integer), array_of("moments", DateTime(timezone=True)))
_TAKE_SINGLE = text(
    f"""DELETE FROM reminders WHERE reminder_id IN (
            SELECT reminder_id {_FALLEN_DUE} AND bundle IS NULL
            ORDER BY urgency, remind_at LIMIT :limit FOR UPDATE OF reminders SKIP LOCKED)
        RETURNING content"""
).bindparams(*_READY_PARAMETERS)
_LOCK_BUNDLES = text("SELECT pg_try_advisory_xact_lock(hashtextextended('notify bundles', 0))")
_TAKE_BUNDLE = text(
    f"""UPDATE reminders SET said_at = :now WHERE reminder_id IN (
            SELECT reminder_id {_FALLEN_DUE} AND bundle = (
                SELECT bundle {_FALLEN_DUE} AND bundle IS NOT NULL ORDER BY remind_at, bundle LIMIT 1)
            LIMIT :limit FOR UPDATE OF reminders SKIP LOCKED)
        RETURNING content"""
).bindparams(*_READY_PARAMETERS)
