"""Nothing of a person in what an operator sees of a dead letter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.masking import MASK, code, masked, message
from shared.events import EVENT_CLASSES, personal_members

PERSON = "Zhang San"


def shown(document: Any) -> Any:
    text = masked(json.dumps(document))
    assert text is not None
    return json.loads(text)


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda cls: cls.__name__)
def test_members_marked_as_personal_are_masked_wherever_they_stand(event_class: Any) -> None:
    for name in personal_members(event_class):
        for document in (
            {"data": {name: PERSON}},
            {name: "Zhang"},
            {"data": {"photo": [{name: {"x": "Zhang"}}]}},
        ):
            assert "Zhang" not in json.dumps(shown(document))


def test_what_locates_the_fault_is_shown() -> None:
    document = {
        "source": "/sites/GZ01", "type": "signature.recorded", "time": "2026-03-04T10:00:00+08:00",
        "subject": "tiantian/560000000001", "data": {"site": "GZ01", "signer": "proxy", "photo": {"legible": False}},
    }  # fmt: skip
    assert shown(document) == document


def test_unknown_members_and_words_in_known_ones_are_masked() -> None:
    assert shown({"phone": "13800001111", "data": {"site": "张三 138", "signer": PERSON}}) == {
        "phone": MASK,
        "data": {"site": MASK, "signer": MASK},
    }
    assert shown({"张三": 1}) == {MASK: MASK}


@given(
    st.text(alphabet="张三李四 王", min_size=1, max_size=12),
    st.sampled_from(["site", "id", "signer", "x", "data"]),
)
def test_no_name_passes(name: str, member: str) -> None:
    assert (
        name not in (masked(json.dumps({member: name, "data": {member: [name, {member: name}]}})) or "")
        or not name.strip()
    )


@pytest.mark.parametrize("value", ["", "\x00\ufffdno json", "[" * 100_000, "{"])
def test_what_is_no_json_is_not_shown(value: str) -> None:
    assert masked(value) is None


def test_messages_quote_nothing() -> None:
    assert (
        message(f"Invalid enum value '{PERSON}' - at `$.data.signer`")
        == f"Invalid enum value '{MASK}' - at '{MASK}'"
    )


def test_keys_are_shown_where_they_are_codes() -> None:
    assert (code("tiantian/560000000001"), code("张三"), code(None)) == ("tiantian/560000000001", MASK, "–")
