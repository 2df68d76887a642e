"""What the routes have in common: parameters, who may read what, snapshots and answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Path, Query
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db import reader
from shared.http.auth import Principal, forbidden, require
from shared.registry import NETWORK_PATTERN, SITE_PATTERN

PERIOD_PATTERN = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
WAYBILL_PATTERN = r"^[A-Z0-9-]{6,32}$"

Reader = Annotated[Principal, Depends(require("read"))]
Operator = Annotated[Principal, Depends(require("admin"))]
Network = Annotated[str, Path(pattern=NETWORK_PATTERN)]
NetworkQuery = Annotated[str, Query(pattern=NETWORK_PATTERN)]
Site = Annotated[str, Path(pattern=SITE_PATTERN)]
Period = Annotated[str, Path(pattern=PERIOD_PATTERN, description="month in the networks' zone")]

encode = msgspec.json.Encoder().encode


def may_read(who: Principal, network: str, site: str | None) -> None:
    """Raises Problem (403) unless `who` may read the books of `site`, or of the whole network where None."""
    if not who.may_read_site(network, site):
        raise forbidden("The key belongs to another site or network: it reads only what concerns its own.")


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection whose statements all see the same moment of the database."""
    async with reader(engine) as connection:
        yield await connection.execution_options(isolation_level="REPEATABLE READ")


def as_json(members: Any, status: int = 200) -> Response:
    """`members` as a JSON answer."""
    return Response(encode(members), status, media_type="application/json")
