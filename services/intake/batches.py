"""Cutting a batch into the bytes of its events, so that one that is no event costs only itself."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import msgspec

from shared.http.problems import Problem

_COMMAS_AN_EVENT: Final = 100
"""More than events have: the decoder makes an object of every element, however many come."""
_TOKENS_MAX: Final = 1_000_000
"""Brackets, commas and strings looked at in one batch: under a second."""
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_NEXT: Final = re.compile(_STRING + rb'|["\[\]{},]', re.DOTALL)
_NEXT_INSIDE: Final = re.compile(_STRING + rb'|["\[\]{}]', re.DOTALL)
_CLOSES: Final = {b"[": b"]", b"{": b"}"}


async def cut(body: bytes, events_max: int) -> list[bytes]:
    """The bytes of a batch's elements. Raises Problem: 413 for more than `events_max`, 422 where it is no JSON array."""
    elements: list[bytes] | None = None
    if body.count(b",") <= events_max * _COMMAS_AN_EVENT:
        elements = _decoded(body)
    if elements is None:
        # Slower, so not in the event loop.
        elements = await asyncio.to_thread(cut_by_brackets, body, events_max + 1)
    if elements is None:
        detail = "The batch is not a JSON array of events: its brackets do not match, or it was cut off."
        raise Problem(422, "Not a batch", detail, errors=[("", "is not a JSON array")])
    if len(elements) > events_max:
        detail = f"The batch has more than {events_max} events. Send several, or a stream."
        raise Problem(413, "Batch too large", detail)
    return elements


def _decoded(body: bytes) -> list[bytes] | None:
    """The elements of an array; None where the decoder gives up, be it for one element's sake (a lone surrogate, depth)."""
    try:
        return [bytes(element) for element in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, RecursionError):
        return None


def cut_by_brackets(body: bytes, elements_max: int) -> list[bytes] | None:
    """The first `elements_max` elements of an array by its commas and brackets alone, whatever stands between them.

    None where the brackets or quotation marks do not match within `_TOKENS_MAX`.
    """
    body = body.strip()
    if body[:1] != b"[":
        return None
    elements: list[bytes] = []
    closers = [b"]"]
    start = place = 1
    for _ in range(_TOKENS_MAX):
        found = (_NEXT if len(closers) == 1 else _NEXT_INSIDE).search(body, place)
        if found is None or found[0] == b'"':
            return None
        token, place = found[0], found.end()
        if token in _CLOSES:
            closers.append(_CLOSES[token])
        elif token in (b"]", b"}"):
            if closers.pop() != token:
                return None
            if not closers:
                last = body[start : found.start()].strip()
                return None if place < len(body) else elements + [last] * bool(last or elements)
        elif token == b",":
            elements.append(body[start : found.start()].strip())
            start = place
            if len(elements) >= elements_max:
                return elements
    return None
