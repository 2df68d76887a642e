"""The officers' desk: cases that wait for a person, the longest first."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.console.kit import Item, Kit, Room, not_a_site, routes
from services.console.lists import Filters, as_csv, status_of
from services.console.peers import Part, part
from services.console.viewer import SignedIn, Viewer

_CSV = ("network", "waybill", "status", "finding_id", "kind", "site", "amount_yuan", "state", "decided_at")


def router(kit: Kit) -> APIRouter:
    """`/desk`: open, appealed and parked cases."""
    pages = routes()

    @pages.get("/desk")
    async def desk(request: Request, viewer: SignedIn) -> Response:
        filters = Filters.of(request, "view", "network", "site", "rule")
        views = _views(viewer)
        view = filters.asked["view"] if filters.asked["view"] in views else views[0]
        listed = await part(_listed(kit, viewer, view, filters))
        if request.query_params.get("form") == "csv" and listed.error is None:
            return _csv(view, listed)
        return kit.view.page(
            request,
            "desk/desk.html",
            viewer=viewer,
            status=status_of(listed),
            listed=listed,
            filters=filters,
            views=views,
            view=view,
        )

    return pages


def _views(viewer: Viewer) -> tuple[str, ...]:
    """What there is for the viewer to look at, what waits for a decision first; only who runs the system sees the parked."""
    return ("appealed", "open", "parked") if viewer.may("admin") else ("appealed", "open")


async def _listed(kit: Kit, viewer: Viewer, view: str, filters: Filters) -> Any:
    asked = {name: value for name, value in filters.given.items() if name != "view"}
    paging = {"cursor": filters.cursor, "limit": kit.settings.page_rows}
    if view == "parked":
        network = asked.get("network")
        return await kit.services.get(viewer.key, "arbitration", "/v1/parked", network=network, **paging)
    waiting = {"status": view, "order": "decided_at"}
    return await kit.services.get(viewer.key, "arbitration", "/v1/cases", **asked, **waiting, **paging)


def _csv(view: str, listed: Part) -> Response:
    items = listed.value["items"]
    if view == "parked":
        names = ("network", "waybill", "parked_at", "attempts", "error")
        return as_csv("parked", names, ([case[name] for name in names] for case in items))
    rows = (
        [
            case["network"],
            case["waybill"],
            case["status"],
            *(finding[name] for name in ("finding_id", "kind", "site")),
            f"{finding['amount_fen'] / 100:.2f}",
            finding["state"],
            case["verdict"]["decided_at"],
        ]
        for case in items
        for finding in case["verdict"]["findings"]
        if finding["state"] != "revoked"
    )
    return as_csv(f"desk-{view}", _CSV, rows)


ROOM = Room(router, (Item("work", "desk", "/desk", not_a_site),))
