"""Notify as a process on the real broker and database, and verdicts to feed it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from services.arbitration.handlers.publishing import complete_record
from services.notify.domain.findings import telling_of
from services.notify.handlers.duties import DUTIES_TOPIC
from shared.bus.producer import OutRecord
from shared.events.duties import DutiesData
from shared.events.outputs import Award, OutputEvent, VerdictData
from shared.registry import SITES_TOPIC, SiteRecord
from shared.settings import ServiceSettings
from tests.support.bus import WAIT_S, until
from tests.support.process import OPERATOR_KEY, ConsumerProcess
from tests.support.topics import read_all
from tests.support.verdicts import VERDICTS_TOPIC
from tests.unit.notify.verdicts import finding, told, verdict

NOTICES_TOPIC = "notify.notices"
NOBODY = "http://127.0.0.1:9"
"""The port of the discard service: reports must not be made of whatever else runs on this machine."""


class NotifyProcess(ConsumerProcess):
    """One copy of notify on `database_url`; `environment` adds to its settings."""

    topics = (VERDICTS_TOPIC, DUTIES_TOPIC, "penalties.periods")

    def __init__(self, bootstrap_servers: str, database_url: str, **environment: str) -> None:
        peers = {"FAULTLINE_ARBITRATION_URL": NOBODY, "FAULTLINE_PENALTIES_URL": NOBODY}
        super().__init__("notify", bootstrap_servers, database_url, **{**peers, **environment})

    def twin(self) -> NotifyProcess:
        """Another copy of the same service, not started yet."""
        return NotifyProcess(
            self.settings.kafka_bootstrap_servers, self.settings.database_url, **self._environment
        )

    async def told(self, *records: OutRecord) -> None:
        """Publish records, and return once they are worked through."""
        await self.publish(*records)
        await self.drained()

    async def knows(self, *sites: SiteRecord) -> None:
        """Register sites, and return once the service knows them."""
        for site in sites:
            key = f"{site.network}/{site.site}"
            await self.publish(OutRecord(SITES_TOPIC, key.encode(), msgspec.json.encode(site)))
            await self.wait_status(f"/v1/preferences/{key}", 200)

    async def wait_status(self, path: str, status: int) -> None:
        """Wait until `path` answers `status` to the operator."""
        async with self.client() as client:

            async def answered() -> bool:
                return (await client.get(path)).status_code == status

            await until(answered, f"{path} answers {status}")

    async def items(self, *, key: str | None = OPERATOR_KEY, limit: int = 500, **asked: Any) -> list[Any]:
        """All notices asked for, newest first."""
        return await self.all_items("/v1/notices", key=key, limit=limit, **asked)

    @asynccontextmanager
    async def stream(
        self, *, key: str = OPERATOR_KEY, since: str | None = None, **asked: str
    ) -> AsyncIterator[Stream]:
        """The server-sent events, once the service has begun to send."""
        headers = {"Last-Event-ID": since} if since else {}
        async with (
            self.client(key) as client,
            client.stream("GET", "/v1/notices/stream", params=asked, headers=headers) as answer,
        ):
            assert answer.status_code == 200
            lines = answer.aiter_lines()
            assert await anext(lines) == ": notices"
            yield Stream(lines)


def site_of(network: str, site: str, **members: Any) -> SiteRecord:
    """A registered outlet without addresses; `members` differ."""
    usual: dict[str, Any] = {
        "network": network,
        "site": site,
        "name": site,
        "kind": "outlet",
        "language": "zh",
        "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return SiteRecord(**{**usual, **members})


def duties_record(data: DutiesData) -> OutRecord:
    """The record that arbitration publishes for a waybill's duties."""
    subject = f"{data.network}/{data.waybill}"
    event = OutputEvent(
        id=f"{subject}/duties/{data.revision}",
        source="/services/arbitration",
        type="duties.changed",
        subject=subject,
        time=data.as_of,
        data=msgspec.Raw(msgspec.json.encode(data)),
    )
    return OutRecord(DUTIES_TOPIC, subject.encode(), msgspec.json.encode(event))


def complete_records(settings: ServiceSettings, complete_until: datetime) -> list[OutRecord]:
    """What arbitration publishes when every partition's duties are complete."""
    made = (complete_record(number, complete_until) for number in range(settings.partitions))
    return [OutRecord(DUTIES_TOPIC, key.encode(), value, number) for number, key, value in made]


def upgrade_notify(connection: Connection, revision: str) -> None:
    """Bring the schema to an older revision than the service would."""
    config = Config()
    config.set_main_option("script_location", "services/notify/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


class Stream:
    """Events of a stream, one at a time."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.mark = ""

    async def next(self) -> dict[str, Any]:
        """The next notice."""
        async with asyncio.timeout(WAIT_S):
            async for line in self._lines:
                if line.startswith("id: "):
                    self.mark = line.removeprefix("id: ")
                elif line.startswith("data: "):
                    notice: dict[str, Any] = json.loads(line.removeprefix("data: "))
                    return notice
        raise AssertionError("the stream has ended")


async def published(settings: ServiceSettings, topic: str, network: str) -> list[Any]:
    """The records of `network` that a topic has now, in the order of their partitions."""
    mine = f"{network}/".encode()
    return [record for record in await read_all(settings, topic) if (record.key or b"").startswith(mine)]


def shown(items: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Occasion, site and version, oldest first."""
    return [(item["occasion"], item["site"], item["version"]) for item in reversed(items)]


def random_history(chance: random.Random, network: str, waybill: str) -> list[VerdictData]:
    """One to five versions of a verdict."""
    sites, receivers = ["BJ02", "GZ01", "SH03"], ["BJ02", "GZ01", "SH03", "hq", "sender"]
    return [
        verdict(
            version,
            *(
                finding(
                    finding_id=f"{rule}/{site}",
                    rule=rule,
                    site=site,
                    amount_fen=chance.choice([0, 5_000, 10_000]),
                    awards=[Award(chance.choice(receivers), 5_000)],
                    state=chance.choice(["active", "active", "provisional", "frozen", "revoked"]),
                    ruling=chance.random() < 0.2,
                )
                for rule, site in zip(("TT-01", "TT-04", "TT-07"), chance.sample(sites, 3), strict=True)
                if chance.random() < 0.7
            ),
            network=network,
            waybill=waybill,
        )
        for version in range(1, chance.randint(2, 6))
    ]


def random_delivery(chance: random.Random, network: str, waybills: int) -> list[VerdictData]:
    """Histories of several waybills, shuffled, with copies."""
    all_ = [v for n in range(waybills) for v in random_history(chance, network, f"57{n:010d}")]
    delivery = all_ + chance.choices(all_, k=len(all_) // 2)
    chance.shuffle(delivery)
    return delivery


def expected(delivery: list[VerdictData]) -> set[str]:
    """The ids of the notices for a delivery, from the pure function alone."""
    ids: set[str] = set()
    for waybill in {v.waybill for v in delivery}:
        versions = [v for v in delivery if v.waybill == waybill]
        for cause in told(*versions)[1]:
            ids.add(telling_of(cause, versions[0].network, waybill, None).notice_id("in_app"))
    return ids
