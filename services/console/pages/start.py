"""The start: find a waybill, and the state of the services."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.console.kit import Item, Kit, Room, routes
from services.console.viewer import SignedIn


def router(kit: Kit) -> APIRouter:
    """`/` and `/find`."""
    pages = routes()

    @pages.get("/")
    async def start(request: Request, viewer: SignedIn) -> HTMLResponse:
        return kit.view.page(request, "start/start.html", viewer=viewer, services=await kit.services.health())

    @pages.get("/find")
    async def find(request: Request, viewer: SignedIn) -> Response:
        network, waybill = (request.query_params.get(name, "").strip() for name in ("network", "waybill"))
        return RedirectResponse(f"/cases/{quote(network, safe='')}/{quote(waybill.upper(), safe='')}", 303)

    return pages


ROOM = Room(router, (Item("work", "start", "/"),))
