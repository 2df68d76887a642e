"""A form for an event of any type, from the contract's types and back."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from services.console.event_fields import FieldWrong, data_from, fields_of
from shared.events import EVENT_TYPES, decode_members
from tests.support.events import ONE_OF_EACH, event

ZONE = ZoneInfo("Asia/Shanghai")


def flat(data: dict[str, object], prefix: str = "") -> dict[str, str]:
    """Data as a form sends it."""
    found: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_type_has_a_form_that_says_the_same(event_type: str) -> None:
    data = ONE_OF_EACH[event_type][1]
    assert {field.name for field in fields_of(event_type) if field.required} <= set(flat(data))
    said = data_from(event_type, flat(data), ZONE)
    assert said == data
    decode_members({**event(event_type), "data": said})


def test_moments_are_local_and_what_is_empty_is_left_out() -> None:
    said = data_from(
        "signature.recorded", {"signed_at": "2026-03-01T10:00", "site": "", "photo.legible": "false"}, ZONE
    )
    assert said == {"signed_at": "2026-03-01T10:00:00+08:00", "photo": {"legible": False}}


@pytest.mark.parametrize(
    ("event_type", "name", "text"),
    [
        ("scan.collected", "freight_fen", "ten"),
        ("scan.collected", "cod_due_on", "tomorrow"),
        ("signature.recorded", "signed_at", "soon"),
    ],
)
def test_what_is_no_value_is_refused_at_its_field(event_type: str, name: str, text: str) -> None:
    with pytest.raises(FieldWrong) as wrong:
        data_from(event_type, {name: text}, ZONE)
    assert wrong.value.name == name


def test_an_unknown_type_has_no_fields() -> None:
    assert fields_of("nobody.knows") == ()
