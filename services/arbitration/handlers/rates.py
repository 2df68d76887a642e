"""Fixing the rates of a month that is over, so that its provisional findings are judged anew (ZT-10)."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import structlog
from asyncpg import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.domain import Rulebooks
from services.arbitration.domain.rates import fixed_at, rates_of
from services.arbitration.facts import FactBook
from services.arbitration.settings import ArbitrationSettings
from services.arbitration.store import rates
from services.arbitration.store.facts import Statement
from services.arbitration.store.generations import transaction
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.clock import Clock

log = structlog.get_logger(__name__)


class RateFixing:
    """Fixes a month's rates once their moment has come, by one copy of the service at a time. Fixed rates stay."""

    def __init__(
        self,
        settings: ArbitrationSettings,
        engine: AsyncEngine,
        clock: Clock,
        facts: FactBook,
        rulebooks: Rulebooks,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._facts = facts
        self._rulebooks = rulebooks

    async def run(self) -> None:
        """Look for months to fix until cancelled."""
        while True:
            wait_ms = self._settings.rates_poll_ms
            try:
                async with transaction(self._engine) as driver:
                    fixed = await self._fix(driver, self._clock.now())
                for statement in fixed:
                    self._facts.remember(statement)
                    log.info("rates fixed", network=statement.network, month=statement.id)
            except _Behind:
                wait_ms = min(wait_ms, self._settings.rates_grace_ms)
            except TRANSIENT as error:
                unless_cancelled(error)
                log.warning("rates wait", error=f"{type(error).__name__}: {error}")
            await self._clock.sleep(wait_ms / 1000)

    async def _fix(self, driver: Connection, now: datetime) -> list[Statement]:
        """Fix the rates of every month whose moment has come; _Behind where what was counted is not complete."""
        if not await rates.alone(driver):
            return []
        due = [
            (network, month)
            for network, month in await rates.unfixed_months(driver)
            if (at := fixed_at(self._rulebooks.of(network), month)) is not None and at <= now.timestamp()
        ]
        if due and await rates.is_behind(driver, now - timedelta(milliseconds=self._settings.rates_grace_ms)):
            raise _Behind
        fixed: list[Statement] = []
        for network, month in due:
            found = rates_of(
                month,
                await rates.tickets(driver, network, month),
                await rates.exchanged(driver, network, month),
                self._facts.known_for(f"{network}/", now, {}),
            )
            fixed.append(Statement("rates", network, f"{month:%Y-%m}", now, msgspec.to_builtins(found)))
            await rates.keep(driver, fixed[-1])
        return fixed


class _Behind(Exception):
    """Decisions wait: what has been counted of a month is not complete."""
