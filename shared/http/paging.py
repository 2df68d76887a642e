"""Cursor paging: `{"items": […], "next": "opaque" | null}`, `limit` 1 to 500."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Query
from pydantic import BaseModel, Field

from shared.http.problems import invalid

LIMIT_MAX = 500
LIMIT_DEFAULT = 100
_CURSOR_CHARS_MAX = 1024

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="items a page has at most")]
"""A route's parameter: `limit: Limit = LIMIT_DEFAULT`."""

Cursor = Annotated[
    str | None,
    Query(max_length=_CURSOR_CHARS_MAX, description="`next` of the page before; absent for the first page"),
]
"""A route's parameter: `cursor: Cursor = None`."""


class Page(BaseModel, Generic[T]):
    """One page. `next` is null on the last."""

    items: list[T]
    next: str | None = Field(None, description="give it as `cursor` to read on")


def encode(*position: str | int | None) -> str:
    """The opaque cursor of `position`, the sort key of a page's last item."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode()


def decode(cursor: str | None, *types: Any) -> tuple[Any, ...] | None:
    """The position that `encode` was given, its members checked against `types`; None where there is no cursor.

    Raises Problem (422) for what no page of this list has handed out.
    """
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=tuple[types])  # type: ignore[valid-type]
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise invalid(
            ("/query/cursor", "is not a cursor of this list: use `next` of the page before")
        ) from None


def page_of(items: list[T], limit: int, key: Any) -> dict[str, Any]:
    """The page of `items`, read with a limit of `limit + 1`; `key(item)` is the position tuple of an item."""
    more = len(items) > limit
    shown = items[:limit]
    return {"items": shown, "next": encode(*key(shown[-1])) if more and shown else None}
