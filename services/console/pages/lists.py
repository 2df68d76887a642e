"""The list of cases."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from services.console.kit import Item, Kit, Room, routes
from services.console.lists import Filters, status_of
from services.console.peers import part
from services.console.viewer import SignedIn


def router(kit: Kit) -> APIRouter:
    """`/cases`."""
    pages = routes()

    @pages.get("/cases")
    async def cases(request: Request, viewer: SignedIn) -> HTMLResponse:
        filters = Filters.of(request, "network", "status", "site", "rule")
        rows = kit.settings.page_rows
        asked = {**filters.given, "cursor": filters.cursor, "limit": rows}
        listed = await part(kit.services.get(viewer.key, "arbitration", "/v1/cases", **asked))
        return kit.view.page(
            request,
            "cases/cases.html",
            viewer=viewer,
            status=status_of(listed),
            listed=listed,
            filters=filters,
        )

    return pages


ROOM = Room(router, (Item("work", "cases", "/cases"),))
