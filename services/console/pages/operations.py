"""Operations: what runs, how fast, what waits and what a person has to see to; dead letters and parked waybills."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from services.console.drawing.charts import line_chart
from services.console.forms import Form, read_form
from services.console.kit import Item, Kit, Room, may_administer, routes
from services.console.lists import Filters, status_of
from services.console.masking import code, masked, message
from services.console.peers import Name, part
from services.console.poller import CONSUMING, Full, Poller
from services.console.viewer import SESSION_COOKIE, SignedIn, Viewer
from services.console.vitals import RATES, Sample, alarms, topics_of, waits_since, with_holders
from shared.http.peers import PeerError

_WAIT_S: Final = 1.0
"""How long a stream says nothing at most; so soon it also notices that the session has ended, or the console stops."""
_CHART: Final = (620.0, 240.0)
_LETTERS: Final = 25


def router(kit: Kit) -> APIRouter:
    """`/operations`, its stream, `/operations/dead-letters` and `/operations/parked`."""
    pages = routes()
    poller = Poller(kit.settings, kit.services, kit.clock)

    @pages.get("/operations")
    async def operations(request: Request, viewer: SignedIn) -> HTMLResponse:
        sample = await poller.latest(_admin(viewer).key)
        shown = overview(poller, sample)
        return kit.view.page(request, "operations/operations.html", viewer=viewer, **shown)

    @pages.get("/operations/stream")
    async def stream(request: Request, viewer: SignedIn) -> Response:
        _admin(viewer)
        return StreamingResponse(
            _events(kit, poller, request, viewer),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    @pages.get("/operations/dead-letters")
    async def letters(request: Request, viewer: SignedIn) -> HTMLResponse:
        filters = Filters.of(request, "service", "topic", "reason")
        asked = {**filters.given, "cursor": filters.cursor, "limit": _LETTERS}
        service = consuming(str(asked.pop("service", CONSUMING[0])))
        listed = await part(kit.services.get(_admin(viewer).key, service, "/v1/dead-letters", **asked))
        return kit.view.page(
            request,
            "operations/dead_letters.html",
            viewer=viewer,
            status=status_of(listed),
            listed=listed,
            filters=filters,
            service=service,
            services=CONSUMING,
            letters=[_letter(item) for item in (listed.value or {}).get("items", ())],
        )

    @pages.post("/operations/dead-letters/{service}/{letter_id}/replay")
    async def replay(request: Request, service: str, letter_id: str, viewer: SignedIn) -> Response:
        form = await read_form(request)
        name, path = consuming(service), f"/v1/dead-letters/{quote(letter_id, safe='')}/replay"
        if form["confirmed"] == "change":
            return RedirectResponse(f"/operations/dead-letters?service={name}", 303)
        if form.confirmed:
            try:
                await kit.services.call(_admin(viewer).key, name, "POST", path)
                return RedirectResponse(f"/operations/dead-letters?service={name}", 303)
            except PeerError as error:
                form.refuse(error)
        return _confirm(request, viewer, form, name)

    def _confirm(request: Request, viewer: Viewer, form: Form, service: Name) -> HTMLResponse:
        return kit.view.page(
            request, "operations/replay.html", viewer=_admin(viewer), form=form, service=service
        )

    @pages.get("/operations/parked")
    async def parked(request: Request, viewer: SignedIn) -> HTMLResponse:
        filters = Filters.of(request, "network")
        asked = {**filters.given, "cursor": filters.cursor, "limit": kit.settings.page_rows}
        listed = await part(kit.services.get(_admin(viewer).key, "arbitration", "/v1/parked", **asked))
        return kit.view.page(
            request,
            "operations/parked.html",
            viewer=viewer,
            status=status_of(listed),
            listed=listed,
            filters=filters,
        )

    return pages


def _admin(viewer: Viewer) -> Viewer:
    """The services would refuse as well; here it is said before anything is asked."""
    if not may_administer(viewer):
        raise PeerError(
            "Operations are not shown.",
            cause="The key has not the scope admin.",
            remedy="Use another key.",
            status=403,
        )
    return viewer


def consuming(name: str) -> Name:
    """The service of that name that has dead letters. Raises 404."""
    for known in CONSUMING:
        if known == name:
            return known
    raise HTTPException(404)


def overview(poller: Poller, sample: Sample) -> dict[str, Any]:
    """What the live part of the page shows of `sample`."""
    rates = poller.rates()
    newest = rates[-1][1] if rates and rates[-1][0] == 0 else {}
    series = {
        name: [(ago, found[name]) for ago, found in rates if name in found]
        for name in ("accepted", "journalled", "verdicts")
    }
    topics = topics_of(sample)
    lags = [topic.lag for topic in topics]
    figures = (sample.backlogs.get("arbitration") or {}).get("figures", {})
    oldest = waits_since(figures.get("due_reviews_since"), sample.at)
    known = [backlog for backlog in sample.backlogs.values() if backlog is not None]
    return {
        "sample": sample,
        "rates": {name: newest.get(name) for name in RATES},
        "chart": line_chart(series, span_s=300.0, width=_CHART[0], height=_CHART[1]),
        "topics": topics,
        "lag": None if None in lags or not lags else sum(lag or 0 for lag in lags),
        "oldest": timedelta(seconds=round(oldest.total_seconds())),
        "figures": figures,
        "dead_letters": sum(one["dead_letters"] for one in known),
        "outbox": sum(one["outbox_batches"] for one in known),
        "alarms": alarms(sample, poller.stuck(), poller.samples[0]),
        "processes": with_holders(sample),
        "missing": [name for name, backlog in sample.backlogs.items() if backlog is None],
    }


async def _events(kit: Kit, poller: Poller, request: Request, viewer: Viewer) -> AsyncIterator[bytes]:
    """The live part of the page again and again, until the browser leaves, the session ends or the console stops."""
    stopping: asyncio.Event = request.app.state.stopping
    sessions = request.app.state.sessions
    token = request.cookies.get(SESSION_COOKIE)
    seen = 0.0
    try:
        async with poller.looking(viewer.key) as is_good:
            yield b"retry: 5000\n\n"
            while not stopping.is_set() and is_good() and sessions.viewer_of(token) is not None:
                sample = await poller.wait(seen, _WAIT_S)
                if sample is None:
                    yield b": still here\n\n"
                    continue
                seen = sample.seconds
                page = kit.view.page(
                    request, "operations/_live.html", viewer=viewer, **overview(poller, sample)
                )
                yield b"event: operations\ndata: " + json.dumps(bytes(page.body).decode()).encode() + b"\n\n"
    except Full:
        yield b"retry: 60000\n\n"


def _letter(item: dict[str, Any]) -> dict[str, Any]:
    """A dead letter as it is shown: nothing that a record says is taken on trust, nor quoted in what is wrong with it."""
    errors = [(code(error["pointer"]), message(error["message"])) for error in item["errors"]]
    return {
        **item,
        "key": code(item["key"]),
        "value": masked(item["value"]),
        "bytes": len(item["value"].encode()),
        "errors": errors or [("", message(item["detail"]))],
    }


ROOM = Room(router, (Item("insight", "operations", "/operations", may_administer),))
