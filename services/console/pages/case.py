"""One case: custody drawn, findings beside their clauses, versions, money and notices, now or as known at a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from services.console.clocks import next_duty
from services.console.comparing import Step, steps
from services.console.desk_acts import OPEN, may, next_offer
from services.console.drawing.timeline import Moment, Timeline, draw
from services.console.formats import from_local, moment_of
from services.console.kit import Kit, Room, routes
from services.console.peers import Part, part
from services.console.rulebooks import Rulebooks
from services.console.viewer import SignedIn

_RECORDS_MAX = 500


def router(kit: Kit) -> APIRouter:
    """`/cases/{network}/{waybill}`."""
    pages = routes()
    books = Rulebooks(kit.services)

    @pages.get("/cases/{network}/{waybill}")
    async def case(request: Request, network: str, waybill: str, viewer: SignedIn) -> HTMLResponse:
        where = f"{quote(network, safe='')}/{quote(waybill, safe='')}"
        asked = request.query_params.get("as_of", "")
        as_of = from_local(asked, kit.zone)
        get, key = kit.services.get, viewer.key
        about = {"network": network, "waybill": waybill, "limit": _RECORDS_MAX}
        opened, versions, events, entries, notices = await asyncio.gather(
            get(key, "arbitration", f"/v1/cases/{where}", as_of=as_of and as_of.isoformat()),
            part(get(key, "arbitration", f"/v1/cases/{where}/versions", limit=100)),
            part(get(key, "arbitration", f"/v1/cases/{where}/events", limit=_RECORDS_MAX)),
            part(get(key, "penalties", f"/v1/waybills/{where}/entries", limit=_RECORDS_MAX)),
            part(get(key, "notify", "/v1/notices", **about)),
        )
        complaints = Part({"items": []})
        if as_of is None and _may_have_complaints(events):
            complaints = await part(get(key, "arbitration", "/v1/complaints", **about))
        changes_at = _changes_at(items(events), items(versions))
        if as_of is not None:
            versions, entries = _until(versions, "decided_at", as_of), _until(entries, "posted_at", as_of)
            events, notices = _until(events, "recordedtime", as_of), _until(notices, "created_at", as_of)
        findings = (opened["verdict"] or {}).get("findings", [])
        rules = await books.described(key, _book(opened), findings)
        word = kit.view.word(request)
        lines = _lines(opened, items(notices), as_of, word)
        return kit.view.page(
            request,
            "case/case.html",
            viewer=viewer,
            case=opened,
            findings=findings,
            rules=rules,
            steps=_steps(versions),
            versions=versions,
            events=events,
            entries=entries,
            notices=notices,
            complaints=complaints,
            next_duty=next_duty,
            next_offer=partial(next_offer, viewer),
            opens=may(viewer, OPEN),
            drawing=drawn(opened, items(events), lines, kit),
            as_of=as_of,
            not_a_moment=bool(asked) and as_of is None,
            changes_at=changes_at,
            offset_s=int((kit.now().utcoffset() or timedelta()).total_seconds()),
            shared_as_of=(as_of or kit.now()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    return pages


def items(listed: Part) -> list[dict[str, Any]]:
    """The items of a list, none where it could not be read."""
    found: list[dict[str, Any]] = (listed.value or {}).get("items", [])
    return found


def drawn(
    case: Mapping[str, Any], events: Sequence[Mapping[str, Any]], lines: Sequence[Moment], kit: Kit
) -> Timeline | None:
    """The drawing of a case document and its events."""
    return draw(case["custody"], (case["verdict"] or {}).get("findings", []), events, lines, kit.zone)


def _until(listed: Part, name: str, as_of: datetime) -> Part:
    """`listed` without what came after `as_of`, by its member `name`."""
    if listed.value is None:
        return listed
    kept = [item for item in items(listed) if (at := moment_of(item.get(name) or "")) is None or at <= as_of]
    return Part({**listed.value, "items": kept})


def _may_have_complaints(events: Part) -> bool:
    """Most waybills have none, and their page need not wait for a list of them."""
    opened = any(event["type"] == "complaint.opened" for event in items(events))
    return opened or events.value is None or bool(events.value.get("next"))


def _changes_at(events: Sequence[Mapping[str, Any]], versions: Sequence[Mapping[str, Any]]) -> list[str]:
    """The moments at which what was known or decided changed: the steps of the slider."""
    texts = [*(event.get("recordedtime") for event in events), *(one["decided_at"] for one in versions)]
    moments = {moment.replace(microsecond=0) for text in texts if (moment := moment_of(text)) is not None}
    # The second after, so that what came within the second is known.
    return [
        datetime.fromtimestamp(at.timestamp() + 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for at in sorted(moments)
    ]


def _steps(versions: Part) -> list[Step]:
    whole = versions.value is not None and not versions.value.get("next")
    return steps(items(versions), whole=whole)


def _book(case: Mapping[str, Any]) -> str | None:
    rulebook = (case["verdict"] or {}).get("rulebook")
    return rulebook["id"] if rulebook else None


def _lines(
    case: Mapping[str, Any], notices: Sequence[Mapping[str, Any]], as_of: datetime | None, word: Any
) -> list[Moment]:
    """The lines besides the findings' terms: until when one may appeal, the next review, the moment asked for."""
    due = [(notice["due_at"], str(notice["site"])) for notice in notices if notice.get("due_at")]
    found = [
        Moment(at, "appeal", word("case", "due_at"), site)
        for text, site in dict.fromkeys(due)
        if (at := moment_of(text)) is not None
    ]
    review = moment_of(case["next_review_at"])
    if review is not None:
        found.append(Moment(review, "review", word("case", "next_review_at")))
    if as_of is not None:
        found.append(Moment(as_of, "now", word("case", "as_of")))
    return found


ROOM = Room(router)
