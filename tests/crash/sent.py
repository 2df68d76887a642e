"""What the load sent, and what it was told about it: the oracle's only source besides what it reads at the end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Key(NamedTuple):
    """The deduplication key of contract.md §1."""

    subject: str
    source: str
    id: str


class Content(NamedTuple):
    """An event's key and a digest of all it says, `recordedtime` left out. Made with nothing of the product's."""

    key: Key
    digest: str


def content_of(value: bytes) -> Content:
    """The content of an event's bytes. Raises ValueError or KeyError for what is no event."""
    members = json.loads(value)
    members.pop("recordedtime", None)
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    key = Key(members["subject"], members["source"], members["id"])
    return Content(key, hashlib.sha256(canonical.encode()).hexdigest())


@dataclass
class Sent:
    """The books of the load. An event is entered before it is sent, its acknowledgement when the answer is there."""

    originals: dict[Key, bytes] = field(default_factory=dict)
    """The first content of each key: the one that counts. Copies that contradict it are sent only after its ack."""
    contents: set[Content] = field(default_factory=set)
    acknowledged: set[Content] = field(default_factory=set)
    refused: set[Content] = field(default_factory=set)
    """What intake said that it did not take, and nothing else: must be nowhere."""
    bad: dict[bytes, str] = field(default_factory=dict)
    """Records published directly that are not fit, and the reason that their dead letter must give."""
    kinds: dict[str, str] = field(default_factory=dict)
    """What each waybill was made to be, for reports of failures."""
    requests: int = 0
    retries: int = 0
    copies: int = 0
    contradictions: int = 0

    def sending(self, values: Iterable[bytes]) -> list[Content]:
        """Enter what is about to be sent. The first content of a key stays its original."""
        found = [content_of(value) for value in values]
        for content, value in zip(found, values, strict=True):
            self.originals.setdefault(content.key, value)
        self.contents.update(found)
        return found

    def took(self, contents: Iterable[Content]) -> None:
        """Enter an acknowledgement."""
        self.acknowledged.update(contents)

    def streams(self) -> dict[str, list[bytes]]:
        """The events that count, by waybill."""
        by_subject: dict[str, list[bytes]] = {}
        for key, value in self.originals.items():
            by_subject.setdefault(key.subject, []).append(value)
        return by_subject

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{len(self.contents)} events of {len(self.kinds)} waybills in {self.requests} requests, "
            f"{self.retries} retries, {self.copies} copies and {self.contradictions} contradictions on purpose, "
            f"{len(self.bad)} bad records"
        )
