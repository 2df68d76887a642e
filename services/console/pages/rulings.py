"""Officers' rulings: a finding is added, changed or removed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.console.effects import fen_of
from services.console.forms import Form, event_of, read_form
from services.console.kit import Kit, Room, routes
from services.console.pages.deciding import Subject, decide
from services.console.viewer import SignedIn, Viewer

ACTIONS = ("add", "change", "remove")


def router(kit: Kit) -> APIRouter:
    """`/cases/{network}/{waybill}/ruling`."""
    pages = routes()

    async def findings_of(viewer: Viewer, subject: Subject) -> list[dict[str, Any]]:
        case = await kit.services.get(viewer.key, "arbitration", f"/v1/cases/{subject.where}")
        return [*(case["verdict"] or {}).get("findings", [])]

    @pages.get("/cases/{network}/{waybill}/ruling")
    async def ruling_form(request: Request, network: str, waybill: str, viewer: SignedIn) -> Response:
        subject, query = Subject(network, waybill), request.query_params
        names = {"finding_id": "finding", "action": "action"}
        return kit.view.page(
            request,
            "decisions/ruling.html",
            viewer=viewer,
            subject=subject,
            form=Form({name: query.get(given, "") for name, given in names.items()}),
            findings=await findings_of(viewer, subject),
            effect=None,
        )

    @pages.post("/cases/{network}/{waybill}/ruling")
    async def ruling(request: Request, network: str, waybill: str, viewer: SignedIn) -> Response:
        form, subject = await read_form(request), Subject(network, waybill)
        findings = await findings_of(viewer, subject)
        finding = next((one for one in findings if one["finding_id"] == form["finding_id"]), None)
        word = kit.view.word(request)
        form.require(word, "action", "officer", "reason")
        if form["action"] == "add":
            form.require(word, "rule", "site", "amount_yuan")
        elif finding is None:
            form.errors["finding_id"] = word("form", "missing")
        if form["action"] != "remove" and fen_of(form["amount_yuan"]) is None:
            form.errors["amount_yuan"] = word("decision", "no_amount")
        return await decide(
            kit,
            request,
            viewer,
            subject,
            form,
            lambda form: [_ruled(viewer, subject, form, finding)],
            "decisions/ruling.html",
            findings=findings,
        )

    return pages


def _ruled(viewer: Viewer, subject: Subject, form: Form, finding: dict[str, Any] | None) -> dict[str, Any]:
    """The ruling. One that is added names rule and site itself; the others have those of their finding unless moved."""
    added = form["action"] == "add" or finding is None
    return event_of(
        viewer,
        form,
        "ruling.made",
        str(subject),
        form["at"],
        ruling_id=f"R-{form.form_id[:16]}",
        action=form["action"],
        finding_id=None if added else form["finding_id"],
        rule=form["rule"].upper() if added or finding is None else finding["rule"],
        site=form["site"].upper() or (finding or {}).get("site"),
        amount_fen=None if form["action"] == "remove" else fen_of(form["amount_yuan"]),
        to=form["to"] or None,
        officer=form["officer"],
        reason=form["reason"],
    )


ROOM = Room(router)
