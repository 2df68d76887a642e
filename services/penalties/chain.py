"""The hash chain over the entries of a network and partition: what was booked cannot be altered, left out or slipped in unseen.

Every link is SHA-256 over the link before it, the entry's place (partition, position, its place on the waybill, the
verdict's offset) and the entry's JSON as published. All of that follows from the verdict topic and the closes, so a
replay ends in the same chain (`docs/adr/0006-a-chain-per-partition.md`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from shared.events.outputs import ChainLink, Entry

ChainKey = tuple[str, int]
"""A chain: (network, partition)."""

_encode = msgspec.json.Encoder().encode


class Link(NamedTuple):
    """An entry's place in its chain (from 1) and the hash over everything up to it; position 0 begins the chain."""

    position: int
    digest: bytes


def beginning(key: ChainKey) -> Link:
    """What stands before a chain's first entry: no two chains begin alike."""
    return Link(0, hashlib.sha256(_encode(["faultline ledger", *key])).digest())


def following(before: Link, entry: Entry, partition: int, ordinal: int, record_offset: int) -> Link:
    """The link of `entry` after `before`. What `entry` already says of its link does not count."""
    content = msgspec.structs.replace(entry, chain=None) if entry.chain is not None else entry
    position = before.position + 1
    place = _encode([partition, position, ordinal, record_offset])
    return Link(position, hashlib.sha256(before.digest + place + _encode(content)).digest())


def shown(link: Link, partition: int) -> ChainLink:
    """The link as an entry carries it."""
    return ChainLink(partition, link.position, shown_digest(link.digest))


def shown_digest(digest: bytes) -> str:
    """A digest as people and programs read it."""
    return f"sha256:{digest.hex()}"


class Chains:
    """The newest links of some chains, and what becomes of them while entries are booked."""

    def __init__(self, heads: Mapping[ChainKey, Link] | None = None) -> None:
        self._heads = dict(heads or {})
        self.changed: dict[ChainKey, Link] = {}

    def sealed(self, entry: Entry, partition: int, ordinal: int, record_offset: int) -> Entry:
        """`entry` as the next link of its chain."""
        key = entry.network, partition
        before = self._heads.get(key) or beginning(key)
        link = following(before, entry, partition, ordinal, record_offset)
        self._heads[key] = self.changed[key] = link
        return msgspec.structs.replace(entry, chain=shown(link, partition))
