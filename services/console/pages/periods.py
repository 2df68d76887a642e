"""Months of the ledger: what each holds, and closing it."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from services.console.forms import Form, read_form
from services.console.kit import Item, Kit, Room, may_administer, routes
from services.console.lists import Filters
from services.console.pages.outlet import last_months
from services.console.peers import part
from services.console.viewer import SignedIn, Viewer
from shared.http.peers import PeerError

_MONTHS = 13
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


def router(kit: Kit) -> APIRouter:
    """`/periods` and `/periods/{network}/{month}/close`."""
    pages = routes()

    @pages.get("/periods")
    async def periods(request: Request, viewer: SignedIn) -> Response:
        filters = Filters.of(request, "network")
        network = filters.asked["network"] or viewer.network or ""
        months = last_months(kit.now().date(), _MONTHS)
        reads = (books(viewer, network, month) for month in months) if network else ()
        shown = await asyncio.gather(*(part(read) for read in reads))
        return kit.view.page(
            request,
            "decisions/periods.html",
            viewer=viewer,
            filters=filters,
            network=network,
            books=list(zip(months, shown, strict=False)),
        )

    async def books(viewer: Viewer, network: str, month: str) -> Any:
        path = f"/v1/headquarters/{quote(network, safe='')}/{month}"
        return await kit.services.get(viewer.key, "penalties", path)

    @pages.get("/periods/{network}/{month}/close")
    async def close_form(request: Request, network: str, month: str, viewer: SignedIn) -> Response:
        return await close_page(request, viewer, network, month, Form())

    @pages.post("/periods/{network}/{month}/close")
    async def close(request: Request, network: str, month: str, viewer: SignedIn) -> Response:
        form = await read_form(request)
        if not form.confirmed:
            return RedirectResponse(f"/periods?network={quote(network, safe='')}", 303)
        try:
            path = f"/v1/periods/{quote(network, safe='')}/{quote(month, safe='')}/close"
            once = {"Idempotency-Key": f"console-{form.form_id}"}
            await kit.services.call(viewer.key, "penalties", "POST", path, headers=once)
        except PeerError as error:
            if error.status not in (409, 503):
                raise
            form.refuse(error)
            return await close_page(request, viewer, network, month, form, status=error.status)
        return RedirectResponse(f"/periods?network={quote(network, safe='')}", 303)

    async def close_page(
        request: Request, viewer: Viewer, network: str, month: str, form: Form, status: int = 200
    ) -> Response:
        if not _MONTH.fullmatch(month):
            raise HTTPException(404)
        return kit.view.page(
            request,
            "decisions/close.html",
            viewer=viewer,
            status=status,
            network=network,
            month=month,
            form=form,
            books=await books(viewer, network, month),
        )

    return pages


ROOM = Room(router, (Item("work", "periods", "/periods", may_administer),))
