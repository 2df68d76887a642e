"""The complaint desk: complaints with their clocks, and the form of one complaint (《客户投诉处理单》)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from services.console.clocks import next_duty, pressing
from services.console.complaint_form import ComplaintForm
from services.console.desk_acts import OPEN, may, next_offer, offers
from services.console.history import events_of
from services.console.kit import Item, Kit, Room, routes
from services.console.lists import Filters, as_csv, status_of
from services.console.peers import Part, part
from services.console.viewer import SignedIn, Viewer

VIEWS = ("due", "overdue", "open", "contacted", "settled", "closed", "all")
CSV_COLUMNS = (
    "network",
    "waybill",
    "complaint_id",
    "state",
    "category",
    "channel",
    "claimant",
    "responsible_site",
    "opened_at",
    "next_duty",
    "due_at",
    "overdue",
    "reopened",
    "escalations",
    "major",
)


def router(kit: Kit) -> APIRouter:
    """`/complaints` and `/complaints/{network}/{waybill}/{complaint_id}`."""
    pages = routes()

    @pages.get("/complaints")
    async def complaints(request: Request, viewer: SignedIn) -> Response:
        filters = Filters.of(request, "view", "network", "site", "category", "waybill")
        view = filters.asked["view"] if filters.asked["view"] in VIEWS else "due"
        listed = await _listed(kit, viewer, view, filters)
        if request.query_params.get("form") == "csv" and listed.error is None:
            return as_csv("complaints", CSV_COLUMNS, map(csv_row, listed.value["items"]))
        return kit.view.page(
            request,
            "complaints/complaints.html",
            viewer=viewer,
            status=status_of(listed),
            listed=listed,
            filters=filters,
            view=view,
            views=VIEWS,
            next_duty=next_duty,
            next_offer=partial(next_offer, viewer),
            opens=may(viewer, OPEN),
            now=kit.now(),
        )

    @pages.get("/complaints/{network}/{waybill}/{complaint_id:path}")
    async def complaint(
        request: Request, network: str, waybill: str, complaint_id: str, viewer: SignedIn
    ) -> Response:
        where = f"{quote(network, safe='')}/{quote(waybill, safe='')}"
        get, key = kit.services.get, viewer.key
        listed, case, events = await asyncio.gather(
            get(key, "arbitration", "/v1/complaints", network=network, waybill=waybill, limit=500),
            get(key, "arbitration", f"/v1/cases/{where}"),
            events_of(kit.services, key, where),
        )
        shown = next((one for one in listed["items"] if one["complaint_id"] == complaint_id), None)
        if shown is None:
            raise HTTPException(404)
        return kit.view.page(
            request,
            "complaints/form.html",
            viewer=viewer,
            complaint=shown,
            case=case,
            sheet=ComplaintForm.of(shown, events),
            offers=offers(viewer, shown),
            now=kit.now(),
        )

    return pages


async def _listed(kit: Kit, viewer: Viewer, view: str, filters: Filters) -> Part:
    """The complaints of a view. `due` is all that waits, what presses most first: of each state one page at most."""
    asked = {name: value for name, value in filters.given.items() if name != "view"}
    picks: dict[str, dict[str, Any]] = {"overdue": {"overdue": "true"}, "all": {}}

    async def read(**picked: Any) -> Part:
        paging = {"cursor": filters.cursor, "limit": kit.settings.page_rows}
        return await part(
            kit.services.get(viewer.key, "arbitration", "/v1/complaints", **asked, **picked, **paging)
        )

    if view != "due":
        return await read(**picks.get(view, {"state": view}))
    waiting = ({"overdue": "false", "state": state} for state in ("open", "contacted", "settled"))
    read_parts = await asyncio.gather(read(overdue="true"), *(read(**one) for one in waiting))
    failed = next((one for one in read_parts if one.error is not None), None)
    if failed is not None:
        return failed
    items = [one for listed in read_parts for one in listed.value["items"]]
    more = any(listed.value["next"] for listed in read_parts)
    return Part({"items": sorted(items, key=pressing), "next": None, "more": more})


def csv_row(complaint: dict[str, Any]) -> list[Any]:
    """A complaint as a row under CSV_COLUMNS."""
    duty = next_duty(complaint)
    extra = {
        "opened_at": complaint["clocks"]["opened_at"],
        "next_duty": duty.term if duty else "",
        "due_at": duty.due_at.isoformat() if duty else "",
        "overdue": "yes" if complaint["overdue"] else "no",
    }
    return [extra.get(name, complaint.get(name)) for name in CSV_COLUMNS]


ROOM = Room(router, (Item("work", "complaints", "/complaints"),))
