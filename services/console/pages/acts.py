"""Small acts on what runs: a parked waybill tried again, a notice acknowledged or sent again."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from services.console.forms import Form, read_form
from services.console.kit import Kit, Room, routes
from services.console.peers import Name
from services.console.sign_in import safe_path
from services.console.viewer import SignedIn, Viewer


def router(kit: Kit) -> APIRouter:
    """`/parked/…/retry`, `/notices/…/acknowledge` and `/notices/…/resend`."""
    pages = routes()

    async def post(viewer: Viewer, name: Name, path: str) -> None:
        await kit.services.call(viewer.key, name, "POST", path)

    @pages.get("/parked/{network}/{waybill}/retry")
    async def retry_form(request: Request, network: str, waybill: str, viewer: SignedIn) -> Response:
        return confirm_retry(request, viewer, Form({"back": request.query_params.get("back", "")}), waybill)

    @pages.post("/parked/{network}/{waybill}/retry")
    async def retry(request: Request, network: str, waybill: str, viewer: SignedIn) -> Response:
        form = await read_form(request)
        path = f"/v1/parked/{quote(network, safe='')}/{quote(waybill, safe='')}/retry"
        if form.confirmed:
            await post(viewer, "arbitration", path)
        elif form["confirmed"] != "change":
            return confirm_retry(request, viewer, form, waybill)
        return RedirectResponse(safe_path(form["back"]), 303)

    def confirm_retry(request: Request, viewer: Viewer, form: Form, waybill: str) -> Response:
        return kit.view.page(request, "operations/retry.html", viewer=viewer, form=form, waybill=waybill)

    @pages.post("/notices/{notice_id}/acknowledge")
    async def acknowledge(request: Request, notice_id: UUID, viewer: SignedIn) -> Response:
        form = await read_form(request)
        await post(viewer, "notify", f"/v1/notices/{notice_id}/acknowledge")
        return RedirectResponse(safe_path(form["back"]), 303)

    @pages.post("/notices/{notice_id}/resend")
    async def resend(request: Request, notice_id: UUID, viewer: SignedIn) -> Response:
        form = await read_form(request)
        await post(viewer, "notify", f"/v1/notices/{notice_id}/resend")
        return RedirectResponse(safe_path(form["back"]), 303)

    return pages


ROOM = Room(router)
