"""Penalties as a process on the real broker and database, and verdicts to feed it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from shared.bus.producer import OutRecord
from shared.db import create_engine, migrate
from shared.events.outputs import Award, Clause, Finding, RulebookRef, Text, VerdictData
from shared.registry import SITES_TOPIC, SiteRecord
from tests.support.bus import until
from tests.support.process import OPERATOR_KEY, ConsumerProcess
from tests.support.verdicts import record_of

DECIDED_AT = datetime(2026, 3, 5, 2, 0, tzinfo=UTC)


class Service(ConsumerProcess):
    """One copy of penalties on `database_url`."""

    def __init__(self, bootstrap_servers: str, database_url: str, **environment: str) -> None:
        super().__init__("penalties", bootstrap_servers, database_url, **environment)

    async def start_with_closes_of(self, other: Service) -> None:
        """Start on an empty database that knows which periods `other` has closed, and their cuts."""
        engine = create_engine(self.settings)
        await migrate(engine, "penalties")
        await engine.dispose()
        source = await asyncpg.connect(other.settings.database_url)
        target = await asyncpg.connect(self.settings.database_url)
        closes = await source.fetch("SELECT * FROM period_closes")
        await target.copy_records_to_table("period_closes", records=[tuple(close) for close in closes])
        await source.close()
        await target.close()
        await self.start()

    async def post(
        self,
        path: str,
        status: int,
        body: Any = None,
        *,
        idempotency_key: str | None = None,
        key: str | None = OPERATOR_KEY,
    ) -> Any:
        """The JSON answer to a command; it must have `status`."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        async with self.client(key) as client:
            answer = await client.post(path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def proof(self, network: str) -> tuple[list[Any], Any]:
        """The lines of the ledger's verification: chains, and the summary."""
        async with self.client() as client:
            answer = await client.get("/v1/ledger/verification", params={"network": network})
        assert answer.status_code == 200, answer.text
        *lines, last = [msgspec.json.decode(line) for line in answer.content.splitlines()]
        return [line["chain"] for line in lines], last["summary"]

    async def register(self, network: str, *sites: str) -> None:
        """Register outlets as intake would; waits until the service knows them."""
        for site in sites:
            record = SiteRecord(
                network=network,
                site=site,
                name=f"网点{site}",
                kind="outlet",
                language="zh",
                recorded_at=DECIDED_AT,
            )
            await self.publish(
                OutRecord(SITES_TOPIC, f"{network}/{site}".encode(), msgspec.json.encode(record))
            )

        async def known() -> bool:
            async with self.client() as client:
                paths = [f"/v1/statements/{network}/{site}/2026-03" for site in sites]
                return all([(await client.get(path)).status_code == 200 for path in paths])

        await until(known, f"{sites} are known")


def finding(
    site: str, awards: dict[str, int], *, rule: str = "TT-04", state: Any = "active", kind: Any = "fine"
) -> Finding:
    """A finding whose amount is what its awards add up to."""
    return Finding(
        finding_id=f"{rule}/{site}",
        rule=rule,
        kind=kind,
        site=site,
        role="delivery",
        amount_fen=sum(awards.values()),
        awards=[Award(to, amount_fen) for to, amount_fen in awards.items()],
        state=state,
        reason=Text("延误", "late"),
        clause=Clause("002", "每票每天五十元"),
        triggered_at=DECIDED_AT,
    )


def verdict(
    subject: str,
    version: int,
    findings: list[Finding],
    *,
    decided_at: datetime = DECIDED_AT,
    content: str = "",
) -> OutRecord:
    """The record of one version of a waybill's verdict."""
    network, waybill = subject.split("/")
    data = VerdictData(
        network=network,
        waybill=waybill,
        version=version,
        decided_at=decided_at,
        rulebook=RulebookRef("tiantian", "2011-08-01", "sha256:0"),
        code_version="1",
        digest=content or f"sha256:{version}",
        status="decided",
        findings=findings,
    )
    return record_of(data)
