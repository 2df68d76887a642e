"""Booking by hand: with a reason, once, and above a limit only with a second person's approval."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.penalties import orders
from services.penalties.api.bodies import AdjustedSide, AdjustmentBody, AdjustmentOrder
from services.penalties.api.commands import Key, OptionalKey, carry_out
from services.penalties.api.common import Network, NetworkQuery, Operator, Reader, as_json, may_read
from services.penalties.domain import PAYABLE, RECEIVABLE, month_of
from services.penalties.orders import Adjustment, Command
from services.penalties.settings import PenaltiesSettings
from shared.clock import Clock
from shared.db import reader
from shared.events.outputs import Account
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, Page, decode, page_of
from shared.http.problems import Problem, invalid, not_found
from shared.ids import stable_id
from shared.registry import Registry, SiteRecord


def router(
    engine: AsyncEngine, clock: Clock, settings: PenaltiesSettings, sites: Registry[SiteRecord]
) -> APIRouter:
    """The routes under `/v1/adjustments`."""
    routes = APIRouter()
    wait_ms = settings.close_wait_ms

    @routes.post(
        "/v1/adjustments/{network}",
        status_code=201,
        response_model=AdjustmentBody,
        responses={202: {"model": AdjustmentBody, "description": "Waits for a second person's approval"}},
    )
    async def adjust(who: Operator, network: Network, order: AdjustmentOrder, key: Key) -> Response:
        """Book by hand, with a reason. Above the limit it waits for the approval of a second person."""
        may_read(who, network, None)
        now = clock.now()
        adjustment = Adjustment(
            str(stable_id("adjustment", network, who.owner, key)),
            network,
            Account(order.debit.account, order.debit.site),
            Account(order.credit.account, order.credit.site),
            order.amount_fen,
            order.reason,
            order.period,
        )
        at_once = order.amount_fen <= settings.adjustment_alone_fen_max

        async def work(connection: AsyncConnection) -> tuple[int, Any]:
            # Only now: what was booked once has its answer for ever, whatever became of the site.
            _check(order, network, sites, month_of(now))
            made = await orders.propose(connection, adjustment, at=now, by=who.owner, book_at_once=at_once)
            return (201 if at_once else 202), made

        given = {"network": network, **order.model_dump()}
        return await carry_out(engine, wait_ms, Command(who.owner, key, "adjust", given, now), work)

    @routes.post("/v1/adjustments/{network}/{adjustment_id}/approve", response_model=AdjustmentBody)
    async def approve(
        who: Operator, network: Network, adjustment_id: UUID, key: OptionalKey = None
    ) -> Response:
        """Approve what another person proposed: it is booked. Again: the same answer."""
        may_read(who, network, None)
        now = clock.now()

        async def work(connection: AsyncConnection) -> tuple[int, Any]:
            known = await orders.locked(connection, network, str(adjustment_id))
            if known is None:
                raise not_found(f"adjustment {adjustment_id} in {network}")
            if known["proposed_by"] == who.owner:
                detail = f"{who.owner} proposed it. A second person approves, with a key of its own."
                raise Problem(403, "Needs a second person", detail)
            if known["state"] == "booked":
                return 200, known
            return 200, await orders.approve(connection, str(adjustment_id), at=now, by=who.owner)

        given = {"network": network, "adjustment_id": str(adjustment_id)}
        return await carry_out(engine, wait_ms, Command(who.owner, key, "approve", given, now), work)

    @routes.get("/v1/adjustments", response_model=Page[AdjustmentBody])
    async def adjustments(
        who: Reader, network: NetworkQuery, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
    ) -> Response:
        """What was booked by hand, and what waits for approval, oldest first. Not for sites' keys."""
        may_read(who, network, None)
        after = decode(cursor, datetime, UUID)
        async with reader(engine) as connection:
            found = await orders.listed(
                connection, network, after=(after[0], str(after[1])) if after else None, limit=limit + 1
            )
        return as_json(
            page_of(found, limit, lambda one: (one["proposed_at"].isoformat(), one["adjustment_id"]))
        )

    return routes


def _check(order: AdjustmentOrder, network: str, sites: Registry[SiteRecord], present: str) -> None:
    """Raises Problem (422) for accounts that do not fit, unknown sites and months to come."""
    found = []
    for name, side in (("debit", order.debit), ("credit", order.credit)):
        found += [(f"/{name}/site", message) for message in _side_faults(side, network, sites)]
    if order.debit == order.credit:
        found.append(("/credit", "is the account that is debited: nothing would move"))
    if order.period is not None and order.period > present:
        found.append(("/period", f"has not begun: the present month is {present}"))
    if found:
        raise invalid(*found)


def _side_faults(side: AdjustedSide, network: str, sites: Registry[SiteRecord]) -> list[str]:
    needs_site = side.account in (RECEIVABLE, PAYABLE)
    if needs_site and side.site is None:
        return [f"is missing: {side.account} is an account of a site"]
    if not needs_site and side.site is not None:
        return [f"does not belong here: {side.account} is headquarters'"]
    if side.site is not None and sites.get(f"{network}/{side.site}") is None:
        return [f"is not a registered site of {network}"]
    return []
