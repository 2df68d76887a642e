"""What has to be seen to beside the sending: changed addresses, notices that waited too long or are void, old files, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.delivery import measures
from services.notify.delivery.events import publish
from services.notify.delivery.sender import AddressOf
from services.notify.delivery.settings import DeliverySettings
from services.notify.store import attachments, deliveries, destinations
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.clock import Clock

log = structlog.get_logger(__name__)

_GIVEN_UP_MAX = 500
"""Notices that one transaction gives up at most."""
_FORGET_EVERY = timedelta(hours=1)


class Housekeeping:
    """Runs beside the sender, in every copy. `published` is called when notices were told of in the outbox."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        settings: DeliverySettings,
        address_of: AddressOf,
        *,
        published: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._settings = settings
        self._address_of = address_of
        self._published = published
        self._forget_at = clock.now()

    async def run(self) -> None:
        """See to it until cancelled."""
        while True:
            try:
                await self.follow_addresses()
                await self.give_up()
                await self.withdraw()
                await self.forget()
                await self._measure()
            except TRANSIENT as error:
                unless_cancelled(error)
                log.warning("housekeeping_waits", error=repr(error))
            # The machine's time: how often this is done has nothing to do with the product's clock.
            await asyncio.sleep(self._settings.delivery_housekeeping_ms / 1000)

    async def follow_addresses(self) -> None:
        """Try destinations in trouble at once where their site has another address now."""
        async with self._engine.begin() as connection:
            changed = [
                key
                for key, failed in await destinations.in_trouble(connection)
                if (current := self._address_of(*key)) is not None and current != failed
            ]
            if changed:
                await destinations.reopen(connection, changed)

    async def give_up(self) -> None:
        """Fail what has waited for broken destinations longer than the setting allows."""
        given_up = _GIVEN_UP_MAX
        while given_up == _GIVEN_UP_MAX:
            now = self._clock.now()
            async with self._engine.begin() as connection:
                told = await deliveries.give_up(
                    connection,
                    now - timedelta(hours=self._settings.delivery_give_up_hours),
                    now,
                    limit=_GIVEN_UP_MAX,
                    attempts_kept=self._settings.delivery_attempts_kept,
                )
                await publish(connection, told, now)
            given_up = len(told)
            if told:
                self._published()

    async def withdraw(self) -> None:
        """Withdraw what became void in the hands of a copy that died with it."""
        async with self._engine.begin() as connection:
            await deliveries.withdraw_abandoned(connection)

    async def forget(self) -> None:
        """Now and then delete the files of mails that left long ago."""
        now = self._clock.now()
        if now < self._forget_at:
            return
        async with self._engine.begin() as connection:
            await attachments.forget(connection, now - timedelta(days=self._settings.attachment_keep_days))
        self._forget_at = now + _FORGET_EVERY

    async def _measure(self) -> None:
        now = self._clock.now()
        async with self._engine.connect() as connection:
            measures.waiting(await deliveries.backlog(connection, now), now)
            measures.destinations(await destinations.states(connection))
