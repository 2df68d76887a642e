"""The pages: start, the list of cases, one case. They read the services with the viewer's key."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.console.peers import Part, Services, part
from services.console.settings import ConsoleSettings
from services.console.sign_in import Key
from services.console.view import View

_FILTERS = ("network", "status", "site", "rule")


def router(settings: ConsoleSettings, view: View, services: Services) -> APIRouter:
    """The pages that need a session."""
    pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @pages.get("/")
    async def start(request: Request, key: Key) -> HTMLResponse:
        return view.page(request, "start.html", services=await services.health())

    @pages.get("/find")
    async def find(request: Request, key: Key) -> Response:
        network, waybill = (request.query_params.get(name, "").strip() for name in ("network", "waybill"))
        return RedirectResponse(f"/cases/{quote(network, safe='')}/{quote(waybill, safe='')}", 303)

    @pages.get("/cases")
    async def cases(request: Request, key: Key) -> HTMLResponse:
        asked = {name: request.query_params.get(name, "").strip() for name in _FILTERS}
        given = {name: value for name, value in asked.items() if value}
        cursor = request.query_params.get("cursor")
        listed = await part(
            services.get(key, "arbitration", "/v1/cases", **given, cursor=cursor, limit=settings.page_rows)
        )
        following = (listed.value or {}).get("next")
        following = urlencode({**given, "cursor": following}) if following else None
        return view.page(
            request, "cases.html", status=_status(listed), listed=listed, asked=asked, following=following
        )

    @pages.get("/cases/{network}/{waybill}")
    async def case(request: Request, network: str, waybill: str, key: Key) -> HTMLResponse:
        where = f"{quote(network, safe='')}/{quote(waybill, safe='')}"
        opened, versions, events, entries, notices = await asyncio.gather(
            services.get(key, "arbitration", f"/v1/cases/{where}"),
            part(services.get(key, "arbitration", f"/v1/cases/{where}/versions")),
            part(services.get(key, "arbitration", f"/v1/cases/{where}/events", limit=200)),
            part(services.get(key, "penalties", f"/v1/waybills/{where}/entries", limit=200)),
            part(services.get(key, "notify", "/v1/notices", network=network, waybill=waybill, limit=200)),
        )
        parts: dict[str, Any] = {
            "versions": versions,
            "events": events,
            "entries": entries,
            "notices": notices,
        }
        return view.page(request, "case.html", case=opened, **parts)

    return pages


def _status(listed: Part) -> int:
    return 200 if listed.error is None else listed.error.status or 502
