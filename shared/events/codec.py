"""From bytes to events and back: decoding with every check of contract.md, and the digest of an event's content."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from shared.events.catalogue import Event
from shared.events.checks import FieldError, fits, problems

EVENT_BYTES_MAX: Final = 64 * 1024
"""Largest event, without the `recordedtime` that intake adds (contract.md §1)."""
STAMP_BYTES: Final = 64
"""Room for the `recordedtime` that intake adds."""
DEPTH_MAX: Final = 64
"""Deepest nesting: far below what any decoder takes, so that all services agree on what they can read."""
_CHUNK: Final = 128
"""Events looked at together. A bad one among them costs the others of its chunk a second look, nobody else."""

_one: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_untyped = msgspec.json.Decoder(float_hook=lambda number: ("float", number))
_canonical = msgspec.json.Encoder(order="sorted")

_escaped_nul = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_escaped_surrogate = re.compile(rb"\\u[dD][89a-fA-F]")
_at = re.compile(r"^(.*?)(?: - at `(.*)`)?$", re.DOTALL)
_missing = re.compile(r"Object missing required field `(.*)`")


class EventRefused(ValueError):
    """An event that contract.md does not allow. `errors` says where and why; `type` is its type, where it is known."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{e.pointer or '/'}: {e.message}" for e in errors))
        self.errors = list(errors)


def decode(value: bytes, key: bytes | None = None) -> Event:
    """Decode and check one event; with `key`, that it is the record's key. Raises EventRefused.

    Everything but the receiver's clock is checked: for that see `check_time`.
    """
    _check_text(value)
    try:
        event = _one.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EventRefused([_explain(error, value)]) from None
    if len(value) > EVENT_BYTES_MAX and (
        event.recordedtime is None or len(value) > EVENT_BYTES_MAX + STAMP_BYTES
    ):
        raise EventRefused([_too_large(len(value))])
    if not fits(event, key) and (errors := problems(event, key)):
        raise EventRefused(errors)
    return event


def decode_many(
    values: Sequence[bytes], keys: Sequence[bytes | None] | None = None
) -> list[Event | EventRefused]:
    """Decode and check many events, in order; what is refused stands in its place. `keys` as in `decode`."""
    decoded: list[Event | EventRefused] = []
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        chunk_keys = keys[start : start + _CHUNK] if keys is not None else [None] * len(chunk)
        decoded += _decode_chunk(chunk, chunk_keys)
    return decoded


def decode_members(members: Mapping[str, Any]) -> Event:
    """Decode and check an event given as a JSON object already parsed, as in a dry run; `specversion` may be left out.

    Raises EventRefused.
    """
    try:
        value = msgspec.json.encode({"specversion": "1.0", **members})
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EventRefused([FieldError("", f"is not a JSON object that can be read: {error}")]) from None
    return decode(value)


def content_digest(value: bytes) -> bytes:
    """16 bytes that stand for an event's content: all members but `recordedtime`, in whatever order and spacing.

    Any JSON object has one, whatever numbers its unknown members hold.
    """
    try:
        members = _untyped.decode(value)
        members.pop("recordedtime", None)
        content = _canonical.encode(members)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, AttributeError):
        content = _canonical_slowly(value)
    return hashlib.blake2b(content, digest_size=16).digest()


def encode(event: Event) -> bytes:
    """The event as JSON bytes. Unknown members of the bytes it was decoded from are not in it."""
    return msgspec.json.encode(event)


def _decode_chunk(values: Sequence[bytes], keys: Sequence[bytes | None]) -> list[Event | EventRefused]:
    try:
        if _needs_a_look(values):
            return list(map(_decode_or_refusal, values, keys))
        events = list(map(_one.decode, values))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return list(map(_decode_or_refusal, values, keys))
    return [
        event if fits(event, key) else _checked(event, key) for event, key in zip(events, keys, strict=True)
    ]


