"""Identifiers that follow from what they are about, so that doing a thing twice names it once."""

from __future__ import annotations

from uuid import UUID, uuid5

_NAMESPACE = UUID("6f0d7a52-5c0e-5b7e-9d7c-3a1f6c1e4b90")
_SEPARATOR = "\x1f"


def stable_id(kind: str, *parts: str | int) -> UUID:
    """Return the UUIDv5 of `kind` and `parts`.

    `kind` keeps the ids of unlike things apart. The same arguments give the same id for ever, in every process.
    """
    return uuid5(_NAMESPACE, _SEPARATOR.join((kind, *map(str, parts))))
