"""The complaint desk's forms: a complaint is opened, received, answered, audited, settled, closed, reopened, escalated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from services.console.desk_acts import ACTS, OPEN, Act, may, said
from services.console.formats import from_local
from services.console.forms import Form, event_of, read_form
from services.console.kit import Kit, Room, routes
from services.console.pages.deciding import Subject, decide
from services.console.viewer import SignedIn, Viewer


class Work(NamedTuple):
    """A form under way: what it records, of which complaint (None: of a new one), and which page comes after it."""

    name: str
    act: Act
    subject: Subject
    complaint_id: str
    complaint: Mapping[str, Any] | None
    done: str


def router(kit: Kit) -> APIRouter:
    """`/complaints/new`, and `/complaint-acts/{name}/{network}/{waybill}/{complaint_id}` for each of ACTS."""
    pages = routes()

    @pages.get("/complaints/new")
    async def opening_form(request: Request, viewer: SignedIn) -> Response:
        query = request.query_params
        network = query.get("network") or viewer.network or ""
        form = Form({"network": network, "waybill": query.get("waybill", "")})
        return shown(request, viewer, opened(viewer, form), form)

    @pages.post("/complaints/new")
    async def opening(request: Request, viewer: SignedIn) -> Response:
        form = await read_form(request)
        form.require(kit.view.word(request), "network", "waybill")
        return await record(request, viewer, opened(viewer, form), form)

    @pages.get("/complaint-acts/{name}/{network}/{waybill}/{complaint_id:path}")
    async def act_form(
        request: Request, name: str, network: str, waybill: str, complaint_id: str, viewer: SignedIn
    ) -> Response:
        work = await known(viewer, name, Subject(network, waybill), complaint_id)
        form = Form(_begun(work.complaint or {}, viewer) | dict(request.query_params))
        return shown(request, viewer, work, form)

    @pages.post("/complaint-acts/{name}/{network}/{waybill}/{complaint_id:path}")
    async def act(
        request: Request, name: str, network: str, waybill: str, complaint_id: str, viewer: SignedIn
    ) -> Response:
        form = await read_form(request)
        return await record(
            request, viewer, await known(viewer, name, Subject(network, waybill), complaint_id), form
        )

    def opened(viewer: Viewer, form: Form) -> Work:
        subject = Subject(form["network"], form["waybill"].upper())
        listed = {**subject._asdict(), "view": "all", "sent": "yes"}
        done = f"/complaints?{urlencode(listed)}"
        return Work("open", _allowed(viewer, OPEN), subject, f"C-{form.form_id[:16]}", None, done)

    async def known(viewer: Viewer, name: str, subject: Subject, complaint_id: str) -> Work:
        """Raises 404 where there is no such form or complaint, or it is none of the viewer's."""
        act = _allowed(viewer, ACTS.get(name))
        asked = {"network": subject.network, "waybill": subject.waybill, "limit": 500}
        listed = await kit.services.get(viewer.key, "arbitration", "/v1/complaints", **asked)
        for complaint in listed["items"]:
            if complaint["complaint_id"] == complaint_id:
                done = f"/complaints/{subject.where}/{quote(complaint_id)}?sent=yes"
                return Work(name, act, subject, complaint_id, complaint, done)
        raise HTTPException(404)

    def shown(request: Request, viewer: Viewer, work: Work, form: Form) -> Response:
        return kit.view.page(
            request,
            "complaints/act.html",
            viewer=viewer,
            subject=work.subject,
            doing=work,
            form=form,
            effect=None,
        )

    async def record(request: Request, viewer: Viewer, work: Work, form: Form) -> Response:
        _check(kit, kit.view.word(request), work.act, form)
        return await decide(
            kit,
            request,
            viewer,
            work.subject,
            form,
            lambda form: [_event(kit, viewer, work, form)],
            "complaints/act.html",
            done=work.done,
            doing=work,
        )

    return pages


def _allowed(viewer: Viewer, act: Act | None) -> Act:
    """Intake would refuse as well; a form that one may not send is not shown."""
    if act is None or not may(viewer, act):
        raise HTTPException(404)
    return act


def _check(kit: Kit, word: Callable[..., str], act: Act, form: Form) -> None:
    form.require(word, *(field.name for field in act.fields if field.required))
    happened = from_local(form["time"], kit.zone)
    if form["time"] and (happened is None or happened > kit.clock.now()):
        form.errors["time"] = word("complaint_act", "not_over")


def _event(kit: Kit, viewer: Viewer, work: Work, form: Form) -> dict[str, Any]:
    """What the form says, at the moment given, else at that of its check."""
    happened = from_local(form["time"], kit.zone)
    time = happened.isoformat() if happened else form["at"]
    data = {"complaint_id": work.complaint_id, **said(work.act, form)}
    return event_of(viewer, form, work.act.type, str(work.subject), time, **data)


def _begun(complaint: Mapping[str, Any], viewer: Viewer) -> dict[str, str]:
    """What is filled in before anybody has: as the complaint stands."""
    known = {name: complaint[name] for name in ("category", "against_site", "class", "subclass")}
    known["site"] = viewer.site or complaint["responsible_site"]
    return {name: value or "" for name, value in known.items()}


ROOM = Room(router)
