"""What the registry topics carry (contract.md §2), and the registries that every service keeps of them in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Generic, Literal, TypeVar

import msgspec

SITES_TOPIC = "registry.sites"
EXEMPTIONS_TOPIC = "registry.exemptions"
KEYS_TOPIC = "registry.keys"

NETWORK_PATTERN = r"^[a-z][a-z0-9-]{1,31}$"
SITE_PATTERN = r"^[A-Z0-9-]{2,16}$"
OWNER_PATTERN = r"^/(sites/[A-Z0-9-]{2,16}|(desks|regulators|operators)/[A-Za-z0-9][A-Za-z0-9_.-]{0,63})$"

Scope = Literal["publish", "read", "decide", "backfill", "admin"]
SCOPES: frozenset[str] = frozenset(("publish", "read", "decide", "backfill", "admin"))

_network = re.compile(NETWORK_PATTERN)
_site = re.compile(SITE_PATTERN)


class SiteRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A site's whole record, as on `registry.sites`. `parent` is a site of the same network."""

    network: str
    site: str
    name: str
    kind: Literal["outlet", "hub"]
    parent: str | None = None
    city: str | None = None
    province: str | None = None
    webhook: str | None = None
    email: str | None = None
    language: Literal["zh", "en"]
    recorded_at: datetime
    """When intake took this version of the record: facts are filtered by it."""


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key as on `registry.keys`: never the key itself, only its SHA-256. Revoking sets `revoked_at`."""

    key_id: str
    owner: str
    network: str | None = None
    scopes: list[Scope]
    sha256: str
    """The key's SHA-256 in hexadecimal. A key has 256 random bits, so no salt or slow hash is needed."""
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def in_force(self, now: datetime) -> bool:
        """Whether the key is accepted at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Exemption(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An exemption of many: delay in these days on links of these sites or this region is excused (rules.md §4).

    `from_` and `to` are days in the network's time zone, both included. `province` and `city` given together mean both.
    """

    network: str
    exemption_id: str
    sites: list[str] | None = None
    province: str | None = None
    city: str | None = None
    from_: date = msgspec.field(name="from")
    to: date
    ground: str
    reason: str
    officer: str
    declared_at: datetime
    withdrawn_at: datetime | None = None

    def covers(self, site: str, province: str | None, city: str | None) -> bool:
        """Whether it names `site`, or the region in which the site lies."""
        if self.sites is not None and site in self.sites:
            return True
        if self.province is None and self.city is None:
            return False
        return self.province in (None, province) and self.city in (None, city)


class ExemptionEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A record of `registry.exemptions`: a CloudEvent with the whole exemption, so that a withdrawal still says of what."""

    specversion: str = "1.0"
    id: str
    source: str
    type: Literal["exemption.declared", "exemption.withdrawn"]
    subject: str
    """`{network}/{exemption_id}`, the record's key."""
    time: datetime
    data: Exemption


T = TypeVar("T")
Listener = Callable[[str, "T | None"], None]


class Registry(Generic[T]):
    """The newest record of each key of one compacted topic, decoded. Feed it through `apply`.

    Listeners are called for every record in the topic's order, the ones read at start included.
    """

    def __init__(self, record_type: type[T]) -> None:
        self._decode = msgspec.json.Decoder(record_type).decode
        self._records: dict[str, T] = {}
        self._listeners: list[Listener[T]] = []

    def apply(self, key: str, value: bytes | None) -> None:
        """Take the record `value` of `key`; None is a tombstone. Raises ValueError for what is not such a record."""
        record = None if value is None else self._decode(value)
        if record is None:
            self._records.pop(key, None)
        else:
            self._records[key] = record
        for listener in tuple(self._listeners):
            listener(key, record)

    def subscribe(self, listener: Listener[T]) -> None:
        """Have `listener(key, record)` called for each record from now on, None where it was taken away."""
        self._listeners.append(listener)

    def unsubscribe(self, listener: Listener[T]) -> None:
        """Call `listener` no more."""
        self._listeners.remove(listener)

    def get(self, key: str) -> T | None:
        """The newest record of `key`, None where there is none."""
        return self._records.get(key)

    def records(self) -> Mapping[str, T]:
        """All newest records by key: a live view, not a copy."""
        return self._records

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[T]:
        return iter(self._records.values())


def site_registry() -> Registry[SiteRecord]:
    """An empty registry of `registry.sites`."""
    return Registry(SiteRecord)


def key_registry() -> Registry[KeyRecord]:
    """An empty registry of `registry.keys`."""
    return Registry(KeyRecord)


def exemption_registry() -> Registry[ExemptionEvent]:
    """An empty registry of `registry.exemptions`; its records are the events themselves."""
    return Registry(ExemptionEvent)


def is_network(text: str) -> bool:
    """Whether `text` is a network's code (contract.md §1)."""
    return _network.fullmatch(text) is not None


def is_site(text: str) -> bool:
    """Whether `text` is a site's code (contract.md §1)."""
    return _site.fullmatch(text) is not None
