"""A waybill's whole history through arbitration's routes, page by page."""

from __future__ import annotations

from typing import Any

from services.console.peers import Services

EVENTS_MAX = 5_000
_PAGE_ROWS = 500


async def events_of(services: Services, key: str, where: str) -> list[dict[str, Any]]:
    """The events of the waybill `where` (`network/waybill`, quoted), in order. Raises PeerError."""
    return await _all(services, key, f"/v1/cases/{where}/events")


async def versions_of(services: Services, key: str, where: str) -> list[dict[str, Any]]:
    """The versions of the verdict on `where`, newest first. Raises PeerError."""
    return await _all(services, key, f"/v1/cases/{where}/versions")


async def _all(services: Services, key: str, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(items) < EVENTS_MAX:
        page = await services.get(key, "arbitration", path, limit=_PAGE_ROWS, cursor=cursor)
        items += page["items"]
        if (cursor := page["next"]) is None:
            break
    return items
