"""The routes by which an operator reads dead letters and sends them once more."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy import Row, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus.outbox import OutboxRelay, enqueue
from shared.bus.tables import dead_letters
from shared.clock import Clock
from shared.db import reader
from shared.http.auth import Principal, require
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, decode, page_of
from shared.http.problems import not_found


class Letter(NamedTuple):
    """A dead letter that stands in no database."""

    id: UUID
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str
    at: datetime
    errors: Sequence[Mapping[str, Any]] = ()
    replayed_at: datetime | None = None
    replayed_by: str | None = None


def router(engine: AsyncEngine, relay: OutboxRelay, clock: Clock) -> APIRouter:
    """`GET /v1/dead-letters` and `POST /v1/dead-letters/{id}/replay`, scope `admin`."""
    routes = APIRouter(tags=["dead letters"])

    @routes.get("/v1/dead-letters")
    async def list_dead_letters(
        _: Annotated[Principal, Depends(require("admin"))],
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
        topic: str | None = None,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Records that could not be taken, newest first."""
        query = (
            select(dead_letters).order_by(dead_letters.c.at.desc(), dead_letters.c.id.desc()).limit(limit + 1)
        )
        if topic:
            query = query.where(dead_letters.c.topic == topic)
        if reason:
            query = query.where(dead_letters.c.reason == reason)
        if position := decode(cursor, datetime, UUID):
            query = query.where(
                tuple_(dead_letters.c.at, dead_letters.c.id) < tuple_(*map(literal, position))
            )
        async with reader(engine) as connection:
            rows = (await connection.execute(query)).all()
        return page_of([shown(row) for row in rows], limit, lambda item: (item["at"].isoformat(), item["id"]))

    @routes.post("/v1/dead-letters/{letter_id}/replay", status_code=202)
    async def replay(letter_id: UUID, who: Annotated[Principal, Depends(require("admin"))]) -> dict[str, Any]:
        """Publish the record once more on the topic it came from, bytes unchanged, where its key belongs."""
        async with engine.begin() as connection:
            found = await connection.execute(
                update(dead_letters)
                .where(dead_letters.c.id == letter_id)
                .values(replayed_at=clock.now(), replayed_by=who.owner)
                .returning(*dead_letters.c)
            )
            row = found.one_or_none()
            if row is None:
                raise not_found(f"dead letter {letter_id}")
            partition = row.partition if row.key is None else None
            await enqueue(connection, row.topic, partition, [(row.key, row.value)])
        relay.wake()
        return shown(row)

    return routes


def shown(row: Row[Any] | Letter) -> dict[str, Any]:
    """A dead letter as the API shows it."""
    value = row.value or b""
    return {
        "id": str(row.id),
        "topic": row.topic,
        "partition": row.partition,
        "offset": row.offset,
        "key": None if row.key is None else row.key.decode(errors="replace"),
        "value": value.decode(errors="replace"),
        "value_base64": base64.b64encode(value).decode(),
        "reason": row.reason,
        "detail": row.detail,
        "errors": row.errors,
        "at": row.at,
        "replayed_at": row.replayed_at,
        "replayed_by": row.replayed_by,
    }
