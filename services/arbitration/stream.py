"""A waybill's stream as the journal gives it back, decoded and stamped with the moments of recording."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from shared.errors import FaultlineError
from shared.events import Event, content_digest

_ONCE_AN_EVENT = b'"specversion"'


class Piece(Protocol):
    """Events of one waybill as stored: JSON joined by commas, and when they were known if they do not say so."""

    @property
    def broker_at(self) -> datetime | None:
        """The broker's time, for events without `recordedtime`."""

    @property
    def events(self) -> bytes:
        """`[` + events + `]` is a JSON array."""


class StreamTooLong(FaultlineError):
    """A waybill has more events than can be judged between two heartbeats."""

    def __init__(self, copies: int, events_max: int) -> None:
        super().__init__(
            f"The journal holds {copies} events and copies of the waybill; up to {events_max} are judged.",
            cause="a publisher sends the same events over and over, or gives many parcels one waybill number.",
            remedy="find the publisher and stop it; raise FAULTLINE_STREAM_EVENTS_MAX, then retry the waybill.",
        )


class Stream(NamedTuple):
    """All copies of a waybill's events, `recordedtime` always set.

    `bodies`: their bytes in the same order, only where a (source, id) occurs more than once: contents are compared then.
    """

    events: list[Event]
    bodies: list[bytes] | None

    def copies_of(self, keys: Container[tuple[str, str]]) -> dict[tuple[str, str, str], tuple[Event, bytes]]:
        """The copies with these (source, id), each with its bytes, by (source, id, digest of its content)."""
        found: dict[tuple[str, str, str], tuple[Event, bytes]] = {}
        for event, body in zip(self.events, self.bodies or (), strict=False):
            if (event.source, event.id) in keys:
                found.setdefault((event.source, event.id, content_digest(body).hex()), (event, body))
        return found


def read_stream(pieces: Iterable[Piece], events_max: int) -> Stream:
    """Decode what the journal holds of one waybill.

    Raises StreamTooLong over `events_max` events and copies, msgspec.MsgspecError where a stored event cannot be read.
    """
    pieces = list(pieces)
    # Counted before they are decoded: a flood of events must not hold the event loop up.
    copies = sum(piece.events.count(_ONCE_AN_EVENT) for piece in pieces)
    if copies > events_max:
        raise StreamTooLong(copies, events_max)
    events: list[Event] = []
    for piece in pieces:
        events += _stamped(piece)
    if len({(event.source, event.id) for event in events}) == len(events):
        return Stream(events, None)
    return Stream(events, read_bodies(pieces))


def read_bodies(pieces: Iterable[Piece]) -> list[bytes]:
    """The events' bytes as they were received, in the order in which `read_stream` decodes them."""
    return [bytes(raw) for piece in pieces for raw in _raw.decode(b"[%b]" % piece.events)]


def _stamped(piece: Piece) -> list[Event]:
    events = _events.decode(b"[%b]" % piece.events)
    if piece.broker_at is None:
        return events
    return [msgspec.structs.replace(event, recordedtime=piece.broker_at) for event in events]


_events = msgspec.json.Decoder(list[Event])
_raw = msgspec.json.Decoder(list[msgspec.Raw])
