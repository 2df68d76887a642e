"""The dry run: a case document from events that are nowhere stored (`POST /v1/adjudications`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.arbitration.domain.decision import decide
from services.arbitration.rules.facts import facts_from_members
from services.arbitration.rules.library import OverrideError, Rulebooks
from services.arbitration.rules.stream import distinct
from shared.events import Event, EventRefused, FieldError, decode_members


class AdjudicationRefused(ValueError):
    """A dry run that cannot be made. `errors` points at what is wrong."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.pointer}: {error.message}" for error in errors))
        self.errors = list(errors)


def adjudicate(request: Mapping[str, Any], rulebooks: Rulebooks) -> dict[str, Any]:
    """Judge the events of `request` at its `now` and return the case document of contract.md §4.

    `request`: `{"network", "now", "events", "facts"?, "rulebook"?}` as parsed from JSON. Events may leave out
    `recordedtime` (it then equals `time`). Raises AdjudicationRefused with pointers to everything that is wrong.
    """
    now = _moment(request.get("now"), "/now")
    network = request.get("network")
    given = request.get("events")
    errors: list[FieldError] = []
    if not isinstance(network, str) or not network:
        errors.append(FieldError("/network", "must be the network's code"))
    if not isinstance(given, list):
        errors.append(FieldError("/events", "must be a list of events"))
    if errors:
        raise AdjudicationRefused(errors)
    assert isinstance(network, str)
    assert isinstance(given, list)
    events, bodies = _events(given, network, now)
    facts = _converted("/facts", lambda: facts_from_members(request.get("facts") or {}))
    books = _converted("/rulebook", lambda: _overridden(rulebooks, request.get("rulebook")))
    known, conflicts = distinct(events, bodies)
    decision = decide(known, facts, books, now, network)
    standing = {finding.finding_id for finding in decision.findings}
    gone = [finding for finding in decision.overturned if finding.finding_id not in standing]
    return {
        "network": network,
        "waybill": events[0].waybill if events else None,
        "status": decision.status,
        "verdict": {
            "version": 1,
            "decided_at": now,
            "rulebook": decision.rulebook,
            "findings": [*decision.findings, *gone],
        },
        "custody": decision.custody,
        "exemptions": decision.exemptions,
        "next_review_at": decision.next_review_at,
        "events": len(known),
        "conflicts": len(conflicts),
        "pending": 0,
    }


def _events(given: list[Any], network: str, now: datetime) -> tuple[list[Event], list[bytes]]:
    events: list[Event] = []
    bodies: list[bytes] = []
    errors: list[FieldError] = []
    subject: str | None = None
    for index, members in enumerate(given):
        pointer = f"/events/{index}"
        if not isinstance(members, dict):
            errors.append(FieldError(pointer, "must be an event, a JSON object"))
            continue
        try:
            event = decode_members(
                members if members.get("recordedtime") else {**members, "recordedtime": members.get("time")}
            )
        except EventRefused as refused:
            errors += [FieldError(pointer + error.pointer, error.message) for error in refused.errors]
            continue
        subject = subject or event.subject
        errors += _misplaced(event, pointer, subject, network, now)
        events.append(event)
        bodies.append(msgspec.json.encode(members))
    if errors:
        raise AdjudicationRefused(errors)
    return events, bodies


def _misplaced(event: Event, pointer: str, subject: str, network: str, now: datetime) -> list[FieldError]:
    errors = []
    if event.network != network:
        errors.append(FieldError(f"{pointer}/subject", f"belongs to another network than {network}"))
    if event.subject != subject:
        errors.append(
            FieldError(f"{pointer}/subject", f"all events are of one waybill; the first is of {subject}")
        )
    for name, moment in (("time", event.time), ("recordedtime", event.recordedtime)):
        if moment is not None and moment > now:
            errors.append(FieldError(f"{pointer}/{name}", "lies after `now`, the moment of judgement"))
    return errors


def _moment(value: Any, pointer: str) -> datetime:
    try:
        moment = msgspec.convert(value, datetime)
    except msgspec.ValidationError as error:
        raise AdjudicationRefused([FieldError(pointer, str(error))]) from error
    if moment.tzinfo is None:
        raise AdjudicationRefused([FieldError(pointer, "needs its offset, as 2026-03-04T07:30:00+08:00")])
    return moment


def _overridden(rulebooks: Rulebooks, overrides: Any) -> Rulebooks:
    if not overrides:
        return rulebooks
    return rulebooks.overridden(msgspec.convert(overrides, dict[str, dict[str, int]]))


def _converted(pointer: str, make: Any) -> Any:
    try:
        return make()
    except OverrideError as error:
        raise AdjudicationRefused([FieldError(pointer + error.pointer, str(error))]) from error
    except (msgspec.ValidationError, AttributeError) as error:
        raise AdjudicationRefused([FieldError(pointer, str(error))]) from error
