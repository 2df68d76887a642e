"""The what-if box: a verdict on events that are stored nowhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from services.console.comparing import changes
from services.console.event_fields import FieldWrong, data_from, fields_of
from services.console.formats import from_local, local, moment_of, pretty
from services.console.forms import Form, problems, read_form
from services.console.kit import Item, Kit, Room, routes
from services.console.pages.case import drawn
from services.console.peers import Part, part
from services.console.rulebooks import Rulebooks
from services.console.viewer import SignedIn, Viewer
from shared.events import EVENT_TYPES
from shared.http.peers import PeerError

_FORM_BYTES_MAX = 2 * 1024 * 1024
_EVENTS_MAX = 500
_FIELD = "data."
_ORDER = ("specversion", "id", "source", "type", "subject", "time", "recordedtime", "data")


class Refused(Exception):
    """A box that cannot be judged: what is wrong, each with its place."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


def router(kit: Kit) -> APIRouter:
    """`/what-if`."""
    pages = routes()
    books = Rulebooks(kit.services)

    @pages.get("/what-if")
    async def box(request: Request, viewer: SignedIn) -> HTMLResponse:
        names = ("network", "waybill", "type")
        values = {name: request.query_params.get(name, "").strip() for name in names}
        values["network"] = values["network"] or viewer.network or ""
        form = Form({**values, "now": local(kit.now(), kit.zone, "%Y-%m-%dT%H:%M:%S"), "events": "[]"})
        if values["network"] and values["waybill"]:
            listed = await kit.services.get(
                viewer.key, "arbitration", f"/v1/cases/{_where(form)}/events", limit=_EVENTS_MAX
            )
            form.values = {**form.values, "events": pretty([_plain(event) for event in listed["items"]])}
        return await shown(request, viewer, form)

    @pages.post("/what-if")
    async def judge(request: Request, viewer: SignedIn) -> HTMLResponse:
        form = await read_form(request, bytes_max=_FORM_BYTES_MAX)
        if form["do"] == "add":
            _add(form, kit, kit.view.word(request))
        return await shown(request, viewer, form)

    async def shown(request: Request, viewer: Viewer, form: Form) -> HTMLResponse:
        word = kit.view.word(request)
        case: dict[str, Any] | None = None
        events: list[dict[str, Any]] = []
        wrong: Sequence[tuple[str, str]] = ()
        try:
            events = _events(form, word)
            if events:
                case = await _dry_run(kit, viewer, form, events, word)
        except Refused as refused:
            wrong = refused.errors
        findings = case["verdict"]["findings"] if case else []
        own = ((case or {}).get("verdict") or {}).get("rulebook") or {}
        return kit.view.page(
            request,
            "whatif/whatif.html",
            viewer=viewer,
            status=422 if wrong else 200,
            form=form,
            wrong=wrong,
            case=case,
            findings=findings,
            rules=await books.described(viewer.key, own.get("id"), findings),
            drawing=drawn(case, events, [], kit) if case else None,
            events=Part({"items": events, "next": None}),
            compared=await _compared(kit, viewer, form, findings) if case else None,
            types=list(EVENT_TYPES),
            fields=fields_of(form["type"]),
        )

    return pages


async def _dry_run(
    kit: Kit, viewer: Viewer, form: Form, events: Sequence[Mapping[str, Any]], word: Any
) -> dict[str, Any]:
    """The case document of the box. Raises Refused; PeerError where arbitration does not judge at all."""
    now = from_local(form["now"], kit.zone)
    if now is None:
        raise Refused(("/now", word("what_if", "no_moment")))
    body = {"network": form["network"], "now": now.isoformat(), "events": events}
    try:
        case: dict[str, Any] = await kit.services.call(
            viewer.key, "arbitration", "POST", "/v1/adjudications", body=body
        )
    except PeerError as error:
        if error.status != 422:
            raise
        raise Refused(*problems(error)) from error
    return case


async def _compared(
    kit: Kit, viewer: Viewer, form: Form, findings: Sequence[Mapping[str, Any]]
) -> list[Any] | None:
    """What differs from the verdict that the waybill has; None where it has none that the viewer may see."""
    if not form["waybill"]:
        return None
    stands = await part(kit.services.get(viewer.key, "arbitration", f"/v1/cases/{_where(form)}"))
    verdict = (stands.value or {}).get("verdict")
    return None if verdict is None else changes(verdict["findings"], findings)


def _events(form: Form, word: Any) -> list[dict[str, Any]]:
    """The events of the box in the order in which they happened. Raises Refused."""
    try:
        events = json.loads(form["events"] or "[]")
    except (ValueError, RecursionError) as error:
        line = f" {error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Refused(("/events", word("what_if", "no_json") + line)) from None
    if isinstance(events, dict):
        events = [events]
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise Refused(("/events", word("what_if", "no_list")))
    if len(events) > _EVENTS_MAX:
        raise Refused(("/events", word("what_if", "too_many", count=_EVENTS_MAX)))
    moments = [moment_of(event.get("time")) for event in events]
    # Where a moment is none, arbitration says so, and of which event.
    return (
        events
        if None in moments
        else [event for _, event in sorted(zip(moments, events, strict=True), key=_when)]
    )


def _when(placed: tuple[Any, Mapping[str, Any]]) -> Any:
    return placed[0]


def _add(form: Form, kit: Kit, word: Any) -> None:
    """Put the event that the form's fields say among the events; what is wrong stays at its field."""
    form.require(word, "network", "waybill", "source", "time")
    given = {name.removeprefix(_FIELD): text for name, text in form.values.items() if name.startswith(_FIELD)}
    form.require(word, *(_FIELD + field.name for field in fields_of(form["type"]) if field.required))
    time = from_local(form["time"], kit.zone)
    if form["time"] and time is None:
        form.errors["time"] = word("what_if", "no_moment")
    try:
        events = _events(form, word)
        data = data_from(form["type"], given, kit.zone)
    except FieldWrong as wrong:
        form.errors[_FIELD + wrong.name] = word("what_if", "no_value")
    except Refused:
        return
    if form.errors or time is None:
        return
    taken = {event.get("id") for event in events}
    added = {
        "specversion": "1.0",
        "id": next(name for i in range(1, len(events) + 2) if (name := f"what-if-{i}") not in taken),
        "source": form["source"] if form["source"].startswith("/") else f"/sites/{form['source']}",
        "type": form["type"],
        "subject": f"{form['network']}/{form['waybill']}",
        "time": time.astimezone(kit.zone).isoformat(),
        "data": data,
    }
    kept = {name: text for name, text in form.values.items() if not name.startswith(_FIELD)}
    form.values = {**kept, "events": pretty([*events, added])}


def _plain(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as listed, as it was sent."""
    return {name: event[name] for name in _ORDER if event.get(name) is not None}


def _where(form: Form) -> str:
    return f"{quote(form['network'], safe='')}/{quote(form['waybill'], safe='')}"


ROOM = Room(router, (Item("insight", "what_if", "/what-if"),))
