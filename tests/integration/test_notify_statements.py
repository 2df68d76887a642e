"""A month is closed, and every site learns of its statement: once, with the right sums, whatever is away or dies meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any

import asyncpg
import msgspec
import pytest

from services.notify.handlers.periods import PERIODS_TOPIC
from shared.bus.producer import OutRecord
from shared.registry import SITES_TOPIC, SiteRecord
from tests.support.bus import until
from tests.support.notify import NotifyProcess, published
from tests.support.parts import DatabaseFactory, Parts
from tests.support.penalties import DECIDED_AT, Service, finding, verdict
from tests.support.verdicts import new_network

pytestmark = pytest.mark.stack

MONTH = "2026-03"
STATISTICS = "HQ-STATISTICS"
QUICK = {
    "FAULTLINE_JOB_POLL_MS": "100",
    "FAULTLINE_JOB_RETRY_S": "0.2",
    "FAULTLINE_JOB_RETRY_MAX_S": "0.5",
    "FAULTLINE_JOB_LEASE_S": "3",
}


@pytest.fixture(scope="module")
async def ledger(parts: Parts) -> AsyncIterator[Service]:
    name, url = parts.create_database("penalties")
    running = Service(parts.bootstrap_servers, url)
    await running.start()
    yield running
    running.stop()
    parts.drop_database(name)


@asynccontextmanager
async def notify(ledger: Service, database_url: str, **environment: str) -> AsyncIterator[NotifyProcess]:
    """A copy of notify that asks `ledger`."""
    asked = {"FAULTLINE_PENALTIES_URL": ledger.url}
    copy = NotifyProcess(
        ledger.settings.kafka_bootstrap_servers, database_url, **{**asked, **QUICK, **environment}
    )
    await copy.start()
    try:
        yield copy
    finally:
        copy.stop()


async def register(ledger: Service, network: str, emails: Mapping[str, str | None]) -> None:
    """Register sites, some with an e-mail address."""
    for site, email in emails.items():
        record = SiteRecord(
            network=network,
            site=site,
            name=f"网点{site}",
            kind="outlet",
            email=email,
            language="zh",
            recorded_at=datetime.now(UTC),
        )
        await ledger.publish(
            OutRecord(SITES_TOPIC, f"{network}/{site}".encode(), msgspec.json.encode(record))
        )


async def booked_and_closed(ledger: Service, network: str, *verdicts: OutRecord) -> None:
    await ledger.publish(*verdicts)
    await ledger.drained()
    await ledger.post(f"/v1/periods/{network}/{MONTH}/close", 200)
    await ledger.drained()


async def statements(copy: NotifyProcess, network: str) -> list[dict[str, Any]]:
    return [one for one in await copy.items(network=network) if one["occasion"] == "statement_ready"]


async def nothing_waits(copy: NotifyProcess, network: str) -> bool:
    """Whether the month was told of to the end."""
    told = {one["occasion"] for one in await copy.items(network=network)}
    return "month_closed" in told and not await copy.all_items("/v1/jobs", network=network)


async def test_closing_a_month_tells_headquarters_and_every_site_its_sums(
    ledger: Service, database: DatabaseFactory
) -> None:
    network = new_network()
    await register(ledger, network, {"BJ02": "bj02@example.com", "GZ01": None})
    february = DECIDED_AT.replace(month=2)
    url = database("notify")
    async with notify(ledger, url) as copy:
        await booked_and_closed(
            ledger,
            network,
            verdict(f"{network}/560000000001", 1, [finding("BJ02", {"GZ01": 5_000})], decided_at=february),
            verdict(f"{network}/560000000002", 1, [finding("BJ02", {"GZ01": 1_000, "hq": 200})]),
            verdict(f"{network}/560000000003", 1, [finding("GZ01", {"BJ02": 300})]),
        )
        await until(lambda: nothing_waits(copy, network), "the month is told")
        await ledger.post(f"/v1/periods/{network}/{MONTH}/close", 200)
        await ledger.drained()

        told = await copy.items(network=network)
        by_site = {(one["site"], one["channel"]): one for one in told if one["occasion"] == "statement_ready"}
        assert set(by_site) == {("BJ02", "in_app"), ("BJ02", "email"), ("GZ01", "in_app")}
        body = by_site["BJ02", "in_app"]["body"]
        for line in (
            "期初余额：50.00 元（应付）",
            "本期借方（应付增加）：12.00 元",
            "本期贷方（应付减少）：3.00 元",
            "期末余额：59.00 元（应付）",
            "明细：3 笔",
            "随电子邮件附上",
        ):
            assert line in body, line
        assert "期末余额：57.00 元（应收）" in by_site["GZ01", "in_app"]["body"]
        assert "PDF" not in by_site["GZ01", "in_app"]["body"]
        [closed] = [one for one in told if one["occasion"] == "month_closed"]
        assert closed["site"] == STATISTICS
        assert "借方发生额：15.00 元" in closed["body"]

        connection = await asyncpg.connect(url)
        [file] = await connection.fetch(
            "SELECT attachments.* FROM attachments JOIN notices USING (notice_id) WHERE network = $1", network
        )
        await connection.close()
        assert str(file["notice_id"]) == by_site["BJ02", "email"]["notice_id"]
        assert (file["name"], file["media_type"]) == (
            f"statement-{network}-BJ02-{MONTH}.pdf",
            "application/pdf",
        )
        async with ledger.client() as client:
            path = f"/v1/statements/{network}/BJ02/{MONTH}"
            assert file["content"] == (await client.get(path, headers={"Accept": "application/pdf"})).content


async def test_a_month_that_is_published_again_is_told_once_and_what_is_none_is_a_dead_letter(
    ledger: Service, database: DatabaseFactory
) -> None:
    network = new_network()
    async with notify(ledger, database("notify")) as copy:
        await booked_and_closed(
            ledger, network, verdict(f"{network}/560000000001", 1, [finding("BJ02", {"hq": 100})])
        )
        await until(lambda: nothing_waits(copy, network), "the month is told")
        before = await copy.items(network=network)
        [record] = await published(copy.settings, PERIODS_TOPIC, network)
        await copy.publish(OutRecord(PERIODS_TOPIC, record.key, record.value))
        key = f"{network}/none".encode()
        await copy.publish(OutRecord(PERIODS_TOPIC, key, b"no event", record.partition))

        async def shown() -> bool:
            letters = await copy.all_items("/v1/dead-letters")
            return any(
                (letter["topic"], letter["reason"]) == (PERIODS_TOPIC, "malformed") for letter in letters
            )

        await until(shown, "the dead letter, and with it what came before it, is worked through")
        await until(lambda: nothing_waits(copy, network), "the month is worked through again")
        assert await copy.items(network=network) == before


async def test_while_penalties_does_not_answer_the_month_waits(
    ledger: Service, database: DatabaseFactory
) -> None:
    network = new_network()
    await booked_and_closed(
        ledger, network, verdict(f"{network}/560000000001", 1, [finding("BJ02", {"hq": 100})])
    )
    ledger.signal(SIGSTOP)
    try:
        async with notify(ledger, database("notify"), FAULTLINE_PEER_TIMEOUT_MS="300") as copy:

            async def tried_twice() -> bool:
                jobs = await copy.all_items("/v1/jobs", network=network)
                return bool(jobs) and jobs[0]["attempts"] >= 2 and jobs[0]["last_error"] is not None

            await until(tried_twice, "the job is tried again and again")
            [job] = await copy.all_items("/v1/jobs", network=network)
            assert job["kind"] == "month_closed"
            assert "penalties did not answer" in job["last_error"]
            assert await statements(copy, network) == []

            ledger.signal(SIGCONT)
            await until(lambda: nothing_waits(copy, network), "the month is told")
            assert Counter(one["site"] for one in await statements(copy, network)) == {"BJ02": 1}
    finally:
        ledger.signal(SIGCONT)


async def test_a_report_that_takes_longer_than_its_lease_stays_with_whoever_makes_it(
    ledger: Service, database: DatabaseFactory
) -> None:
    network = new_network()
    await booked_and_closed(
        ledger, network, verdict(f"{network}/560000000001", 1, [finding("BJ02", {"hq": 100})])
    )
    url = database("notify")
    patient = {"FAULTLINE_PEER_TIMEOUT_MS": "30000", "FAULTLINE_JOB_LEASE_S": "0.5"}
    ledger.signal(SIGSTOP)
    try:
        async with notify(ledger, url, **patient) as copy, notify(ledger, url, **patient):
            first: list[datetime] = []

            async def kept() -> bool:
                for job in await copy.all_items("/v1/jobs", network=network):
                    assert job["attempts"] <= 1, "another worker has taken it"
                    if job["attempts"]:
                        first.append(datetime.fromisoformat(job["next_try_at"]))
                return bool(first) and first[-1] - first[0] > timedelta(seconds=2)

            await until(kept, "its lease is renewed again and again")
            ledger.signal(SIGCONT)
            await until(lambda: nothing_waits(copy, network), "the month is told")
            assert Counter(one["site"] for one in await statements(copy, network)) == {"BJ02": 1}
    finally:
        ledger.signal(SIGCONT)


async def test_copies_share_the_work_and_one_that_dies_in_the_middle_loses_nothing(
    ledger: Service, database: DatabaseFactory
) -> None:
    network = new_network()
    sites = [f"S{number:03d}" for number in range(80)]
    verdicts = [
        verdict(f"{network}/{560000000000 + number}", 1, [finding(site, {"hq": 100 + number})])
        for number, site in enumerate(sites)
    ]
    await register(ledger, network, dict.fromkeys(sites, "site@example.com"))
    url = database("notify")
    slow = {"FAULTLINE_JOBS_AT_ONCE": "1", "FAULTLINE_INSTANCE": "notify-2"}
    async with notify(ledger, url, **slow) as dying, notify(ledger, url) as copy:
        dying_waits = asyncio.create_task(_some_told(dying, network))
        await booked_and_closed(ledger, network, *verdicts)
        told = await dying_waits
        dying.stop(SIGKILL)
        assert told < len(sites) * 2, "nothing was left to be done: the test proves nothing"
        await until(lambda: nothing_waits(copy, network), "the month is told")
        by_channel = Counter((one["site"], one["channel"]) for one in await statements(copy, network))
        assert by_channel == Counter((site, channel) for site in sites for channel in ("in_app", "email"))
        connection = await asyncpg.connect(url)
        attached = await connection.fetchval(
            "SELECT count(*) FROM attachments JOIN notices USING (notice_id) WHERE network = $1", network
        )
        await connection.close()
        assert attached == len(sites)


async def _some_told(copy: NotifyProcess, network: str) -> int:
    """How many statements are told, as soon as there are some."""
    count = 0

    async def some() -> bool:
        nonlocal count
        count = len(await statements(copy, network))
        return count >= 10

    await until(some, "some statements are told")
    return count
