"""The case document: one waybill as people see it (contract.md §4). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from services.arbitration.domain import Decision
from services.arbitration.stream import Stream
from shared.events import Event, personal_members
from shared.events.outputs import VerdictData

MASK = "•••"
"""What stands for a person's data where the reader may not see it."""
_verdict = msgspec.json.Decoder(VerdictData)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class CaseState(NamedTuple):
    """A waybill's decision at a moment, with its events in order and the number of conflicting copies."""

    subject: str
    decision: Decision
    events: Sequence[Event]
    conflicts: int


def shown_verdict(verdict: VerdictData) -> dict[str, Any]:
    """A verdict version as the API shows it."""
    shown: dict[str, Any] = msgspec.to_builtins(verdict)
    for name in ("network", "waybill", "status", "origin"):
        del shown[name]
    return shown


def issued_by(versions: Sequence[bytes], moment: datetime) -> tuple[int, dict[str, datetime]]:
    """The last of the versions issued up to `moment` (0: none), and when its findings were first issued.

    As the table of findings has it: what was revoked would be issued anew, at `moment`, should it come back.
    """
    version = 0
    first: dict[str, datetime] = {}
    revoked: set[str] = set()
    for body in versions:
        verdict = _verdict.decode(body)
        version = verdict.version
        for finding in verdict.findings:
            if finding.finding_id not in first or (
                finding.finding_id in revoked and finding.state != "revoked"
            ):
                first[finding.finding_id] = verdict.decided_at
        revoked = {finding.finding_id for finding in verdict.findings if finding.state == "revoked"}
    return version, {finding: moment if finding in revoked else at for finding, at in first.items()}


def stored_verdict(body: bytes) -> dict[str, Any]:
    """The stored JSON of a verdict version as the API shows it."""
    return shown_verdict(_verdict.decode(body))


def document(state: CaseState, verdict: dict[str, Any] | None, *, pending: int) -> dict[str, Any]:
    """The case document. `pending`: events that the verdict shown has not seen."""
    network, _, waybill = state.subject.partition("/")
    return {
        "network": network,
        "waybill": waybill,
        "status": state.decision.status,
        "verdict": verdict,
        "custody": state.decision.custody,
        "next_review_at": _moment(state.decision.next_review_at),
        "events": len(state.events),
        "conflicts": state.conflicts,
        "pending": pending,
    }


def computed_verdict(decision: Decision, version: int, now: datetime, code_version: str) -> dict[str, Any]:
    """What would be decided at `now`, in the shape of an issued verdict."""
    return {
        "version": version,
        "decided_at": _moment(now),
        "rulebook": msgspec.to_builtins(decision.rulebook),
        "code_version": code_version,
        "findings": msgspec.to_builtins([*decision.findings, *decision.overturned]),
    }


def concerns(site: str, state: CaseState, verdict: dict[str, Any] | None) -> bool:
    """Whether the waybill concerns `site`: it held the parcel, spoke, was spoken to, is found liable or receives money."""
    if any(link["site"] == site for link in state.decision.custody):
        return True
    for finding in (verdict or {}).get("findings", ()):
        if finding["site"] == site or any(award["to"] == site for award in finding["awards"]):
            return True
    names = ("site", "to_site", "against_site", "next_site", "with_site")
    return any(
        event.source_site == site or any(getattr(event.data, name, None) == site for name in names)
        for event in state.events
    )


def shown_event(event: Event, body: bytes, reader_site: str | None) -> dict[str, Any]:
    """One event for a reader, as it was received.

    A site that did not send it sees only the members of the contract, since nobody knows what others hold, and of those
    what tells about a person is masked.
    """
    if reader_site is None or event.source_site == reader_site:
        return {**_members.decode(body), "recordedtime": _moment(event.recordedtime)}
    shown: dict[str, Any] = msgspec.to_builtins(event)
    for name in personal_members(type(event)):
        if shown["data"].get(name) is not None:
            shown["data"][name] = MASK
    return shown


def shown_details(
    details: Mapping[str, Any], persons: Mapping[str, str | None], reader_site: str | None
) -> dict[str, Any]:
    """What a register's line says, for a reader: a site sees of persons only its own (`persons`: whose each detail is)."""
    return {
        name: MASK
        if value is not None and reader_site is not None and persons.get(name, reader_site) != reader_site
        else value
        for name, value in details.items()
    }


def known_at(stream: Stream, as_of: datetime) -> Stream:
    """The copies that were recorded by `as_of`."""
    kept = [
        i
        for i, event in enumerate(stream.events)
        if event.recordedtime is None or event.recordedtime <= as_of
    ]
    bodies = None if stream.bodies is None else [stream.bodies[i] for i in kept]
    return Stream([stream.events[i] for i in kept], bodies)


def _moment(moment: datetime | None) -> Any:
    return None if moment is None else msgspec.to_builtins(moment)
