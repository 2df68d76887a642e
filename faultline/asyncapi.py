"""The AsyncAPI 3.0 document of the topics (contract.md §2 and §3), from the types of the events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.events import EVENT_TYPES, topic_of
from shared.events.duties import CHANGED, COMPLETE, CompleteData, DutiesData
from shared.events.outputs import Entry, NoticeData, OutputEvent, PeriodData, VerdictData
from shared.registry import (
    EXEMPTIONS_TOPIC,
    KEYS_TOPIC,
    SITES_TOPIC,
    ExemptionEvent,
    KeyRecord,
    SiteRecord,
)

_REF = "#/components/schemas/{name}"
_CLOUD_EVENT = "application/cloudevents+json"

OUTPUT_EVENTS: Mapping[str, Mapping[str, type[msgspec.Struct]]] = {
    "arbitration.verdicts": {"verdict.issued": VerdictData},
    "arbitration.duties": {CHANGED: DutiesData, COMPLETE: CompleteData},
    "penalties.postings": {"posting.booked": Entry},
    "penalties.periods": {"period.closed": PeriodData},
    "notify.notices": dict.fromkeys(
        ("notice.queued", "notice.delivered", "notice.failed", "notice.acknowledged"), NoticeData
    ),
}
"""What the services publish: the type of `data` by topic and event type."""

_REGISTRY_RECORDS: Mapping[str, tuple[str, type[msgspec.Struct]]] = {
    SITES_TOPIC: ("application/json", SiteRecord),
    EXEMPTIONS_TOPIC: (_CLOUD_EVENT, ExemptionEvent),
    KEYS_TOPIC: ("application/json", KeyRecord),
}

_KEYS = {
    **dict.fromkeys(_REGISTRY_RECORDS, "the key of the topic's description"),
    COMPLETE: "`subject`: partition/{number}, in that partition",
}
"""Keys that are no waybill, by message."""

_INPUT_TOPICS = ("parcel.scans", "parcel.signatures", "parcel.complaints")

_OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "intake": ("send", *_INPUT_TOPICS, *_REGISTRY_RECORDS),
    "arbitration": ("receive", *_INPUT_TOPICS, *_REGISTRY_RECORDS),
    "arbitration-verdicts": ("send", "arbitration.verdicts", "arbitration.duties"),
    "penalties": ("receive", "arbitration.verdicts"),
    "penalties-postings": ("send", "penalties.postings", "penalties.periods"),
    "notify": ("receive", "arbitration.verdicts", "arbitration.duties", "penalties.periods"),
    "notify-notices": ("send", "notify.notices"),
}
"""Who sends and receives what: the action, then the topics."""

_DESCRIPTIONS = {
    "parcel.scans": "Scans of parcels.",
    "parcel.signatures": "Signatures, and their voiding.",
    "parcel.complaints": "Complaints, reports, notices between sites, evidence, payments, appeals and rulings.",
    "arbitration.verdicts": "Each version of a waybill's verdict, whole.",
    "arbitration.duties": "What is to be done or to be known about a waybill, and until when; the newest revision counts. "
    "And until when these lists are complete, in each partition.",
    "penalties.postings": "Each balanced entry of the ledger.",
    "penalties.periods": "Each month that was made final.",
    "notify.notices": "Each notice, and what became of it.",
    SITES_TOPIC: "Compacted. A site's whole record; key `{network}/{site}`.",
    EXEMPTIONS_TOPIC: "Compacted. Exemptions of many; key `{network}/{exemption_id}`.",
    KEYS_TOPIC: "Compacted. Keys by their hashes; key `{key_id}`.",
}


def document() -> dict[str, Any]:
    """The whole document."""
    messages: dict[str, Any] = {}
    channels: dict[str, dict[str, Any]] = {
        topic: {"address": topic, "description": text, "messages": {}}
        for topic, text in _DESCRIPTIONS.items()
    }
    schemas = _components()
    for topic, name, content_type, payload in _all_messages(schemas):
        messages[name] = _message(name, topic, content_type, payload)
        channels[topic]["messages"][name] = {"$ref": f"#/components/messages/{name}"}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Faultline topics",
            "version": "1",
            "description": "Events in, verdicts, postings and notices out, and the registries. A record that a consumer cannot "
            "take goes to `<topic>.dlq`, bytes unchanged, with headers that say where from, why and when.",
        },
        "defaultContentType": _CLOUD_EVENT,
        "channels": channels,
        "operations": _operations(),
        "components": {"messages": messages, "schemas": schemas},
    }


def _components() -> dict[str, Any]:
    outputs = {data for kinds in OUTPUT_EVENTS.values() for data in kinds.values()}
    registry = [record for _, record in _REGISTRY_RECORDS.values()]
    types = [*EVENT_TYPES.values(), OutputEvent, *sorted(outputs, key=lambda data: data.__name__), *registry]
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    return dict(components)


def _all_messages(schemas: Mapping[str, Any]) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Every message: topic, name, content type and payload schema."""
    inputs = [
        (topic_of(kind), kind, _CLOUD_EVENT, _ref(event_class.__name__))
        for kind, event_class in EVENT_TYPES.items()
    ]
    outputs = [
        (topic, kind, _CLOUD_EVENT, _output_payload(kind, data))
        for topic, kinds in OUTPUT_EVENTS.items()
        for kind, data in kinds.items()
    ]
    registry = [
        (topic, topic, content_type, _ref(record.__name__))
        for topic, (content_type, record) in _REGISTRY_RECORDS.items()
    ]
    assert all(payload.get("$ref", "").rpartition("/")[2] in schemas for *_, payload in (*inputs, *registry))
    return [*inputs, *outputs, *registry]


def _output_payload(kind: str, data: type[msgspec.Struct]) -> dict[str, Any]:
    members = {"type": {"const": kind}, "data": _ref(data.__name__)}
    return {"allOf": [_ref("OutputEvent"), {"type": "object", "properties": members}]}


def _message(name: str, topic: str, content_type: str, payload: dict[str, Any]) -> dict[str, Any]:
    key = _KEYS.get(name, "`subject`: {network}/{waybill}")
    return {
        "name": name,
        "contentType": content_type,
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}},
    }


def _operations() -> dict[str, Any]:
    return {
        f"{service}.{action}.{topic}": {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}
        for service, (action, *topics) in _OPERATIONS.items()
        for topic in topics
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": _REF.format(name=name)}
