"""What a site owes, and the entries of a site and of a waybill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncEngine

from services.penalties import queries
from services.penalties.api.bodies import AccountBody, EntryBody
from services.penalties.api.common import (
    PERIOD_PATTERN,
    WAYBILL_PATTERN,
    Network,
    Reader,
    Site,
    as_json,
    may_read,
)
from services.penalties.domain import NO_WAYBILL
from services.penalties.queries import Filter, Place
from shared.clock import Clock
from shared.db import reader
from shared.events.outputs import Entry
from shared.http.fields import QueryMoment
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, Page, decode, page_of

_ORDINAL = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_SITE_PLACE = (
    Annotated[str, msgspec.Meta(pattern=PERIOD_PATTERN)],
    Annotated[datetime, msgspec.Meta(tz=True)],
    Annotated[str, msgspec.Meta(pattern=f"{WAYBILL_PATTERN}|^{NO_WAYBILL}$")],
    _ORDINAL,
)
_WAYBILL_PLACE = (_ORDINAL,)


def router(engine: AsyncEngine, clock: Clock) -> APIRouter:
    """The routes under `/v1/accounts` and `/v1/waybills`."""
    routes = APIRouter()

    @routes.get("/v1/accounts/{network}/{site}", response_model=AccountBody)
    async def account(who: Reader, network: Network, site: Site) -> Response:
        """What a site owes now. A site without entries owes nothing."""
        may_read(who, network, site)
        async with reader(engine) as connection:
            owed = await queries.balance(connection, network, site)
        return as_json(
            {
                "site": site,
                "balance_fen": owed.open_fen,
                "frozen_fen": owed.frozen_fen,
                "as_of": clock.now(),
            }
        )

    @routes.get("/v1/accounts/{network}/{site}/entries", response_model=Page[EntryBody])
    async def account_entries(
        who: Reader,
        network: Network,
        site: Site,
        period: Annotated[str | None, Query(pattern=PERIOD_PATTERN)] = None,
        rule: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
        waybill: Annotated[str | None, Query(pattern=WAYBILL_PATTERN)] = None,
        from_: Annotated[QueryMoment | None, Query(alias="from", description="posted then or later")] = None,
        to: Annotated[QueryMoment | None, Query(description="posted before")] = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> Response:
        """The entries that have the site on either side, by period and moment."""
        may_read(who, network, site)
        position = decode(cursor, *_SITE_PLACE)
        after = Place(*position) if position else None
        wanted = Filter(period, rule, waybill, from_, to)
        async with reader(engine) as connection:
            found = await queries.entries_of_site(
                connection, network, site, wanted, after=after, limit=limit + 1
            )
        return as_json(
            _entries_page(found, limit, lambda place: place._replace(posted_at=place.posted_at.isoformat()))
        )

    @routes.get("/v1/waybills/{network}/{waybill}/entries", response_model=Page[EntryBody])
    async def waybill_entries(
        who: Reader,
        network: Network,
        waybill: Annotated[str, Path(pattern=WAYBILL_PATTERN)],
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> Response:
        """The entries of a waybill in booking order. A site's key sees those that have its site on a side."""
        may_read(who, network, who.site)
        position = decode(cursor, *_WAYBILL_PLACE)
        async with reader(engine) as connection:
            found = await queries.entries_of_waybill(
                connection,
                network,
                waybill,
                site=who.site,
                after=position[0] if position else -1,
                limit=limit + 1,
            )
        return as_json(_entries_page(found, limit, lambda ordinal: (ordinal,)))

    return routes


def _entries_page(
    placed: list[tuple[Any, Entry]], limit: int, position: Callable[[Any], tuple[Any, ...]]
) -> dict[str, Any]:
    """A page of entries that come with their places; `position` makes a cursor's members of a place."""
    page = page_of(placed, limit, lambda item: position(item[0]))
    return {"items": [entry for _, entry in page["items"]], "next": page["next"]}
