"""One case."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from services.console.kit import Kit, Room, routes
from services.console.peers import part
from services.console.viewer import SignedIn


def router(kit: Kit) -> APIRouter:
    """`/cases/{network}/{waybill}`."""
    pages = routes()

    @pages.get("/cases/{network}/{waybill}")
    async def case(request: Request, network: str, waybill: str, viewer: SignedIn) -> HTMLResponse:
        where = f"{quote(network, safe='')}/{quote(waybill, safe='')}"
        get, key = kit.services.get, viewer.key
        opened, versions, events, entries, notices = await asyncio.gather(
            get(key, "arbitration", f"/v1/cases/{where}"),
            part(get(key, "arbitration", f"/v1/cases/{where}/versions")),
            part(get(key, "arbitration", f"/v1/cases/{where}/events", limit=200)),
            part(get(key, "penalties", f"/v1/waybills/{where}/entries", limit=200)),
            part(get(key, "notify", "/v1/notices", network=network, waybill=waybill, limit=200)),
        )
        return kit.view.page(
            request,
            "case/case.html",
            viewer=viewer,
            case=opened,
            versions=versions,
            events=events,
            entries=entries,
            notices=notices,
        )

    return pages


ROOM = Room(router)
