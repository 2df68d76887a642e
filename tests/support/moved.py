"""Notify with a clock that a test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from shared.bus.producer import OutRecord
from shared.clock import Clock, advance
from shared.events.duties import DutiesData, Duty
from tests.support.bus import until
from tests.support.notify import NotifyProcess, complete_records, duties_record
from tests.support.parts import Parts
from tests.support.verdicts import new_network
from tests.unit.notify.duties import duty

MINUTE = timedelta(minutes=1)
WAYBILL = "560000000001"


class Moved:
    """Notify with a clock of its own, and a network of its own for each test."""

    def __init__(self, process: NotifyProcess, clock_file: Path) -> None:
        self.notify = process
        self.clock_file = clock_file
        self.clock = Clock(clock_file)
        self.network = new_network()
        self.opened_at = self.clock.now()

    async def until(self, moment: datetime, *, complete: bool = True) -> None:
        """Move the clock to `moment`, it never goes back; arbitration is up to date there, unless not `complete`."""
        advance(self.clock_file, max(timedelta(), moment - self.clock.now()))
        # A clock looks at its file now and then; a new one looks at once.
        self.clock = Clock(self.clock_file)
        if complete:
            await self.complete()

    async def complete(self) -> None:
        """Say as arbitration does that all duties up to now are published."""
        await self.notify.publish(*complete_records(self.notify.settings, self.clock.now()))

    async def tell(self, revision: int, *duties: Duty, waybill: str = WAYBILL) -> None:
        """Publish a waybill's duties, as found now, and wait until they are taken in."""
        await self.notify.told(self.record(revision, *duties, waybill=waybill))

    def record(self, revision: int, *duties: Duty, waybill: str = WAYBILL) -> OutRecord:
        """What arbitration publishes of a waybill's duties, as found now."""
        data = DutiesData(
            network=self.network,
            waybill=waybill,
            revision=revision,
            as_of=self.clock.now(),
            duties=list(duties),
        )
        return duties_record(data)

    def duty(self, kind: str, about: str = "C1", **members: Any) -> Duty:
        """A duty that came when the test began, unless `members` differ."""
        return duty(kind, about, **{"begun_at": self.opened_at, **members})

    async def notices(self, **asked: Any) -> list[dict[str, Any]]:
        """All notices of the network, oldest first."""
        return (await self.notify.items(network=self.network, **asked))[::-1]

    async def wait_for(self, expected: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """Wait until exactly these (occasion, site) were told in the application; the notices, oldest first."""
        found: list[dict[str, Any]] = []

        async def told() -> bool:
            found[:] = [one for one in await self.notices() if one["channel"] == "in_app"]
            return len(found) >= len(expected)

        await until(told, lambda: f"{expected} are told: {shown(found)}")
        assert sorted(shown(found)) == sorted(expected)
        return found

    async def nothing_is_due(self) -> None:
        """Wait until no reminder of the network is left to be said at this moment of the moved clock."""
        connection = await asyncpg.connect(self.notify.settings.database_url)

        async def none() -> bool:
            waiting = await connection.fetchval(
                "SELECT count(*) FROM reminders WHERE said_at IS NULL AND remind_at <= $1 AND subject LIKE $2",
                self.clock.now(),
                f"{self.network}/%",
            )
            return bool(waiting == 0)

        try:
            await until(none, "nothing is left to be said")
        finally:
            await connection.close()


def shown(notices: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Each notice as (occasion, site)."""
    return [(one["occasion"], one["site"]) for one in notices]


@asynccontextmanager
async def own_notify(parts: Parts, url: str, tmp_path: Path, **environment: str) -> AsyncIterator[Moved]:
    """A process that has a database, a consumer group and a clock of its own; not started yet, stopped at the end."""
    clock_file = tmp_path / "clock.json"
    process = NotifyProcess(
        parts.bootstrap_servers,
        url,
        FAULTLINE_CLOCK_FILE=str(clock_file),
        FAULTLINE_CONSUMER_GROUP=f"own-{new_network()}",
        **environment,
    )
    try:
        yield Moved(process, clock_file)
    finally:
        process.stop()
