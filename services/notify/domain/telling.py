"""What is to be said to one site: the one thing that all parts of notify make, and all channels carry. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.ids import stable_id


def storable(text: str) -> str:
    """`text` without what PostgreSQL's text cannot hold."""
    return text.replace("\x00", "\ufffd")


@dataclass(frozen=True, slots=True)
class Void:
    """What is still queued `about` this is not to be said any more; to `site` only, where one is named."""

    network: str
    waybill: str
    about: str
    site: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Something to say to one site, before its words, its language and its channels are chosen."""

    occasion: str
    """Names the template, and with `domain.occasions` the group that preferences speak of."""
    network: str
    site: str
    """A site of the registry, or a desk of headquarters (`handlers.directory`)."""
    identity: tuple[str | int, ...]
    """What makes the notice one of its own, besides occasion, network, site and channel: waybill, finding, version,
    duty, due moment. The same identity is never told twice."""
    values: Mapping[str, object]
    """What the template puts in, besides the members of this class."""
    waybill: str | None = None
    finding_id: str | None = None
    version: int | None = None
    due_at: datetime | None = None
    """The last second to act or to appeal."""
    about: str | None = None
    """What a `Void` of the same waybill names: `finding/…`, `appeal/…` or `duty/…`."""
    partition: int | None = None
    """The partition of the records that tell of its notices; None leaves it to their key."""

    def notice_id(self, channel: str) -> str:
        """The id of its notice on `channel`: one for ever, whatever is redelivered (contract.md §4)."""
        parts = (self.occasion, self.network, *self.identity, self.site, channel)
        return str(stable_id("notice", *parts))
