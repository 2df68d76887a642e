"""The CloudEvents envelope that every input event has (contract.md §1)."""

from __future__ import annotations

from typing import Literal

import msgspec

from shared.events.values import EventId, Moment, Source, Subject


class Data(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of every event's `data`. Unknown members stay in the event's bytes and are ignored here."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    """Base of every input event; the class is the event's type, its tag the name on the wire."""

    specversion: Literal["1.0"]
    id: EventId
    source: Source
    subject: Subject
    time: Moment
    recordedtime: Moment | None = None

    @property
    def type(self) -> str:
        """The event type's name on the wire, as `scan.arrived`."""
        tag = self.__struct_config__.tag
        assert isinstance(tag, str)
        return tag

    @property
    def network(self) -> str:
        """The network of the subject `{network}/{waybill}`."""
        return self.subject.partition("/")[0]

    @property
    def waybill(self) -> str:
        """The waybill of the subject `{network}/{waybill}`."""
        return self.subject.partition("/")[2]

    @property
    def source_site(self) -> str | None:
        """The site that speaks, None for a desk or a regulator."""
        return self.source[7:] if self.source.startswith("/sites/") else None
