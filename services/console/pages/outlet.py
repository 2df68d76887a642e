"""An outlet's own view: what it is found liable for and why, how long it may appeal, its statements and its notices."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from services.console.kit import Item, Kit, Room, is_site, routes
from services.console.lists import Filters, as_csv, status_of
from services.console.outlets import Own, own_findings
from services.console.peers import part
from services.console.viewer import SignedIn, Viewer

_NOTICES_READ = 500
"""The newest notices that are looked through for terms of appeal; older ones are over."""
_MONTHS = 13
_MEDIA = {"json": "application/json", "csv": "text/csv", "pdf": "application/pdf"}
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
_CSV = (
    "network",
    "waybill",
    "finding_id",
    "kind",
    "amount_yuan",
    "state",
    "reason",
    "clause",
    "appeal_until",
)


def router(kit: Kit) -> APIRouter:
    """`/outlet/{network}/{site}`, its statements and its notices."""
    pages = routes()
    get = kit.services.get

    async def shown(
        request: Request, viewer: Viewer, template: str, network: str, site: str, **values: Any
    ) -> Response:
        """A page of the outlet under what it owes."""
        where = f"{quote(network, safe='')}/{quote(site, safe='')}"
        account, known = await asyncio.gather(
            part(get(viewer.key, "penalties", f"/v1/accounts/{where}")),
            part(get(viewer.key, "intake", f"/v1/sites/{where}")),
        )
        return kit.view.page(
            request,
            template,
            viewer=viewer,
            network=network,
            site=site,
            name=(known.value or {}).get("name", ""),
            account=account,
            now=kit.now(),
            **values,
        )

    @pages.get("/outlet")
    async def own(request: Request, viewer: SignedIn) -> Response:
        query = request.query_params
        network = viewer.network or query.get("network", "").strip()
        site = viewer.site or query.get("site", "").strip().upper()
        if network and site:
            return RedirectResponse(f"/outlet/{quote(network, safe='')}/{quote(site, safe='')}", 303)
        return kit.view.page(request, "outlet/choose.html", viewer=viewer, network=network, site=site)

    @pages.get("/outlet/{network}/{site}")
    async def findings(request: Request, network: str, site: str, viewer: SignedIn) -> Response:
        filters = Filters.of(request, "status", "rule")
        asked = {**filters.given, "network": network, "site": site}
        paging = {"cursor": filters.cursor, "limit": kit.settings.page_rows}
        listed, notices = await asyncio.gather(
            part(get(viewer.key, "arbitration", "/v1/cases", **asked, **paging)),
            part(get(viewer.key, "notify", "/v1/notices", network=network, site=site, limit=_NOTICES_READ)),
        )
        told = [] if notices.error else notices.value["items"]
        rows = [] if listed.error else own_findings(listed.value["items"], site, told, kit.clock.now())
        if request.query_params.get("form") == "csv" and listed.error is None:
            return as_csv(f"findings-{_plain(site)}", _CSV, map(_csv_row, rows))
        return await shown(
            request,
            viewer,
            "outlet/findings.html",
            network,
            site,
            status=status_of(listed),
            listed=listed,
            rows=rows,
            appeals=viewer.site == site and viewer.may("publish"),
            filters=filters,
        )

    @pages.get("/outlet/{network}/{site}/statements")
    async def statements(request: Request, network: str, site: str, viewer: SignedIn) -> Response:
        return await shown(
            request,
            viewer,
            "outlet/statements.html",
            network,
            site,
            months=last_months(kit.now().date(), _MONTHS),
        )

    @pages.get("/outlet/{network}/{site}/statements/{month}")
    async def statement(request: Request, network: str, site: str, month: str, viewer: SignedIn) -> Response:
        if not _MONTH.fullmatch(month):
            raise HTTPException(404)
        path = f"/v1/statements/{quote(network, safe='')}/{quote(site, safe='')}/{month}"
        form = request.query_params.get("form", "")
        if form in _MEDIA:
            body = await kit.services.file(viewer.key, "penalties", path, _MEDIA[form])
            name = f"statement-{_plain(network)}-{_plain(site)}-{month}.{form}"
            headers = {"Content-Type": _MEDIA[form], "Content-Disposition": f'attachment; filename="{name}"'}
            return Response(body, headers=headers)
        listed = await part(get(viewer.key, "penalties", path))
        return await shown(
            request,
            viewer,
            "outlet/statement.html",
            network,
            site,
            status=status_of(listed),
            listed=listed,
            month=month,
        )

    @pages.get("/outlet/{network}/{site}/notices")
    async def notices(request: Request, network: str, site: str, viewer: SignedIn) -> Response:
        filters = Filters.of(request, "state", "waybill")
        paging = {"cursor": filters.cursor, "limit": kit.settings.page_rows}
        listed = await part(
            get(viewer.key, "notify", "/v1/notices", network=network, site=site, **filters.given, **paging)
        )
        return await shown(
            request,
            viewer,
            "outlet/notices.html",
            network,
            site,
            status=status_of(listed),
            listed=listed,
            filters=filters,
            resends=viewer.may("admin") and await resends(kit, viewer),
        )

    return pages


def last_months(today: date, count: int) -> list[str]:
    """`count` months as yyyy-mm, the present one first."""
    months = today.year * 12 + today.month - 1
    return [f"{number // 12}-{number % 12 + 1:02d}" for number in range(months, months - count, -1)]


async def resends(kit: Kit, viewer: Viewer) -> bool:
    """Whether this notify can send a notice again."""
    routes_of = await part(kit.services.get(viewer.key, "notify", "/openapi.json"))
    return "/v1/notices/{notice_id}/resend" in (routes_of.value or {}).get("paths", {})


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "", text)


def _csv_row(row: Own) -> list[Any]:
    case, finding = row.case, row.finding
    return [
        case["network"],
        case["waybill"],
        *(finding[name] for name in ("finding_id", "kind")),
        f"{finding['amount_fen'] / 100:.2f}",
        finding["state"],
        finding["reason"]["zh"],
        finding["clause"]["source"],
        row.due_at,
    ]


ROOM = Room(router, (Item("work", "outlet", "/outlet", is_site),))
