"""What operators ask of arbitration: waybills that are set aside, and trying them again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.api.cases import Network, Waybill
from services.arbitration.handlers.deciding import Deciding
from services.arbitration.store import cases, journal, reading, reviews
from shared.bus.partitioner import partition_of
from shared.clock import Clock
from shared.http.auth import Principal, require
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, decode, page_of
from shared.http.problems import not_found
from shared.registry import NETWORK_PATTERN


def router(engine: AsyncEngine, clock: Clock, deciding: Deciding, partitions: int) -> APIRouter:
    """`GET /v1/parked` and `POST /v1/parked/{network}/{waybill}/retry`."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/v1/parked")
    async def list_parked(
        _: Annotated[Principal, Depends(require("admin"))],
        network: Annotated[str | None, Query(pattern=NETWORK_PATTERN)] = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """Waybills whose decision raised. Their events are in the journal; nothing is decided until a retry succeeds."""
        after = decode(cursor, str)
        rows = await reading.parked(engine, network, after[0] if after else None, limit + 1)
        return page_of(
            [_shown(row) for row in rows], limit, lambda item: (f"{item['network']}/{item['waybill']}",)
        )

    @routes.post("/v1/parked/{network}/{waybill}/retry", status_code=202)
    async def retry(
        network: Network, waybill: Waybill, _: Annotated[Principal, Depends(require("admin"))]
    ) -> dict[str, Any]:
        """Have the waybill decided once more. The worker that holds it does so; this only asks."""
        subject = f"{network}/{waybill}"
        now = clock.now()
        async with engine.begin() as connection:
            driver = await journal.driver(connection)
            if not await cases.parked_among(driver, [subject]):
                raise not_found(f"parked waybill {subject}")
            row = (partition_of(subject.encode(), partitions), reviews.RETRY, now, now, subject)
            await reviews.insert(driver, [row])
        deciding.wake()
        return {"network": network, "waybill": waybill, "review_at": now}

    return routes


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    network, _, waybill = row["subject"].partition("/")
    return {
        "network": network,
        "waybill": waybill,
        "parked_at": row["parked_at"],
        "error": row["error"],
        "attempts": row["attempts"],
    }