def _needs_a_look(values: Sequence[bytes]) -> bool:
    """Whether some value may hold what only `_check_text` and `decode` judge. Raises UnicodeDecodeError."""
    joined = b"".join(values)
    if not joined.isascii():
        joined.decode()
    if b"\\" in joined and (_escaped_nul.search(joined) or _escaped_surrogate.search(joined)):
        return True
    openings = joined.count(b"{") + (joined.count(b"[") if b"[" in joined else 0)
    # Every event opens two objects; only what is opened beyond that can nest.
    if openings > 2 * len(values) + DEPTH_MAX - 2:
        return True
    return len(joined) > EVENT_BYTES_MAX and max(map(len, values)) > EVENT_BYTES_MAX


def _decode_or_refusal(value: bytes, key: bytes | None) -> Event | EventRefused:
    try:
        return decode(value, key)
    except EventRefused as refused:
        return refused


def _checked(event: Event, key: bytes | None) -> Event | EventRefused:
    errors = problems(event, key)
    return EventRefused(errors) if errors else event


def _check_text(value: bytes) -> None:
    """Refuse what is JSON but cannot be stored or read alike everywhere: NUL, lone surrogates, deep nesting."""
    if len(value) > EVENT_BYTES_MAX + STAMP_BYTES:
        raise EventRefused([_too_large(len(value))])
    try:
        value.decode()
    except UnicodeDecodeError as error:
        raise EventRefused(
            [FieldError("", f"is not UTF-8 at byte {error.start}: send JSON in UTF-8")]
        ) from None
    if b"\\u" in value and (_escaped_nul.search(value) or _escaped_surrogate.search(value)):
        _refuse_escapes(value)
    if value.count(b"{") + value.count(b"[") > DEPTH_MAX and _depth(value) > DEPTH_MAX:
        raise EventRefused([FieldError("", f"is nested deeper than {DEPTH_MAX} levels")])


def _refuse_escapes(value: bytes) -> None:
    """Refuse a value that holds an escaped NUL or half of a surrogate pair, and say where."""
    try:
        texts = list(_texts(json.loads(value), ""))
    except (ValueError, RecursionError):
        return  # not JSON, or too deep: the decoder says where
    for pointer, text in texts:
        if "\0" in text:
            message = "holds the character U+0000 (NUL), which cannot be kept: leave it out"
            raise EventRefused([FieldError(pointer, message)])
        if any("\ud800" <= character <= "\udfff" for character in text):
            message = "holds half of a surrogate pair, which is no character: send whole ones"
            raise EventRefused([FieldError(pointer, message)])


def _texts(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    """All strings of a JSON value, names of members included, with where they stand."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield pointer, name
            yield from _texts(member, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _texts(member, f"{pointer}/{index}")


def _depth(value: bytes) -> int:
    """How deep the brackets outside of strings nest."""
    depth = deepest = 0
    for bracket in re.findall(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', value):
        if bracket in (b"{", b"["):
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in (b"}", b"]"):
            depth -= 1
    return deepest


def _canonical_slowly(value: bytes) -> bytes:
    """For numbers beyond what a double or 64 bits hold: numbers as they were written."""
    try:
        members = json.loads(value, parse_int=_as_written, parse_float=_as_written)
        members.pop("recordedtime", None)
        return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError, AttributeError):
        return value


def _as_written(number: str) -> list[str]:
    return ["number", number]


def _too_large(size: int) -> FieldError:
    return FieldError("", f"is {size} bytes long; an event has at most {EVENT_BYTES_MAX}")


def _explain(error: Exception, value: bytes) -> FieldError:
    """A decoder's complaint as a pointer to the member and a sentence."""
    if isinstance(error, RecursionError):
        return FieldError("", f"is nested deeper than {DEPTH_MAX} levels")
    if not isinstance(error, msgspec.ValidationError):
        return FieldError("", f"is not one JSON value: {error}")
    matched = _at.match(str(error))
    assert matched is not None
    message, path = matched.group(1), matched.group(2) or "$"
    pointer = path[1:].replace("[...]", "/*").replace(".", "/")
    if missing := _missing.match(message):
        return FieldError(f"{pointer}/{missing.group(1)}", "is required")
    if pointer == "/type":
        return FieldError(pointer, f"is no event type of this contract: {message}")
    if not pointer and message.startswith("Expected `object`"):
        message = message.replace("Expected `object`", "An event is a JSON object")
    return FieldError(pointer, message)
