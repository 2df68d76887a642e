"""What may be recorded of a complaint in the console: by which event, with which fields, by whom, and when it is offered. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from services.console.clocks import next_duty
from services.console.forms import Form
from services.console.viewer import Viewer

_DESKS: Final = frozenset({"desk", "operator"})
_AND_SITES: Final = _DESKS | {"site"}
_AND_REGULATORS: Final = _DESKS | {"regulator"}
_STANDING: Final = ("open", "contacted", "settled")
_ALWAYS: Final = (*_STANDING, "closed")
_ANSWERS: Final = {"yes": True, "no": False}


class Field(NamedTuple):
    """A field of a form, named as the event's member. A `check` and a `yes_no` stand for a boolean.

    `group`: of the words that a choice offers, all of them where no `options` are named.
    """

    name: str
    kind: str = "text"
    group: str = ""
    options: tuple[str, ...] = ()
    required: bool = False


class Act(NamedTuple):
    """A form of the desk: its event, which roles may say that (contract.md §3), and of complaints in which states."""

    type: str
    fields: tuple[Field, ...]
    roles: frozenset[str] = _DESKS
    states: tuple[str, ...] = _STANDING


_SITE: Final = Field("site", required=True)
_TEXT: Final = Field("text", "textarea")
_CATEGORY: Final = Field("category", "select", "complaint_category", required=True)
_CLOSING: Final = (
    Field("satisfied", "yes_no", "complaint_form", ("yes", "no")),
    Field("class", "select", "complaint_class", required=True),
    Field("subclass"),
)
_MAJOR: Final = ("violation", "reputation", "regulator", "litigation")

OPEN: Final = Act(
    "complaint.opened",
    (
        Field("channel", "select", "complaint_channel", required=True),
        _CATEGORY,
        Field("claimant", "select", "complaint_claimant", required=True),
        Field("against_site"),
        _TEXT,
        Field("major", "check"),
        Field("major_ground", "select", "complaint_ground", _MAJOR),
    ),
)
ACTS: Final = {
    "receive": Act("complaint.received", (_SITE,), _AND_SITES, ("open", "contacted")),
    "reply": Act(
        "reply.registered",
        (
            _SITE,
            Field("outcome", "select", "complaint_outcome", required=True),
            Field("text", "textarea", required=True),
            Field("special_reason"),
        ),
        _AND_SITES,
    ),
    "audit": Act(
        "reply.audited", (_SITE, Field("result", "select", "complaint_audit", required=True)), states=_ALWAYS
    ),
    "settle": Act("complaint.handled", (_SITE,), states=("open", "contacted")),
    "close": Act("complaint.closed", _CLOSING),
    "classify": Act("complaint.closed", _CLOSING, states=("closed",)),
    "reopen": Act("complaint.reopened", (_TEXT,), states=("settled", "closed")),
    "flag": Act(
        "complaint.flagged",
        (
            Field("ground", "select", "complaint_ground", ("violation", "customer_risk"), required=True),
            _TEXT,
        ),
    ),
    "escalate": Act(
        "complaint.escalated",
        (
            Field("escalation_id", required=True),
            Field("body", "select", "complaint_body", required=True),
            _CATEGORY,
            Field("against_site"),
        ),
        _AND_REGULATORS,
        _ALWAYS,
    ),
}
"""What is recorded of a complaint that is known, by the name of its form."""
_NEXT: Final = {
    "contacted": ("reply", "contacted"),
    "progress_told": ("reply", "progress"),
    "settled": ("settle", ""),
    "followed_up": ("close", ""),
}


class Offer(NamedTuple):
    """The form that does the next thing, and the outcome with which it begins, "" where it has none."""

    name: str
    outcome: str


def may(viewer: Viewer, act: Act) -> bool:
    """Whether the viewer may record such a thing at all."""
    return viewer.may("publish") and viewer.role in act.roles


def offers(viewer: Viewer, complaint: Mapping[str, Any]) -> list[str]:
    """The forms that fit the complaint as it stands."""
    done = {"receive"} if complaint["clocks"]["received_at"] else set()
    return [
        name
        for name, act in ACTS.items()
        if complaint["state"] in act.states and may(viewer, act) and name not in done
    ]


def next_offer(viewer: Viewer, complaint: Mapping[str, Any]) -> Offer | None:
    """What does the complaint's next duty, where the viewer may; what came back without a new term is settled again."""
    duty = next_duty(complaint)
    offer = _NEXT.get(duty.term if duty else "settled")
    return Offer(*offer) if offer and offer[0] in offers(viewer, complaint) else None


def said(act: Act, form: Form) -> dict[str, Any]:
    """The members of the event that a filled form sends; None for what is left empty."""
    return {field.name: _member(field, form[field.name]) for field in act.fields}


def _member(field: Field, text: str) -> Any:
    if field.kind == "check":
        return True if text else None
    if field.kind == "yes_no":
        return _ANSWERS.get(text)
    return (text.upper() if field.name.endswith("site") else text) or None
