"""How a command is carried out once, and what is said where it cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.penalties import orders
from services.penalties.closing import limit_waits
from services.penalties.orders import Command, OtherInput, PeriodClosed
from shared.http.problems import Problem

_KEY = Header(
    alias="Idempotency-Key",
    min_length=1,
    max_length=200,
    pattern=r"^[\x21-\x7e]+$",
    description="names the command for ever: sent again with the same input, it has the same answer",
)
Key = Annotated[str, _KEY]
OptionalKey = Annotated[str | None, _KEY]
_LOCK_NOT_AVAILABLE = "55P03"


async def carry_out(
    engine: AsyncEngine,
    wait_ms: int,
    command: Command,
    work: Callable[[AsyncConnection], Awaitable[tuple[int, Any]]],
) -> Response:
    """The answer of `work`, or the first answer of the same command. Waits for locks up to `wait_ms`."""
    async with _transaction(engine, wait_ms) as connection:
        status, body = await orders.once(connection, command, lambda: work(connection))
    return Response(body, status, media_type="application/json")


@asynccontextmanager
async def _transaction(engine: AsyncEngine, wait_ms: int) -> AsyncIterator[AsyncConnection]:
    """A transaction for one command. Raises Problem where it cannot be carried out now (503) or at all (409)."""
    try:
        async with engine.begin() as connection:
            await limit_waits(connection, wait_ms)
            yield connection
    except OtherInput as error:
        raise Problem(409, "Idempotency-Key used for another command", str(error)) from error
    except PeriodClosed as error:
        raise Problem(409, "Period closed", str(error)) from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        detail = f"Bookings in hand did not end within {wait_ms} ms. Nothing was done: try again."
        raise Problem(503, "Ledger busy", detail, headers={"Retry-After": "5"}) from error
