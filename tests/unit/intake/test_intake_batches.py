"""Cutting batches: as the decoder does where it can, and one bad element costs only itself."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.batches import cut, cut_by_brackets
from shared.http.problems import Problem

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
SEPARATORS = st.sampled_from([(",", ":"), (" ,\n", " : ")])


@given(st.lists(VALUES, max_size=8), SEPARATORS)
def test_brackets_cut_where_the_decoder_cuts(values: list[Any], separators: tuple[str, str]) -> None:
    body = json.dumps(values, separators=separators).encode()
    decoded = [bytes(element).strip() for element in msgspec.json.decode(body, type=list[msgspec.Raw])]
    assert cut_by_brackets(b" " + body + b"\n", 100) == decoded


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"{}",
        b"[",
        b"[1",
        b"[1,",
        b'["]',
        b"[}",
        b"[{]}",
        b'[{"a":1,2]',
        b"[1]]",
        b"[1] 2",
        b'["\\"]',
    ],
)
async def test_what_is_no_array_is_refused(body: bytes) -> None:
    assert cut_by_brackets(body, 10) is None
    with pytest.raises(Problem) as caught:
        await cut(body, 10)
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "bad",
    [b'{"a":"\\ud800"}', b"[" * 50_000 + b"]" * 50_000, b'"\x00"', b"nonsense", b"", b'{"a":"\xff,]"}'],
    ids=["surrogate", "depth", "NUL", "nonsense", "nothing", "no UTF-8"],
)
async def test_one_bad_element_is_cut_out_alone(bad: bytes) -> None:
    assert await cut(b'[{"a":1}, %b ,{"b":[2]}]' % bad, 10) == [b'{"a":1}', bad, b'{"b":[2]}']


async def test_the_number_of_elements_is_bounded_before_they_are_made() -> None:
    assert await cut(b"[1,2]", 2) == [b"1", b"2"]
    for body in (b"[1,2,3]", b"[" + b"1," * 5_000, b"[" + b"," * 5_000 + b"]"):
        with pytest.raises(Problem) as caught:
            await cut(body, 2)
        assert caught.value.status == 413
