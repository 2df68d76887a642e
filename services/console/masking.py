"""A record as an operator may see it: what its type says of no person, and of the rest only that it is there. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

from shared.events import EVENT_CLASSES, personal_members
from shared.events.outputs import Entry, NoticeData, VerdictData

MASK: Final = "•••"
_CODE: Final = re.compile(r"[A-Za-z0-9_.:/+|-]{0,80}", re.ASCII)
_QUOTED: Final = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`""")
_DEPTH_MAX: Final = 12
_ITEMS_MAX: Final = 100
_FREE: Final = frozenset(("title", "body", "note", "person", "text", "reason", "detail"))
"""Members of what the services publish that are words, or name a person."""


def _shown_names() -> frozenset[str]:
    personal = {name for cls in EVENT_CLASSES for name in personal_members(cls)} | _FREE
    structs: list[Any] = [*EVENT_CLASSES, VerdictData, Entry, NoticeData]
    schemas = msgspec.json.schema_components(structs)[1]
    names = {name for schema in schemas.values() for name in schema.get("properties", ())}
    return frozenset(names - personal)


_SHOWN: Final = _shown_names()


def masked(value: str) -> str | None:
    """A record's value as JSON on several lines; None where it is no JSON, and so nothing of it can be shown.

    Shown are members that the contract knows and marks as no personal data, where they hold a code, a moment or a number.
    """
    try:
        document = json.loads(value)
        return json.dumps(_masked(document, 0), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return None


def code(text: str | None) -> str:
    """A key or an id, where it looks like one."""
    return "–" if text is None else text if _CODE.fullmatch(text) else MASK


def message(text: str) -> str:
    """A sentence about a record, without what it quotes of it."""
    return _QUOTED.sub(f"'{MASK}'", text)


def _masked(value: Any, depth: int) -> Any:
    if depth > _DEPTH_MAX:
        return MASK
    if isinstance(value, dict):
        items = list(value.items())[:_ITEMS_MAX]
        return {
            code(name): _masked(member, depth + 1) if _is_shown(name, member) else MASK
            for name, member in items
        }
    if isinstance(value, list):
        return [_masked(item, depth + 1) for item in value[:_ITEMS_MAX]]
    return code(value) if isinstance(value, str) else value


def _is_shown(name: str, member: Any) -> bool:
    return name in _SHOWN or (name == "data" and isinstance(member, dict))
