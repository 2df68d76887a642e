"""Provisional findings of a month, and what becomes of them once its rates are fixed: on the real broker and database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.arbitration.handlers.deciding import Deciding
from services.arbitration.store import rates
from services.arbitration.store.facts import Statement
from services.arbitration.store.generations import transaction
from shared.bus.producer import OutRecord
from shared.clock import advance
from shared.registry import SITES_TOPIC, SiteRecord
from tests.support.arbitration import Arbitration, arbitration
from tests.support.bus import until
from tests.support.fresh import fresh
from tests.support.line import event, findings, parcel
from tests.support.parts import DatabaseFactory, Parts

pytestmark = pytest.mark.stack
ESCALATED_AT = datetime(2026, 1, 20, 6, tzinfo=UTC)


@pytest.fixture
async def clock_file(tmp_path: Path) -> Path:
    return tmp_path / "clock.json"


@pytest.fixture
async def hub(parts: Parts, database: DatabaseFactory, clock_file: Path) -> AsyncIterator[Arbitration]:
    async with arbitration(
        parts.bootstrap_servers,
        database("arbitration"),
        clock_file=clock_file,
        rates_poll_ms=600_000,
        rates_grace_ms=500,
    ) as running:
        await running.caught_up()
        yield running


async def test_a_months_rates_are_fixed_once_and_its_findings_judged_anew(
    hub: Arbitration, clock_file: Path
) -> None:
    top, sub = f"T{fresh(8)}", f"S{fresh(8)}"
    await hub.send(*(_site(one, parent) for one, parent in ((top, None), (sub, top))))
    subject = f"zto/{fresh()}"
    await hub.publish(*parcel(subject, ESCALATED_AT - timedelta(days=8)), _escalated(subject, "E1", sub))
    finding = f"ZT-10/{top}/E1"

    provisional = findings(await hub.decided(subject))[finding]
    assert (provisional["state"], provisional["amount_fen"]) == ("provisional", 50_000)

    # One ticket and no parcel of this outlet: above every rate. The look for months is made to come at once.
    advance(clock_file, timedelta(minutes=10))
    fixed = findings(await hub.decided(subject, version=2))[finding]
    assert (fixed["state"], fixed["amount_fen"]) == ("active", 150_000)
    assert fixed["calculation"]["month"] == "2026-01"
    assert (fixed["calculation"]["tickets"], fixed["calculation"]["parcels"]) == (1, 0)

    # A ticket that becomes known later is priced by the same rates, and changes nobody else's.
    late = f"zto/{fresh()}"
    await hub.publish(*parcel(late, ESCALATED_AT - timedelta(days=8)), _escalated(late, "E2", sub))
    second = findings(await hub.decided(late))[f"ZT-10/{top}/E2"]
    assert (second["state"], second["calculation"]["tickets"]) == ("active", 1)

    # Fixed once; and what was known before, still is.
    (moment,) = await hub.rows("SELECT known_at FROM facts WHERE kind = 'rates' AND id = '2026-01'")
    before = await hub.case(subject, as_of=(moment.known_at - timedelta(seconds=1)).isoformat())
    assert before is not None
    assert findings(before)[finding]["state"] == "provisional"


async def test_rates_outlive_a_restart(parts: Parts, database: DatabaseFactory, clock_file: Path) -> None:
    site, subject = f"S{fresh(8)}", f"zto/{fresh()}"
    url = database("arbitration")
    options = {"clock_file": clock_file, "rates_poll_ms": 50}
    async with arbitration(parts.bootstrap_servers, url, **options) as hub:
        await hub.publish(*parcel(subject, ESCALATED_AT - timedelta(days=8)), _escalated(subject, "E1", site))

        async def is_fixed() -> bool:
            case = await hub.case(subject)
            found = findings(case) if case is not None and case["verdict"] else {}
            return found.get(f"ZT-10/{site}/E1", {}).get("state") == "active"

        await until(is_fixed, "the month's rates are fixed")
    async with arbitration(parts.bootstrap_servers, url, **options) as hub:
        late = f"zto/{fresh()}"
        await hub.publish(*parcel(late, ESCALATED_AT - timedelta(days=8)), _escalated(late, "E2", site))
        assert findings(await hub.decided(late))[f"ZT-10/{site}/E2"]["state"] == "active"


async def test_rates_that_are_fixed_while_a_waybill_is_judged_have_it_judged_anew(
    hub: Arbitration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its finding stood nowhere yet when the provisional ones were looked for."""
    site, subject = f"S{fresh(8)}", f"zto/{fresh()}"
    fixed = Statement(
        "rates", "zto", "2026-01", hub.clock.now(), {site: {"tickets": 1, "parcels": 9_000_000}}
    )
    judge = Deciding._judge

    async def judge_and_be_overtaken(self: Deciding, work: Any) -> None:
        await judge(self, work)
        # A look at part of the story finds nothing yet: nothing is overtaken then.
        found = any(one.issued and one.issued.findings for one in work.outcomes if one.subject == subject)
        if found and not await hub.rows("SELECT 1 FROM facts WHERE kind = 'rates'"):
            async with transaction(hub.engine) as driver:
                await rates.keep(driver, fixed)

    monkeypatch.setattr(Deciding, "_judge", judge_and_be_overtaken)
    await hub.publish(*parcel(subject, ESCALATED_AT - timedelta(days=8)), _escalated(subject, "E1", site))
    found = findings(await hub.decided(subject, version=2))[f"ZT-10/{site}/E1"]
    assert (found["state"], found["calculation"]["parcels"]) == ("active", 9_000_000)


def _escalated(subject: str, escalation_id: str, site: str) -> dict[str, object]:
    said = {"escalation_id": escalation_id, "body": "post_bureau", "category": "delay", "against_site": site}
    return event(subject, "/regulators/gd", "complaint.escalated", ESCALATED_AT, escalation_id, **said)


def _site(site: str, parent: str | None) -> OutRecord:
    record = SiteRecord(
        network="zto",
        site=site,
        name=site,
        kind="outlet",
        parent=parent,
        language="zh",
        recorded_at=ESCALATED_AT,
    )
    return OutRecord(SITES_TOPIC, f"zto/{site}".encode(), msgspec.json.encode(record))
