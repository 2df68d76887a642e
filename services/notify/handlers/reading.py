"""Records of other services' topics as what they say, or why they are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from shared.bus.dead_letters import DeadLetter, Fuse
from shared.bus.records import Record
from shared.events.outputs import OutputEvent


class AboutWaybill(Protocol):
    """What is said about one waybill."""

    @property
    def network(self) -> str:
        """Its network."""

    @property
    def waybill(self) -> str:
        """Its number."""


T = TypeVar("T")


class Unreadable(Exception):
    """A record that is not what its topic carries. `reason` is the short word of its dead letter."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Reader(Generic[T]):
    """Reads the records of a topic that carries `event_types` only; what is no such event becomes a dead letter."""

    def __init__(
        self,
        event_types: tuple[str, ...],
        decode: Callable[[bytes], tuple[OutputEvent, T]],
        subject_of: Callable[[T], str],
    ) -> None:
        """`subject_of` says what the event's subject and the record's key must be."""
        self._event_types = event_types
        self._carried = " and ".join(event_types)
        self._decode = decode
        self._subject_of = subject_of
        self._fuse = Fuse()

    def read(self, record: Record, letters: list[DeadLetter]) -> T | None:
        """What `record` says; None where it went to `letters`."""
        try:
            said = self.said(record)
        except Unreadable as refusal:
            letters.append(DeadLetter(record, refusal.reason, str(refusal)))
            # All records have one publisher: the key tells one bad record from a version that reads none.
            self._fuse.bad((record.key or b"?").decode(errors="replace"), record)
            return None
        self._fuse.good()
        return said

    def said(self, record: Record) -> T:
        """What `record` says. Raises Unreadable."""
        try:
            event, said = self._decode(record.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Unreadable(
                "malformed", f"The record is no {self._carried} of the wire contract: {error}"
            ) from None
        subject = self._subject_of(said)
        if event.type not in self._event_types:
            raise Unreadable(
                "unknown_type", f"This topic carries {self._carried} only, not {event.type[:64]}."
            )
        if event.subject != subject or record.key != subject.encode():
            raise Unreadable(
                "wrong_subject",
                "The record's key, the event's subject and its data are about different things.",
            )
        if "\x00" in subject:
            raise Unreadable("malformed", "The subject holds a NUL, which none may have.")
        return said


def subject_of(said: AboutWaybill) -> str:
    """The subject `{network}/{waybill}` that something is about."""
    return f"{said.network}/{said.waybill}"
