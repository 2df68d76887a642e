"""The fields of an event of any type, from the contract's types: for a form, and from the form back to an event's data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import inspect

from services.console.formats import from_local
from shared.events import EVENT_TYPES

Kind = Literal["text", "number", "date", "datetime-local", "select", "check"]


class EventField(NamedTuple):
    """A member of an event's data. `name` has a dot where it stands inside another member, as `photo.legible`."""

    name: str
    kind: Kind
    required: bool
    choices: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, str]:
        """The choices of a select; codes stand for themselves."""
        return dict(zip(self.choices, self.choices, strict=True))


class FieldWrong(ValueError):
    """A field's text is no value of its kind. `name` says which field."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@cache
def fields_of(event_type: str) -> tuple[EventField, ...]:
    """The fields of an event type, none for an unknown one."""
    event_class = EVENT_TYPES.get(event_type)
    if event_class is None:
        return ()
    described = inspect.type_info(event_class)
    assert isinstance(described, inspect.StructType)
    data = next(field.type for field in described.fields if field.name == "data")
    return tuple(_fields(data, ""))


def data_from(event_type: str, values: Mapping[str, str], zone: ZoneInfo) -> dict[str, Any]:
    """The data that a form's `values` (by field name) say; what is empty is left out. Raises FieldWrong."""
    data: dict[str, Any] = {}
    for field in fields_of(event_type):
        text = values.get(field.name, "")
        if not text:
            continue
        outer, _, inner = field.name.rpartition(".")
        place = data.setdefault(outer, {}) if outer else data
        place[inner] = _value(field, text, zone)
    return data


def _value(field: EventField, text: str, zone: ZoneInfo) -> Any:
    if field.kind == "check":
        return text == "true"
    try:
        if field.kind == "number":
            return int(text)
        if field.kind == "date":
            return date.fromisoformat(text).isoformat()
    except ValueError:
        raise FieldWrong(field.name) from None
    if field.kind == "datetime-local":
        moment = from_local(text, zone)
        if moment is None:
            raise FieldWrong(field.name)
        return moment.astimezone(zone).isoformat()
    return text


def _fields(described: inspect.Type, prefix: str) -> Iterator[EventField]:
    assert isinstance(described, inspect.StructType)
    for field in described.fields:
        name = f"{prefix}{field.encode_name}"
        inner = _plain(field.type)
        if isinstance(inner, inspect.StructType):
            yield from _fields(inner, f"{name}.")
            continue
        choices = (
            tuple(str(value) for value in inner.values) if isinstance(inner, inspect.LiteralType) else ()
        )
        # A member of one that may be left out is asked for only with it.
        yield EventField(name, _kind(inner), field.required and not prefix, choices)


def _plain(described: inspect.Type) -> inspect.Type:
    """The type without what may be absent and without its notes."""
    while True:
        if isinstance(described, inspect.Metadata):
            described = described.type
        elif isinstance(described, inspect.UnionType):
            described = next(kind for kind in described.types if not isinstance(kind, inspect.NoneType))
        else:
            return described


_KINDS: dict[type[inspect.Type], Kind] = {
    inspect.BoolType: "check",
    inspect.IntType: "number",
    inspect.DateType: "date",
    inspect.DateTimeType: "datetime-local",
    inspect.LiteralType: "select",
}


def _kind(described: inspect.Type) -> Kind:
    return _KINDS.get(type(described), "text")
