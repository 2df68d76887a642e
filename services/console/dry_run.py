"""What a decision would do, before it is taken: arbitration judges the waybill's events without it and with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Any

from services.console.effects import Effect, effect, first_issued
from services.console.formats import moment_of
from services.console.history import events_of, versions_of
from services.console.peers import Services, part
from shared.http.peers import PeerError


async def effect_of(
    services: Services, key: str, network: str, where: str, added: Sequence[dict[str, Any]], now: datetime
) -> Effect:
    """The difference that the events `added` make to the waybill `where` (`network/waybill`, quoted) at `now`.

    Both sides are judged alike, by what the viewer's key may read. Raises PeerError; where an added event is refused, its
    `errors` point into it.
    """
    events, versions, sites, exemptions = await asyncio.gather(
        _known(events_of(services, key, where)),
        _known(versions_of(services, key, where)),
        part(services.get(key, "intake", "/v1/sites", network=network, limit=500)),
        part(services.get(key, "intake", "/v1/exemptions", network=network, limit=500)),
    )
    facts = {
        "first_issued": first_issued(versions),
        "sites": (sites.value or {}).get("items", []),
        "exemptions": (exemptions.value or {}).get("items", []),
    }
    # A sender's clock may run a little ahead of this one.
    known = [moment for event in [*events, *added] for moment in _moments(event)]
    asked = {"network": network, "now": max([now, *known]).isoformat(), "facts": facts}

    async def findings(judged: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        if not judged:
            return []
        body = {**asked, "events": list(judged)}
        document = await services.call(key, "arbitration", "POST", "/v1/adjudications", body=body)
        found: list[dict[str, Any]] = document["verdict"]["findings"]
        return found

    before, after = await asyncio.gather(findings(events), findings([*events, *added]))
    return effect(before, after)


async def _known(history: Awaitable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The history of a waybill; none where nobody has heard of it: its first event is about to be told."""
    try:
        return await history
    except PeerError as error:
        if error.status != 404:
            raise
        return []


def _moments(event: dict[str, Any]) -> list[datetime]:
    return [at for name in ("time", "recordedtime") if (at := moment_of(event.get(name))) is not None]
