"""The registries that a service keeps: its keys always, sites and exemptions where it needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Self

from shared.bus.compacted import CompactedReader, Unreadable
from shared.clock import Clock
from shared.health import Check
from shared.http.auth import KeyRing
from shared.registry import (
    EXEMPTIONS_TOPIC,
    KEYS_TOPIC,
    SITES_TOPIC,
    exemption_registry,
    key_registry,
    site_registry,
)
from shared.settings import ServiceSettings


class Registries:
    """Follows the registry topics while it is entered (`async with`).

    `keys`, `sites` and `exemptions` are the registries, `ring` is what `create_app` takes as `keys`. Listeners
    (`registries.sites.subscribe`) must be there before it is entered to see every record.
    """

    def __init__(
        self, settings: ServiceSettings, clock: Clock, *, sites: bool = False, exemptions: bool = False
    ) -> None:
        self.keys = key_registry()
        self.sites = site_registry()
        self.exemptions = exemption_registry()
        self._readers = [CompactedReader(KEYS_TOPIC, settings, self.keys.apply)]
        self.ring = KeyRing(self.keys, clock, settings.operator_key, loaded=lambda: self._readers[0].loaded)
        if sites:
            self._readers.append(CompactedReader(SITES_TOPIC, settings, self.sites.apply))
        if exemptions:
            self._readers.append(CompactedReader(EXEMPTIONS_TOPIC, settings, self.exemptions.apply))

    @property
    def loaded(self) -> bool:
        """Whether every topic has been read to its end."""
        return all(reader.loaded for reader in self._readers)

    def check(self) -> Check:
        """All topics in one, for `/readyz`: ready when every one is read to its end and the broker answers."""
        checks = self.checks()
        lag = sum(check.values["lag"] for check in checks.values())
        detail = " ".join(check.detail for check in checks.values() if not check.ok)
        return Check(all(check.ok for check in checks.values()), detail, {"lag": lag})

    def checks(self) -> Mapping[str, Check]:
        """The state of each topic that is followed."""
        return {reader.topic: reader.check() for reader in self._readers}

    def unreadable(self) -> list[Unreadable]:
        """Records of all topics that are followed that could not be read."""
        return [record for reader in self._readers for record in reader.unreadable]

    async def wait_loaded(self) -> None:
        """Return once every topic has been read to its end."""
        await asyncio.gather(*(reader.wait_loaded() for reader in self._readers))

    async def __aenter__(self) -> Self:
        """Begin to read; does not wait for the broker."""
        for reader in self._readers:
            await reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(reader.stop() for reader in self._readers))
