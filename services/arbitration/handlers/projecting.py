"""Keeping the projections: in the deciding transaction, and rebuilt beside the live ones.

A rebuild begins a generation, which every decision from then on writes too; has every waybill of the journal looked at once
more; reads the new generation when the last look is done, and deletes the old one. Each step is a transaction that says in
the table `projections` how far it went: whoever is alive goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from asyncpg import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.projections.looked import Looked
from services.arbitration.settings import ArbitrationSettings
from services.arbitration.store import generations as store
from services.arbitration.store import scorecards
from services.arbitration.store.complaints import ComplaintClocks
from services.arbitration.store.generations import Generations, Projection
from services.arbitration.store.registers import Registers
from services.arbitration.store.scorecards import Scorecards
from services.arbitration.store.silences import Silences
from shared.bus.partitioner import partition_of
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.clock import Clock

log = structlog.get_logger(__name__)

PROJECTIONS: Final[tuple[Projection, ...]] = (ComplaintClocks(), Scorecards(), Silences(), Registers())
"""Every projection. A new one is a pure function, its SQL, a row in the table `projections` and a place here."""


async def keep(driver: Connection, looked: Sequence[Looked]) -> None:
    """Write what looks at waybills found, in their transaction, into the live generations and those being built."""
    if not looked:
        return
    generations = await store.generations(driver)
    for projection in PROJECTIONS:
        known = generations[projection.name]
        for generation in (known.live, known.building):
            if generation is not None:
                await projection.keep(driver, generation, looked)


class Upkeep:
    """What is done for the projections beside the decisions, by one copy of the service at a time."""

    def __init__(self, settings: ArbitrationSettings, engine: AsyncEngine, clock: Clock) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock

    async def run(self) -> None:
        """Fold differences and further rebuilds until cancelled."""
        while True:
            busy = False
            try:
                for step in (self._fold, *(self._step_of(projection) for projection in PROJECTIONS)):
                    busy = await self._alone(step) or busy
            except TRANSIENT as error:
                unless_cancelled(error)
                log.warning("projections wait", error=f"{type(error).__name__}: {error}")
            if not busy:
                await asyncio.sleep(self._settings.projection_poll_ms / 1000)

    async def _alone(self, step: Callable[[Connection], Awaitable[bool]]) -> bool:
        async with store.transaction(self._engine) as driver:
            return await store.alone(driver) and await step(driver)

    async def _fold(self, driver: Connection) -> bool:
        return await scorecards.fold(driver, self._settings.projection_rows_max)

    def _step_of(self, projection: Projection) -> Callable[[Connection], Awaitable[bool]]:
        async def step(driver: Connection) -> bool:
            known = (await store.generations(driver))[projection.name]
            if known.retired is not None:
                return await self._forget(driver, projection, known.retired)
            if known.building is None:
                return False
            if known.planned_until is not None:
                return await self._plan(driver, known, known.planned_until)
            if (live := await store.switch(driver, known.name)) is not None:
                log.info("projection switched", projection=known.name, generation=live)
                return True
            return False

        return step

    async def _plan(self, driver: Connection, known: Generations, after: str) -> bool:
        """Plan looks at the next waybills, unless so many wait already that those who decide could not keep up."""
        most = self._settings.projection_rows_max
        if await store.looks_left(driver, most) >= most:
            return False
        subjects = await store.subjects_after(driver, after, most)
        looks = [(partition_of(subject.encode(), self._settings.partitions), subject) for subject in subjects]
        until = subjects[-1] if subjects else None
        await store.plan(driver, known.name, looks, until, self._clock.now())
        return True

    async def _forget(self, driver: Connection, projection: Projection, generation: int) -> bool:
        if not await projection.forget(driver, generation, self._settings.projection_rows_max):
            await store.forgotten(driver, projection.name)
        return True
