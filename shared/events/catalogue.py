"""All event types, the topics that carry them, and what can be generated from their types."""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec
from msgspec import inspect

from shared.events.checks import register
from shared.events.complaints import ComplaintEvent
from shared.events.envelope import Envelope
from shared.events.evidence import EvidenceEvent
from shared.events.payments import PaymentEvent
from shared.events.reports import ReportEvent
from shared.events.returns import ReturnEvent
from shared.events.rulings import RulingEvent
from shared.events.scans import ScanEvent
from shared.events.signatures import SignatureEvent
from shared.events.values import PERSONAL

Event = (
    ScanEvent
    | SignatureEvent
    | ComplaintEvent
    | ReportEvent
    | ReturnEvent
    | EvidenceEvent
    | PaymentEvent
    | RulingEvent
)

EVENT_CLASSES: Final[tuple[type[Envelope], ...]] = get_args(Event)
EVENT_TYPES: Final[dict[str, type[Envelope]]] = {str(c.__struct_config__.tag): c for c in EVENT_CLASSES}
"""Every event type's name on the wire and its class."""

TOPIC_SCANS: Final = "parcel.scans"
TOPIC_SIGNATURES: Final = "parcel.signatures"
TOPIC_COMPLAINTS: Final = "parcel.complaints"
INPUT_TOPICS: Final = (TOPIC_SCANS, TOPIC_SIGNATURES, TOPIC_COMPLAINTS)

_TOPIC_OF_GROUP: Final = {"scan": TOPIC_SCANS, "signature": TOPIC_SIGNATURES}
_TOPICS: Final = {name: _TOPIC_OF_GROUP.get(name.partition(".")[0], TOPIC_COMPLAINTS) for name in EVENT_TYPES}
TOPIC_OF_CLASS: Final[dict[type[Envelope], str]] = {c: _TOPICS[name] for name, c in EVENT_TYPES.items()}

register(EVENT_CLASSES)


def topic_of(event_type: str) -> str:
    """The input topic that carries this event type. Raises KeyError for a type that contract.md §3 does not know."""
    return _TOPICS[event_type]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an input event: one of all types, told apart by `type`."""
    schema = msgspec.json.schema(Event)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Faultline input event",
        **schema,
    }


def personal_members(event_class: type[Envelope]) -> tuple[str, ...]:
    """The members of this event's data that tell about a person, by their names on the wire."""
    described = inspect.type_info(event_class)
    assert isinstance(described, inspect.StructType)
    data = next(f.type for f in described.fields if f.name == "data")
    assert isinstance(data, inspect.StructType)
    return tuple(f.encode_name for f in data.fields if _is_personal(f.type))


def _is_personal(described: inspect.Type) -> bool:
    kinds = described.types if isinstance(described, inspect.UnionType) else (described,)
    return any(
        isinstance(kind, inspect.Metadata) and bool((kind.extra or {}).get(PERSONAL)) for kind in kinds
    )
