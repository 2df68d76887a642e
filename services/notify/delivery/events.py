"""Telling, through the outbox, that notices were delivered or given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.handlers.teller import NOTICES_TOPIC, event_of
from services.notify.store.deliveries import Told
from shared.bus.outbox import enqueue


async def publish(connection: AsyncConnection, told: Sequence[Told], now: datetime) -> None:
    """Publish `notice.delivered` or `notice.failed` for each, with the transaction."""
    events = [
        event_of(
            "notice.delivered" if one.notice.state == "delivered" else "notice.failed",
            one.notice,
            now,
            rounds=one.rounds,
        )
        for one in told
    ]
    await enqueue(connection, NOTICES_TOPIC, None, events)
