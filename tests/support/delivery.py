"""Sites with addresses, notices queued for them, and what becomes of those, with notify as a process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec

from shared.bus.producer import OutRecord
from shared.clock import Clock, advance
from shared.registry import SITES_TOPIC, SiteRecord
from tests.support.bus import until
from tests.support.notify import NotifyProcess
from tests.support.verdicts import new_network

Json = dict[str, Any]


class Post:
    """One network on a running notify."""

    def __init__(self, notify: NotifyProcess, clock_file: Path) -> None:
        self.network = new_network()
        self.notify = notify
        self.clock = Clock(clock_file)
        self._clock_file = clock_file

    def advance(self, **by: float) -> None:
        """Move the clock of notify: `hours=1`."""
        advance(self._clock_file, timedelta(**by))

    async def site(
        self, site: str, *, webhook: str | None = None, email: str | None = None, secret: bool = True
    ) -> str:
        """Register a site; returns the secret of its webhooks, "" where none is to be made."""
        record = SiteRecord(
            network=self.network,
            site=site,
            name=site,
            kind="outlet",
            webhook=webhook,
            email=email,
            language="zh",
            recorded_at=self.clock.now(),
        )
        key = f"{self.network}/{site}"
        await self.notify.publish(OutRecord(SITES_TOPIC, key.encode(), msgspec.json.encode(record)))
        return await self.secret(site) if secret and webhook else ""

    async def secret(self, site: str) -> str:
        """Make a secret."""
        return str((await self.post(f"/v1/webhook-secrets/{self.network}/{site}", 201))["secret"])

    async def post(self, path: str, status: int) -> Any:
        """Ask for something as the operator."""
        async with self.notify.client() as client:
            answer = await client.post(path)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def queue(
        self,
        site: str,
        count: int = 1,
        *,
        channel: str = "webhook",
        send_after: datetime | None = None,
        created_at: datetime | None = None,
    ) -> list[str]:
        """Queue notices as the telling part does; their ids, the oldest first."""
        began = created_at or self.clock.now()
        rows = [
            (
                uuid4(),
                self.network,
                site,
                channel,
                f"Notice {number}",
                began + timedelta(microseconds=number),
                send_after,
            )
            for number in range(count)
        ]
        connection = await asyncpg.connect(self.notify.settings.database_url)
        try:
            await connection.executemany(_QUEUE, rows)
        finally:
            await connection.close()
        return [str(row[0]) for row in rows]

    async def execute(self, statement: str, *values: Any) -> Any:
        """Run a statement in the database; the rows it returns."""
        connection = await asyncpg.connect(self.notify.settings.database_url)
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    async def notices(self, **asked: Any) -> dict[str, Json]:
        """The notices of the network by id."""
        items = await self.notify.items(network=self.network, **asked)
        return {item["notice_id"]: item for item in items}

    async def until_states(self, ids: Sequence[str], state: str) -> dict[str, Json]:
        """Wait until all `ids` are in `state`; returns all notices of the network."""
        found: dict[str, Json] = {}

        async def reached() -> bool:
            found.update(await self.notices())
            return all(found[one]["state"] == state for one in ids)

        await until(
            reached, lambda: f"{state}: {[(found[one]['state'], found[one]['attempts']) for one in ids]}"
        )
        return found

    async def destination(self, site: str, channel: str = "webhook") -> Json:
        """How a destination fares."""
        page = await self.notify.get("/v1/destinations", network=self.network, site=site, channel=channel)
        found: Json = page["items"][0]
        return found

    async def until_failures(self, site: str, failures: int, channel: str = "webhook") -> Json:
        """Wait until a destination has failed so often in a row."""
        found: list[Json] = []

        async def reached() -> bool:
            page = await self.notify.get("/v1/destinations", network=self.network, site=site, channel=channel)
            found[:] = page["items"]
            return bool(found) and found[0]["failures"] >= failures

        await until(reached, lambda: f"{failures} failures: {found}")
        return found[0]


_QUEUE = """
    INSERT INTO notices (notice_id, occasion, network, site, channel, state, language, title, body, created_at,
                         send_after, attempts)
    VALUES ($1, 'finding_issued', $2, $3, $4, 'queued', 'zh', $5, 'Body', $6, $7, '[]')
    """
