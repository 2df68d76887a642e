"""Registers of complaints that offices keep by hand: the queues of a month, and the ranking by complaints per million."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.console.clocks import next_duty
from services.console.kit import Item, Kit, Room, not_a_site, routes
from services.console.lists import Filters, as_csv, status_of
from services.console.pages.complaints import CSV_COLUMNS, csv_row
from services.console.pages.outlet import last_months
from services.console.peers import Part, part
from services.console.ranking import ranked, total
from services.console.viewer import SignedIn, Viewer

QUEUES = ("hard", "claims", "escalated")
_ROWS = 25
"""Rows of a queue on one page: for each of them its case is read."""
_MONTHS = 13
_PAGES_MAX = 20
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


def router(kit: Kit) -> APIRouter:
    """`/registers/complaints` and `/registers/ranking`."""
    pages = routes()
    get = kit.services.get

    @pages.get("/registers/complaints")
    async def queues(request: Request, viewer: SignedIn) -> Response:
        filters = Filters.of(request, "queue", "network", "site", "month", "state")
        queue = filters.asked["queue"] if filters.asked["queue"] in QUEUES else QUEUES[0]
        month = filters.asked["month"] if _MONTH.fullmatch(filters.asked["month"]) else ""
        asked = {name: filters.given.get(name) for name in ("network", "site", "state")}
        if month:
            first, end = bounds(month, kit.zone)
            asked |= {"from": first.isoformat(), "to": end.isoformat()}
        paging = {"cursor": filters.cursor, "limit": _ROWS}
        listed = await part(get(viewer.key, "arbitration", "/v1/complaints", queue=queue, **asked, **paging))
        items = [] if listed.error else listed.value["items"]
        details = await asyncio.gather(*(detail(viewer, queue, one) for one in items))
        if request.query_params.get("form") == "csv" and listed.error is None:
            rows = ([*csv_row(one), more["csv"]] for one, more in zip(items, details, strict=True))
            return as_csv(f"complaints-{queue}", (*CSV_COLUMNS, "detail"), rows)
        return kit.view.page(
            request,
            "registers/queues.html",
            viewer=viewer,
            status=status_of(listed),
            listed=listed,
            rows=list(zip(items, details, strict=True)),
            filters=filters,
            queue=queue,
            queues=QUEUES,
            month=month,
            months=last_months(kit.now().date(), _MONTHS),
            next_duty=next_duty,
            now=kit.now(),
        )

    async def detail(viewer: Viewer, queue: str, one: Mapping[str, Any]) -> dict[str, Any]:
        """What a queue shows beside a complaint: a claim's money, or who took it up; nothing where that cannot be read."""
        where = f"{quote(one['network'], safe='')}/{quote(one['waybill'], safe='')}"
        if queue == "claims":
            case = await part(get(viewer.key, "arbitration", f"/v1/cases/{where}"))
            return claim((case.value or {}).get("verdict"))
        if queue == "escalated":
            events = await part(get(viewer.key, "arbitration", f"/v1/cases/{where}/events", limit=500))
            return taken_up((events.value or {}).get("items", []), one["complaint_id"])
        return {"csv": ""}

    @pages.get("/registers/ranking")
    async def ranking(request: Request, viewer: SignedIn) -> Response:
        filters = Filters.of(request, "network", "month", "by")
        months = last_months(kit.now().date(), _MONTHS)
        month = filters.asked["month"] if _MONTH.fullmatch(filters.asked["month"]) else months[0]
        by = "complaints" if filters.asked["by"] == "complaints" else "escalations"
        network = filters.asked["network"] or viewer.network or ""
        listed = await part(cards(viewer, network, month)) if network else Part([])
        rows = ranked(listed.value or [], by)
        if request.query_params.get("form") == "csv" and listed.error is None:
            names = ("rank", "site", "parcels", "complaints", "complaints_per_million", "escalations")
            values = (
                [
                    row.rank,
                    *(row.card[name] for name in ("site", "parcels", "complaints")),
                    row.complaints_rate,
                    row.card["escalations"],
                    row.escalations_rate,
                ]
                for row in rows
            )
            return as_csv(f"ranking-{month}", (*names, "escalations_per_million"), values)
        return kit.view.page(
            request,
            "registers/ranking.html",
            viewer=viewer,
            status=status_of(listed),
            listed=listed,
            rows=rows,
            total=total(listed.value or []),
            worst=max([0.0, *(_rate(row, by) for row in rows)]),
            filters=filters,
            network=network,
            month=month,
            months=months,
            by=by,
        )

    async def cards(viewer: Viewer, network: str, month: str) -> list[dict[str, Any]]:
        """Every site's card of a month."""
        first, end = bounds(month, kit.zone)
        days = {"from": first.date().isoformat(), "to": (end.date() - timedelta(days=1)).isoformat()}
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(_PAGES_MAX):
            page = await get(
                viewer.key,
                "arbitration",
                "/v1/scorecards",
                network=network,
                group="site",
                cursor=cursor,
                limit=500,
                **days,
            )
            found += page["items"]
            if (cursor := page["next"]) is None:
                break
        return found

    return pages


def bounds(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first moment of a month yyyy-mm, and of the one after it."""
    year, number = int(month[:4]), int(month[5:])
    first = datetime(year, number, 1, tzinfo=zone)
    return first, datetime(year + number // 12, number % 12 + 1, 1, tzinfo=zone)


def claim(verdict: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a verdict says of a claim: the compensation by site and receiver, and what waits for proof."""
    standing = [one for one in (verdict or {}).get("findings", []) if one["state"] != "revoked"]
    paid = [one for one in standing if one["kind"] == "compensation"]
    waits = [one for one in standing if one["kind"] == "liability"]
    refused = [one for one in standing if one["kind"] == "rejection"]
    amount_fen = sum(one["amount_fen"] for one in paid)
    settled_fen = sum(int(one["calculation"].get("paid_fen") or 0) for one in paid)
    return {
        "compensation": paid,
        "liability": waits,
        "rejection": refused,
        "amount_fen": amount_fen,
        "paid_fen": settled_fen,
        "csv": f"{amount_fen / 100:.2f}" if paid else "",
    }


def taken_up(events: Sequence[Mapping[str, Any]], complaint_id: str) -> dict[str, Any]:
    """Who took a complaint up, when and about what."""
    found = [
        {**one["data"], "time": one["time"]}
        for one in events
        if one["type"] == "complaint.escalated" and one["data"].get("complaint_id") == complaint_id
    ]
    return {"taken_up": found, "csv": " ".join(one["body"] for one in found)}


def _rate(row: Any, by: str) -> float:
    return float(row.escalations_rate if by == "escalations" else row.complaints_rate)


ROOM = Room(
    router,
    (
        Item("registers", "queues", "/registers/complaints", not_a_site),
        Item("registers", "ranking", "/registers/ranking", not_a_site),
    ),
)
