"""Writing to the registry topics: acknowledged by the broker and seen by the own reader before it counts as done."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from aiokafka.errors import KafkaError

from services.intake.registry_domain import site_key
from shared.bus.compacted import Unreadable
from shared.bus.producer import EVENT_HEADERS, OutRecord, Producer
from shared.http.problems import Problem
from shared.registries import Registries
from shared.registry import (
    EXEMPTIONS_TOPIC,
    KEYS_TOPIC,
    SITES_TOPIC,
    ExemptionEvent,
    KeyRecord,
    Registry,
    SiteRecord,
)

_RECORD_TYPE = (("content-type", b"application/json"),)

T = TypeVar("T")


class RegistryStore:
    """The registries as intake writes them. Every write raises Problem (503) where the broker does not take it in time.

    After a 503 the record may still have been stored: writing it again is right, and harmless.
    """

    def __init__(self, producer: Producer, registries: Registries, *, timeout_ms: int) -> None:
        self.registries = registries
        self.site_lock = asyncio.Lock()
        """Held from the check of a site's parents to the end of its write: in one process no circle slips through."""
        self._producer = producer
        self._timeout_ms = timeout_ms

    def require_loaded(self) -> None:
        """Raise Problem (503) while the registries have not been read to their end."""
        if not self.registries.loaded:
            raise _away("The registries have not been read from the broker yet.")

    async def put_site(self, record: SiteRecord) -> None:
        """Write a site's whole record."""
        key = site_key(record.network, record.site)
        await self._put(self.registries.sites, SITES_TOPIC, key, record, _RECORD_TYPE)

    async def put_key(self, record: KeyRecord) -> None:
        """Write a key's record."""
        await self._put(self.registries.keys, KEYS_TOPIC, record.key_id, record, _RECORD_TYPE)

    async def put_exemption(self, event: ExemptionEvent) -> None:
        """Write that an exemption was declared or withdrawn."""
        await self._put(self.registries.exemptions, EXEMPTIONS_TOPIC, event.subject, event, EVENT_HEADERS)

    async def put_again(self, record: Unreadable) -> None:
        """Publish a record once more, bytes unchanged."""
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                partition = record.partition if record.key is None else None
                await self._producer.send_all([OutRecord(record.topic, record.key, record.value, partition)])
        except (KafkaError, OSError, TimeoutError) as error:
            raise _away("The broker did not take the record in time.") from error

    async def _put(
        self, registry: Registry[T], topic: str, key: str, record: T, headers: tuple[tuple[str, bytes], ...]
    ) -> None:
        seen = asyncio.Event()

        def note(read_key: str, read: T | None) -> None:
            if read_key == key and read == record:
                seen.set()

        registry.subscribe(note)
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                await self._producer.send_all(
                    [OutRecord(topic, key.encode(), msgspec.json.encode(record), headers=headers)]
                )
                await seen.wait()
        except (KafkaError, OSError, TimeoutError) as error:
            raise _away("The broker did not take the record, or did not give it back, in time.") from error
        finally:
            registry.unsubscribe(note)


def _away(happened: str) -> Problem:
    return Problem(
        503,
        "Broker away",
        f"{happened} The broker is away or overloaded. Send the same request again.",
        headers={"Retry-After": "2"},
    )
