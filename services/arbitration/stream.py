"""A waybill's stream as the journal gives it back, decoded and stamped with the moments of recording."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from shared.events import Event, content_digest


class Piece(Protocol):
    """Events of one waybill as stored: JSON joined by commas, and when they were known if they do not say so."""

    @property
    def broker_at(self) -> datetime | None:
        """The broker's time, for events without `recordedtime`."""

    @property
    def events(self) -> bytes:
        """`[` + events + `]` is a JSON array."""


class Stream(NamedTuple):
    """All copies of a waybill's events, `recordedtime` always set.

    `bodies`: their bytes in the same order, only where a (source, id) occurs more than once: contents are compared then.
    """

    events: list[Event]
    bodies: list[bytes] | None

    def body_of(self, digest_hex: str) -> bytes:
        """The bytes of the copy whose content has this digest. Raises KeyError where there is none."""
        for body in self.bodies or ():
            if content_digest(body).hex() == digest_hex:
                return body
        raise KeyError(digest_hex)


def read_stream(pieces: Iterable[Piece]) -> Stream:
    """Decode what the journal holds of one waybill. Raises msgspec.MsgspecError where a stored event cannot be read."""
    pieces = list(pieces)
    events: list[Event] = []
    for piece in pieces:
        events += _stamped(piece)
    if len({(event.source, event.id) for event in events}) == len(events):
        return Stream(events, None)
    return Stream(events, [bytes(raw) for piece in pieces for raw in _raw.decode(b"[%b]" % piece.events)])


def _stamped(piece: Piece) -> list[Event]:
    events = _events.decode(b"[%b]" % piece.events)
    if piece.broker_at is None:
        return events
    return [msgspec.structs.replace(event, recordedtime=piece.broker_at) for event in events]


_events = msgspec.json.Decoder(list[Event])
_raw = msgspec.json.Decoder(list[msgspec.Raw])
