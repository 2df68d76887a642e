"""`/v1/projections`: which are kept, and rebuilding one beside the live one."""

from __future__ import annotations

from typing import Annotated, Any

from asyncpg import Connection
from fastapi import APIRouter, Depends, Path
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.store import generations as store
from services.arbitration.store.generations import Generations
from shared.clock import Clock
from shared.http.auth import Principal, require
from shared.http.problems import Problem, not_found


def router(engine: AsyncEngine, clock: Clock) -> APIRouter:
    """`GET /v1/projections` and `POST /v1/projections/{name}/rebuild`."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/v1/projections")
    async def list_projections(_: Annotated[Principal, Depends(require("admin"))]) -> dict[str, Any]:
        """Every projection, and how far its rebuild is."""
        async with store.transaction(engine) as driver:
            return {"items": await _all(driver), "next": None}

    @routes.post("/v1/projections/{name}/rebuild", status_code=202)
    async def rebuild(
        name: Annotated[str, Path(max_length=64)], _: Annotated[Principal, Depends(require("admin"))]
    ) -> dict[str, Any]:
        """Build the projection anew from the journal beside the live one, which is read until the new one is complete."""
        async with store.transaction(engine) as driver:
            if name not in await store.generations(driver):
                raise not_found(f"projection {name}")
            if not await store.start(driver, name, clock.now()):
                raise Problem(
                    409,
                    "Rebuilt already",
                    f"The projection {name} is being rebuilt, or an old generation is being deleted."
                    " Look at GET /v1/projections and try again when its state is live.",
                )
            return next(item for item in await _all(driver) if item["name"] == name)

    return routes


async def _all(driver: Connection) -> list[dict[str, Any]]:
    left = await store.looks_left(driver)
    return [_shown(known, left) for known in (await store.generations(driver)).values()]


def _shown(known: Generations, left: int) -> dict[str, Any]:
    state = "live" if known.retired is None else "clearing"
    if known.building is not None:
        state = "building" if known.planned_until is None else "planning"
    return {
        "name": known.name,
        "state": state,
        "live": known.live,
        "building": known.building,
        "started_at": known.started_at,
        "waybills_planned": known.waybills,
        "waybills_left": left if known.building is not None else 0,
    }
