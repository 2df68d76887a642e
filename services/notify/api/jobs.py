"""The reports that are still to be made, for those who run the system."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.store import jobs as store
from shared.db import reader
from shared.http.auth import Principal, forbidden, require
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, Page, decode, page_of
from shared.registry import NETWORK_PATTERN

Operator = Annotated[Principal, Depends(require("admin"))]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class JobBody(BaseModel):
    """A report to be made with figures of other services. Gone from the list once it was told."""

    job_id: UUID
    kind: str
    network: str
    site: str | None = Field(description="null: the whole network's part, which plans those of its sites")
    period: str = Field(description="week, month or day that it tells of")
    due_at: datetime
    next_try_at: datetime
    attempts: int
    last_error: str | None


def router(engine: AsyncEngine) -> APIRouter:
    """`GET /v1/jobs`, scope `admin`."""
    routes = APIRouter(tags=["jobs"])

    @routes.get("/v1/jobs", response_model=Page[JobBody])
    async def list_jobs(
        who: Operator,
        network: Annotated[str | None, Query(pattern=NETWORK_PATTERN)] = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """Reports that wait, the one that fell due first foremost, with what went wrong the last time."""
        network = network or who.network
        if network is not None and not who.may_read_network(network):
            raise forbidden(f"The key belongs to the network {who.network}: ask for that one.")
        after = decode(cursor, Moment, UUID)
        async with reader(engine) as connection:
            rows = await store.page(connection, network, after=after, limit=limit + 1)
        shown = [{name: getattr(row, name) for name in JobBody.model_fields} for row in rows]
        return page_of(shown, limit, lambda one: (one["due_at"].isoformat(), str(one["job_id"])))

    return routes
