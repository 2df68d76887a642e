"""A complaint's clocks: what is to be done next, and which complaint presses most. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from services.console.formats import moment_of

TERMS = ("forwarded", "contacted", "progress_told", "settled", "followed_up")
"""The duties on a complaint in the order in which they fall due (rules.md §4)."""


class Duty(NamedTuple):
    """The next thing to be done on a complaint: until when, and whether that is over."""

    term: str
    due_at: datetime
    overdue: bool


def next_duty(complaint: Mapping[str, Any]) -> Duty | None:
    """The duty longest overdue, else the one due first; None where nothing is waited for."""
    clocks = complaint["clocks"]
    # Reopening starts no new term of settlement: SD-03 looks at the first one.
    done = {"contacted", "settled"} if clocks["first_settled_at"] else set()
    late = {one["term"] for one in complaint["overdue"]}
    due = [
        Duty(term, moment, term in late)
        for term in TERMS
        if clocks[term]["at"] is None
        and term not in done
        and (moment := moment_of(clocks[term]["due_at"])) is not None
    ]
    return min(due, key=lambda duty: (not duty.overdue, duty.due_at), default=None)


def pressing(complaint: Mapping[str, Any]) -> tuple[bool, bool, float]:
    """A key that sorts what is overdue longest first, then what falls due next, then what nothing is waited for."""
    duty = next_duty(complaint)
    return (duty is None, duty is not None and not duty.overdue, duty.due_at.timestamp() if duty else 0.0)
