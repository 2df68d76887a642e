"""Events with hostile text in every field that takes text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from services.console.event_fields import fields_of
from shared.events import EVENT_TYPES, EventRefused, decode_members
from tests.support.events import ONE_OF_EACH, event

SCRIPT = "\"'><svg/onload=pwned()><script>pwned()</script>{{7*7}}"


def hostile_events(subject: str, begin: datetime) -> Iterator[dict[str, Any]]:
    """A valid event of every type, a minute apart from `begin`, with SCRIPT wherever the contract lets it stand."""
    for number, event_type in enumerate(EVENT_TYPES):
        source, data = ONE_OF_EACH[event_type]
        at = (begin + timedelta(minutes=number)).isoformat()
        made = event(event_type, subject=subject, time=at, id=f"{number}{SCRIPT}"[:64], source=source)
        made["data"] = {**data, "unknown": SCRIPT}
        for field in fields_of(event_type):
            if field.kind == "text" and "." not in field.name:
                tried = {**made, "data": {**made["data"], field.name: SCRIPT}}
                if _is_valid(tried):
                    made = tried
        yield made


def _is_valid(members: dict[str, Any]) -> bool:
    try:
        decode_members(members)
    except EventRefused:
        return False
    return True
