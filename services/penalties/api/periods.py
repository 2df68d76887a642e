"""Closing a period, and what it brought each site."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.penalties.api.bodies import ClosingBody, SiteMonthBody
from services.penalties.api.commands import OptionalKey, carry_out
from services.penalties.api.common import Network, Operator, Period, Reader, as_json, may_read, snapshot
from services.penalties.closing import close as close_period
from services.penalties.domain import month_of
from services.penalties.orders import Command
from services.penalties.settings import PenaltiesSettings
from services.penalties.totals import site_months
from shared.clock import Clock
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, Page, decode, page_of
from shared.http.problems import Problem


def router(engine: AsyncEngine, clock: Clock, settings: PenaltiesSettings, group: str) -> APIRouter:
    """The routes under `/v1/periods`; `group` is the consumer group whose positions a close takes as its cut."""
    routes = APIRouter()

    @routes.post("/v1/periods/{network}/{period}/close", response_model=ClosingBody)
    async def close(who: Operator, network: Network, period: Period, key: OptionalKey = None) -> Response:
        """Make a month final: what belongs to it and comes later is booked in the next open one. Again: the same answer."""
        may_read(who, network, None)
        now = clock.now()
        if period >= month_of(now):
            detail = f"{period} has not ended yet in the networks' zone. Close it when the month is over."
            raise Problem(409, "Period not over", detail)

        async def work(connection: AsyncConnection) -> tuple[int, Any]:
            closed = await close_period(
                connection, group, network, period, at=now, by=who.owner, wait_ms=settings.close_wait_ms
            )
            return 200, closed._asdict()

        command = Command(who.owner, key, "close", {"network": network, "period": period}, now)
        return await carry_out(engine, settings.close_wait_ms, command, work)

    @routes.get("/v1/periods/{network}/{period}/sites", response_model=Page[SiteMonthBody])
    async def sites(
        who: Reader, network: Network, period: Period, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
    ) -> Response:
        """Every site with entries in a month, or a balance from before, by code. Not for sites' keys."""
        may_read(who, network, None)
        after = decode(cursor, str)
        async with snapshot(engine) as connection:
            found = await site_months(
                connection, network, period, after=after[0] if after else "", limit=limit + 1
            )
        page = page_of(found, limit, lambda one: (one.site,))
        return as_json(page | {"items": [one._asdict() for one in page["items"]]})

    return routes
