"""Appeals: a site files one, with evidence; an officer decides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from services.console.effects import APPEALABLE, fen_of
from services.console.formats import from_local
from services.console.forms import Form, event_of, read_form
from services.console.history import events_of
from services.console.kit import Kit, Room, routes
from services.console.pages.deciding import Subject, decide
from services.console.viewer import SignedIn, Viewer

EVIDENCE = (
    "contact_log",
    "photo",
    "recipient_statement",
    "outer_damage_statement",
    "value_proof",
    "delivery_copy",
    "other",
)
_CHECKS = ("has_signature", "has_contact", "has_identity_copy", "shows_name", "shows_identity")
OUTCOMES = ("upheld", "changed", "dismissed")


def router(kit: Kit) -> APIRouter:
    """`/cases/{network}/{waybill}/appeal` and `/cases/{network}/{waybill}/decision`."""
    pages = routes()

    async def findings_of(viewer: Viewer, subject: Subject) -> list[dict[str, Any]]:
        case = await kit.services.get(viewer.key, "arbitration", f"/v1/cases/{subject.where}")
        return [one for one in (case["verdict"] or {}).get("findings", []) if one["state"] != "revoked"]

    async def appealed(viewer: Viewer, subject: Subject, finding_id: str) -> dict[str, Any]:
        """The viewer's own finding that the form is about."""
        for finding in await findings_of(viewer, subject):
            if finding["finding_id"] == finding_id and finding["site"] == viewer.site:
                return finding
        raise HTTPException(404)

    @pages.get("/cases/{network}/{waybill}/appeal")
    async def appeal_form(request: Request, network: str, waybill: str, viewer: SignedIn) -> Response:
        subject = Subject(network, waybill)
        form = Form({"finding_id": request.query_params.get("finding", "")})
        finding = await appealed(viewer, subject, form["finding_id"])
        return kit.view.page(
            request,
            "decisions/appeal.html",
            viewer=viewer,
            subject=subject,
            form=form,
            finding=finding,
            evidence=EVIDENCE,
            effect=None,
        )

    @pages.post("/cases/{network}/{waybill}/appeal")
    async def appeal(request: Request, network: str, waybill: str, viewer: SignedIn) -> Response:
        form, subject = await read_form(request), Subject(network, waybill)
        finding = await appealed(viewer, subject, form["finding_id"])
        word = kit.view.word(request)
        form.require(word, "text")
        # Sent twice, the second finds it frozen by the first: that is no error.
        if finding["kind"] not in APPEALABLE or (finding["state"] == "frozen" and not form.confirmed):
            form.errors[""] = word("decision", "not_appealable")
        _check_evidence(kit, form, word)
        return await decide(
            kit,
            request,
            viewer,
            subject,
            form,
            lambda form: _filing(kit, viewer, subject, form),
            "decisions/appeal.html",
            finding=finding,
            evidence=EVIDENCE,
        )

    async def pending(viewer: Viewer, subject: Subject) -> list[dict[str, Any]]:
        """The appeals on the waybill that wait for a decision, each with its finding and its evidence."""
        findings = {one["finding_id"]: one for one in await findings_of(viewer, subject)}
        return undecided(await events_of(kit.services, viewer.key, subject.where), findings)

    @pages.get("/cases/{network}/{waybill}/decision")
    async def decision_form(request: Request, network: str, waybill: str, viewer: SignedIn) -> Response:
        subject = Subject(network, waybill)
        return kit.view.page(
            request,
            "decisions/decision.html",
            viewer=viewer,
            subject=subject,
            form=Form({"appeal_id": request.query_params.get("appeal", "")}),
            appeals=await pending(viewer, subject),
            effect=None,
        )

    @pages.post("/cases/{network}/{waybill}/decision")
    async def decision(request: Request, network: str, waybill: str, viewer: SignedIn) -> Response:
        form, subject = await read_form(request), Subject(network, waybill)
        word = kit.view.word(request)
        form.require(word, "appeal_id", "outcome", "officer", "reason")
        if form["outcome"] == "changed" and fen_of(form["amount_yuan"]) is None:
            form.errors["amount_yuan"] = word("decision", "no_amount")
        return await decide(
            kit,
            request,
            viewer,
            subject,
            form,
            lambda form: [_decided(viewer, subject, form)],
            "decisions/decision.html",
            appeals=await pending(viewer, subject),
        )

    return pages


def undecided(events: list[dict[str, Any]], findings: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The appeals among `events` that no decision answers: each with its finding, and what its site put in evidence since."""
    decided = {one["data"]["appeal_id"] for one in events if one["type"] == "appeal.decided"}
    filed: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["type"] == "appeal.filed" and event["data"]["appeal_id"] not in decided:
            filed.setdefault(event["data"]["appeal_id"], event)
    return [
        {
            **event["data"],
            "time": event["time"],
            "finding": findings.get(event["data"]["finding_id"]),
            "evidence": [
                one["data"]
                for one in events
                if one["type"] == "evidence.submitted" and one["source"] == event["source"]
            ],
        }
        for event in filed.values()
    ]


def _check_evidence(kit: Kit, form: Form, word: Any) -> None:
    """Ask for what a piece of evidence needs; without a kind there is none."""
    if not form["evidence_kind"]:
        return
    if form["amount_yuan"] and fen_of(form["amount_yuan"]) is None:
        form.errors["amount_yuan"] = word("decision", "no_amount")
    if form["evidence_kind"] == "value_proof":
        form.require(word, "amount_yuan")
    if form["contacted_at"] and from_local(form["contacted_at"], kit.zone) is None:
        form.errors["contacted_at"] = word("form", "missing")


def _filing(kit: Kit, viewer: Viewer, subject: Subject, form: Form) -> list[dict[str, Any]]:
    """The evidence, where there is any, and the appeal. They happen at the form's moment."""
    filed = event_of(
        viewer,
        form,
        "appeal.filed",
        str(subject),
        form["at"],
        appeal_id=f"A-{form.form_id[:16]}",
        site=viewer.site,
        finding_id=form["finding_id"],
        text=form["text"],
    )
    if not form["evidence_kind"]:
        return [filed]
    contacted_at = from_local(form["contacted_at"], kit.zone)
    given = event_of(
        viewer,
        form,
        "evidence.submitted",
        str(subject),
        form["at"],
        evidence_id=f"E-{form.form_id[:16]}",
        site=viewer.site,
        kind=form["evidence_kind"],
        purpose=form["purpose"] or None,
        amount_fen=fen_of(form["amount_yuan"]) if form["amount_yuan"] else None,
        contacted_at=contacted_at.isoformat() if contacted_at else None,
        party=form["party"] or None,
        delivered_on=form["delivered_on"] or None,
        sha256=form["sha256"] or None,
        **{name: True for name in _CHECKS if form[name]},
    )
    return [{**given, "id": f"{given['id']}-evidence"}, filed]


def _decided(viewer: Viewer, subject: Subject, form: Form) -> dict[str, Any]:
    changed = form["outcome"] == "changed"
    return event_of(
        viewer,
        form,
        "appeal.decided",
        str(subject),
        form["at"],
        appeal_id=form["appeal_id"],
        outcome=form["outcome"],
        amount_fen=fen_of(form["amount_yuan"]) if changed else None,
        site=(form["site"].upper() or None) if changed else None,
        officer=form["officer"],
        reason=form["reason"],
    )


ROOM = Room(router)
