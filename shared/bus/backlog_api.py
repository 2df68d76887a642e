"""The route by which an operator sees what a consuming service has still to do, all its copies together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Final

from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.bus.positions import Fenced
from shared.bus.runner import ConsumerRunner
from shared.db import reader
from shared.http.auth import Principal, require

COUNTED_MAX: Final = 10_000
"""Rows are counted up to so many: to an operator it is the same whether more wait."""
_ENDS_TIMEOUT_S: Final = 2.0

Figures = Callable[[AsyncConnection], Awaitable[dict[str, int | datetime | None]]]
"""What a service counts of its own tables: moments are those since which something waits."""


class PartitionBody(BaseModel):
    """One partition of a topic that is consumed. `end` and `lag` are null where the broker does not say."""

    topic: str
    partition: int
    owner: str = Field(description="the copy that took it over last")
    position: int
    end: int | None
    lag: int | None


class BacklogBody(BaseModel):
    """What waits. Counts end at 10,000."""

    partitions: list[PartitionBody]
    outbox_batches: int
    outbox_since: datetime | None = Field(description="since when the oldest batch waits to be published")
    dead_letters: int = Field(description="those that were not replayed yet")
    dead_letters_last_at: datetime | None
    figures: dict[str, int | datetime | None] = Field(description="what this service counts beside that")


def router(engine: AsyncEngine, runner: Callable[[], ConsumerRunner], figures: Figures | None) -> APIRouter:
    """`GET /v1/backlog`, scope `admin`."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/v1/backlog")
    async def backlog(_: Annotated[Principal, Depends(require("admin"))]) -> BacklogBody:
        """How far every partition is consumed, by which copy; what waits in the outbox; dead letters not replayed yet."""
        async with reader(engine) as connection:
            counts = (await connection.execute(_COUNTS, {"most": COUNTED_MAX})).mappings().one()
            held = (await connection.execute(_POSITIONS)).all()
            own = await figures(connection) if figures is not None else {}
        ends = await _ends(runner(), sorted({row.partition for row in held}))
        partitions = [
            _partition(row, topic, position, ends.get((topic, row.partition)))
            for row in held
            for topic, position in zip(row.topics, row.positions, strict=True)
        ]
        return BacklogBody(partitions=partitions, figures=own, **counts)

    return routes


_POSITIONS = text(
    "SELECT partition, owner, positions, topics FROM partition_positions JOIN broker_identity USING (consumer_group)"
    " ORDER BY partition"
)
_COUNTS = text(
    "SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT :most) AS o) AS outbox_batches,"
    " (SELECT created_at FROM outbox ORDER BY id LIMIT 1) AS outbox_since,"
    " (SELECT count(*) FROM (SELECT FROM dead_letters WHERE replayed_at IS NULL LIMIT :most) AS d) AS dead_letters,"
    " (SELECT max(at) FROM dead_letters) AS dead_letters_last_at"
)


async def _ends(runner: ConsumerRunner, partitions: list[int]) -> dict[tuple[str, int], int]:
    """The ends of the topics; nothing where the broker does not answer in time."""
    try:
        async with asyncio.timeout(_ENDS_TIMEOUT_S):
            found = await runner.high_watermarks(partitions)
    except (KafkaError, Fenced, TimeoutError):
        return {}
    return {(tp.topic, tp.partition): end for tp, end in found.items()}


def _partition(row: Any, topic: str, position: int, end: int | None) -> PartitionBody:
    lag = None if end is None else max(0, end - position)
    return PartitionBody(
        topic=topic, partition=row.partition, owner=row.owner, position=position, end=end, lag=lag
    )
