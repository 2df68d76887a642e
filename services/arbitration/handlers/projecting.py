"""Keeping the projections: in the deciding transaction, and rebuilt beside the live ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from asyncpg import Connection

from services.arbitration.projections.looked import Looked
from services.arbitration.store import projections as store
from services.arbitration.store.projections import Projection

PROJECTIONS: Final[tuple[Projection, ...]] = ()
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
