"""Scorecards: how networks and sites do, ranked, with the days and rules behind it."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.console import scores
from services.console.drawing.charts import column_chart, share
from services.console.kit import Item, Kit, Room, routes
from services.console.lists import Filters, as_csv, status_of
from services.console.peers import part
from services.console.viewer import SignedIn, Viewer

_DAYS: Final = 28
_DAYS_MAX: Final = 400
_PAGE: Final = 500
_PAGES_MAX: Final = 10
_BAR: Final = 112.0
_CHART: Final = (1120.0, 240.0)
_CSV: Final = (
    "network", "site", "parcels", "late_parcels", "late_rate", "losses", "complaints", "complaints_per_million",
    "escalations", "findings", "amount_fen", "silent_parcels",
)  # fmt: skip


def router(kit: Kit) -> APIRouter:
    """`/scorecards`."""
    pages = routes()

    @pages.get("/scorecards")
    async def scorecards(request: Request, viewer: SignedIn) -> Response:
        filters = Filters.of(request, "network", "site", "from", "to", "by")
        first, last = span_of(filters.asked["from"], filters.asked["to"], kit.now().date())
        order = filters.asked["by"] if filters.asked["by"] in scores.ORDERS else scores.MEASURES[0]
        asked = {name: filters.asked[name] or None for name in ("network", "site")}
        asked |= {"from": first.isoformat(), "to": last.isoformat()}
        sites, days, rules = await asyncio.gather(
            *(part(_all(kit, viewer, group, asked)) for group in ("site", "day", "rule"))
        )
        rows = scores.ranked(sites.value or (), order)
        if request.query_params.get("form") == "csv" and sites.error is None:
            return as_csv(f"scorecards-{first}-{last}", _CSV, [[row[name] for name in _CSV] for row in rows])
        charged = sorted(rules.value or (), key=lambda row: (-row["amount_fen"], -row["findings"]))
        return kit.view.page(
            request,
            "scorecards/scorecards.html",
            viewer=viewer,
            status=status_of(sites),
            filters=filters,
            first=first,
            last=last,
            order=order,
            orders=scores.ORDERS,
            sites=sites,
            days=days,
            rules=rules,
            rows=rows,
            total=scores.total(sites.value or ()),
            networks=scores.by_network(sites.value or ()),
            tops=scores.tops(rows),
            charged=charged,
            charged_top=max((row["amount_fen"] for row in charged), default=0),
            chart=column_chart(
                scores.daily(days.value or (), first, last), width=_CHART[0], height=_CHART[1]
            ),
            bar=_BAR,
            share=share,
        )

    return pages


def span_of(first: str, last: str, today: date) -> tuple[date, date]:
    """The days that the form names; the last four weeks where it names none, or none in order."""
    end = _day(last) or today
    begin = _day(first) or end - timedelta(days=_DAYS - 1)
    if not begin <= end <= begin + timedelta(days=_DAYS_MAX):
        begin = end - timedelta(days=_DAYS - 1)
    return begin, end


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1900 <= day.year <= 2200 else None


async def _all(kit: Kit, viewer: Viewer, group: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """All rows of a group, as far as a page can be read. Raises PeerError."""
    rows: list[dict[str, Any]] = []
    cursor = None
    for _ in range(_PAGES_MAX):
        page = await kit.services.get(
            viewer.key, "arbitration", "/v1/scorecards", group=group, limit=_PAGE, cursor=cursor, **asked
        )
        rows += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    return rows


ROOM = Room(router, (Item("insight", "scorecards", "/scorecards"),))
