"""Saying until when the published duties of a partition are complete, once a term in them is over.

Whoever tells others that a term was missed waits for it: while this service is behind its topics, what kept the term may
not have been read yet. It is said once for each term, on the topic of the duties, behind the lists that it is about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.handlers.publishing import publish_completeness
from services.arbitration.settings import ArbitrationSettings
from services.arbitration.store import duties, journal, reviews
from shared.bus import outbox
from shared.bus.assignment import Assignment
from shared.bus.outbox import OutboxRelay
from shared.bus.positions import Fenced
from shared.bus.runner import ConsumerRunner
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.clock import Clock
from shared.db import reader

log = structlog.get_logger(__name__)


class Completing:
    """Follows the decisions about the partitions that `runner` holds, one task a lane."""

    def __init__(
        self, settings: ArbitrationSettings, engine: AsyncEngine, clock: Clock, relay: OutboxRelay
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._relay = relay

    async def run(self, runner: ConsumerRunner, lane: int) -> None:
        """Say for lane `lane` what is complete until cancelled; what fails because something is away is tried again."""
        while True:
            assignment = await runner.wait_assigned()
            try:
                await self._round(runner, assignment, lane)
            except Fenced:
                await runner.lost(assignment)
            except TRANSIENT as error:
                unless_cancelled(error)
                log.warning("completeness waits", error=f"{type(error).__name__}: {error}")
            # The machine's time: a moved clock is noticed at the next look.
            await asyncio.sleep(self._settings.duties_complete_ms / 1000)

    async def _round(self, runner: ConsumerRunner, assignment: Assignment, lane: int) -> None:
        """Once all that was on the topics when a term was found over is decided and published, say so."""
        cutoff = self._clock.now()
        partitions = await self._with_terms_over(runner.lane_partitions(lane), cutoff)
        if not partitions:
            return
        ends = await runner.high_watermarks(partitions)

        async def is_read() -> bool:
            return runner.has_passed(ends)

        await self._wait(is_read, partitions, assignment)
        # Whatever was read asked for its look by now, in the transaction that stored it.
        read_at = self._clock.now()

        async def is_decided() -> bool:
            async with self._engine.connect() as connection:
                return not await reviews.any_asked(await journal.driver(connection), partitions, read_at)

        await self._wait(is_decided, partitions, assignment)
        async with reader(self._engine) as connection:
            last = await outbox.newest(connection)

        async def is_published() -> bool:
            async with reader(self._engine) as connection:
                return not await outbox.is_left(connection, last)

        await self._wait(is_published, partitions, assignment)
        async with runner.fenced(partitions, assignment) as (connection, _):
            await duties.end_terms(await journal.driver(connection), partitions, cutoff)
            await publish_completeness(connection, partitions, cutoff)
        self._relay.wake()

    async def _with_terms_over(self, partitions: Sequence[int], at: datetime) -> list[int]:
        async with self._engine.connect() as connection:
            return await duties.with_terms_over(await journal.driver(connection), partitions, at)

    async def _wait(
        self, condition: Callable[[], Awaitable[bool]], partitions: Sequence[int], assignment: Assignment
    ) -> None:
        """Return once `condition` holds; Fenced where the partitions go before."""
        while not await condition():
            if assignment.ended.is_set():
                raise Fenced(partitions)
            await asyncio.sleep(self._settings.review_poll_ms / 1000)
