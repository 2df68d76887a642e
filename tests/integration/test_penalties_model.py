"""The ledger against an independent model, over random sequences of versions, appeals, payments, closes and redeliveries.

The model knows no accounts that reverse one another and no chains: it keeps what each party owes in each period, and
adds the difference between the last findings it saw and the new ones to the period that is open.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.penalties import audit, closing
from services.penalties.handlers import VerdictHandler
from services.penalties.store import balances, chains, entries, period_closes
from shared.bus import positions
from shared.bus.partitioner import partition_of
from shared.clock import Clock
from shared.events.outputs import Finding
from tests.integration.test_penalties_store import Consumed, ledger
from tests.support.parts import DatabaseFactory
from tests.support.penalties import finding, verdict
from tests.support.verdicts import new_network

pytestmark = pytest.mark.stack

PARTITIONS = 3
SITES = ["GZ01", "BJ02", "HUB-SH"]
PARTIES = [*SITES, "hq", "sender", "beneficiary"]
MONTHS = ["2026-02", "2026-03", "2026-04", "2026-05"]
WAYBILLS = 6
Owed = Counter[tuple[str, bool, str]]
"""(party, frozen, period) → fen. What a site paid to a customer itself neither owes the other."""


@dataclass
class Model:
    """What must stand in the books."""

    newest: dict[str, tuple[int, list[Finding]]] = field(default_factory=dict)
    owed: Owed = field(default_factory=Counter)
    closed: str = ""

    def take(self, waybill: str, version: int, month: str, findings: list[Finding]) -> None:
        """A verdict decided in `month` arrives."""
        known, before = self.newest.get(waybill, (0, []))
        if version <= known:
            return
        self.newest[waybill] = version, findings
        period = month
        while period <= self.closed:
            period = MONTHS[MONTHS.index(period) + 1] if period != MONTHS[-1] else "2026-06"
        for sign, listed in ((-1, before), (1, findings)):
            for one in listed:
                for party, fen in asked(one).items():
                    self.owed[party, one.state == "frozen", period] += sign * fen

    def standing(self) -> Owed:
        """Without what came to nothing."""
        return Counter({place: fen for place, fen in self.owed.items() if fen})


def asked(one: Finding) -> Counter[str]:
    """What one finding makes each party owe."""
    owes: Counter[str] = Counter()
    if one.state == "revoked":
        return owes
    left = 0 if one.state == "frozen" else one.calculation.get("paid_fen", 0)
    for award in one.awards:
        met = min(left, award.amount_fen) if award.to in ("sender", "beneficiary") else 0
        left -= met
        owes[str(one.site)] += award.amount_fen - met
        owes[award.to] -= award.amount_fen - met
    return owes


def random_findings(chance: random.Random) -> list[Finding]:
    found = []
    for rule in chance.sample(["TT-04", "ZT-10", "ZT-08"], chance.randint(0, 3)):
        kind = "compensation" if rule == "ZT-08" else "fine"
        parties = chance.sample(PARTIES, chance.randint(1, 3))
        one = finding(
            chance.choice(SITES),
            {to: chance.choice([0, 1, 33, 5_000]) for to in parties},
            rule=rule,
            kind=kind,
            state=chance.choice(["active", "active", "provisional", "frozen", "revoked"]),
        )
        paid = {"paid_fen": chance.choice([1, 40, 9_999])} if kind == "compensation" else {}
        found.append(msgspec.structs.replace(one, calculation=paid if chance.random() < 0.5 else {}))
    return found


@dataclass
class Books:
    """A ledger that is fed records with their offsets, as the runner would."""

    engine: AsyncEngine
    epochs: dict[int, int] = field(default_factory=dict)

    async def claim(self) -> None:
        async with self.engine.begin() as connection:
            starts = {number: [0] for number in range(PARTITIONS)}
            claimed = await positions.claim(connection, "penalties", "test", starts)
            self.epochs = {number: epoch for number, (epoch, _) in claimed.items()}

    async def handle(self, connection: AsyncConnection, records: Sequence[Consumed]) -> None:
        await positions.lock(connection, "penalties", self.epochs)
        await VerdictHandler(Clock(), lambda: None).handle(connection, records)
        ends = {record.partition: [record.offset + 1] for record in records}
        await positions.advance(connection, "penalties", ends)

    async def owed(self, network: str) -> Owed:
        """What the kept balances say, in the model's words."""
        owed: Owed = Counter()
        async with self.engine.connect() as connection:
            for row in await connection.execute(select(balances).where(balances.c.network == network)):
                account, _, customer = row.account.partition(".")
                if account not in ("settled", "compensation_paid"):
                    place = (row.site or customer or "hq", account.endswith("frozen"), row.period)
                    owed[place] += int(row.debits_fen - row.credits_fen)
        return Counter({place: fen for place, fen in owed.items() if fen})

    async def all(self, table: Any) -> list[Any]:
        async with self.engine.connect() as connection:
            return [
                tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key))
            ]


@pytest.mark.parametrize("seed", range(4))
async def test_random_histories_agree_with_the_model_and_replay_to_the_same_chain(
    database: DatabaseFactory, seed: int
) -> None:
    chance = random.Random(f"model/{seed}")
    network = new_network()
    books, model = Books(await ledger(database)), Model()
    await books.claim()
    log: list[Consumed] = []
    versions: dict[str, list[Any]] = {}
    ends = [0] * PARTITIONS

    def publish() -> Consumed:
        waybill = f"{560000000000 + chance.randrange(WAYBILLS)}"
        known = versions.setdefault(waybill, [])
        if known and chance.random() < 0.3:
            month, record = chance.choice(known)  # published again, or later than newer ones
        else:
            month = chance.choice(MONTHS)
            decided_at = datetime(2026, int(month[-2:]), 10, tzinfo=UTC) + timedelta(seconds=len(log))
            record = verdict(
                f"{network}/{waybill}", len(known) + 1, random_findings(chance), decided_at=decided_at
            )
            known.append((month, record))
        partition = partition_of(record.key, PARTITIONS)
        ends[partition] += 1
        return Consumed(partition, ends[partition] - 1, record.key, record.value)

    for _ in range(30):
        batch = [publish() for _ in range(chance.randint(1, 6))]
        redelivered = chance.sample(log, min(len(log), 2)) if chance.random() < 0.3 else []
        async with books.engine.connect() as connection:
            if chance.random() < 0.2:
                await books.handle(connection, batch)
                await connection.rollback()
        async with books.engine.begin() as connection:
            await books.handle(connection, batch)
        log += batch
        for record in batch:
            data = msgspec.json.decode(record.value or b"")["data"]
            findings = msgspec.convert(data["findings"], list[Finding])
            model.take(data["waybill"], data["version"], data["decided_at"][:7], findings)
        assert await books.owed(network) == model.standing()
        if redelivered:
            async with books.engine.connect() as connection:
                # What was worked through already changes nothing, also under other offsets.
                await VerdictHandler(Clock(), lambda: None).handle(connection, redelivered)
                fresh = await connection.execute(
                    select(entries.c.entry_id).where(entries.c.network == network)
                )
                count = len(fresh.all())
                await connection.rollback()
            assert count == len(await books.all(entries))
        if chance.random() < 0.12:
            month = chance.choice(MONTHS[:3])
            async with books.engine.begin() as connection:
                await closing.close(
                    connection,
                    "penalties",
                    network,
                    month,
                    at=datetime.now(UTC),
                    by="/operators/x",
                    wait_ms=500,
                )
            model.closed = max(model.closed, month)

    for key in await audit.chain_keys(books.engine, network):
        proof = await audit.prove(books.engine, key, chunk_entries=7)
        assert proof.ok, proof
    await _replays_to_the_same(database, books, log, chance)


async def _replays_to_the_same(
    database: DatabaseFactory, books: Books, log: Sequence[Consumed], chance: random.Random
) -> None:
    """The whole topic into an empty database that knows the closes, in other batches: entries and chains are equal."""
    again = Books(await ledger(database))
    await again.claim()
    async with again.engine.begin() as connection:
        if closes := await books.all(period_closes):
            names = period_closes.c.keys()
            await connection.execute(
                insert(period_closes), [dict(zip(names, close, strict=True)) for close in closes]
            )
    left = {number: [one for one in log if one.partition == number] for number in range(PARTITIONS)}
    while any(left.values()):
        number = chance.choice([number for number, records in left.items() if records])
        size = chance.randint(1, 40)
        batch, left[number] = left[number][:size], left[number][size:]
        async with again.engine.begin() as connection:
            await again.handle(connection, batch)
    for table in (entries, chains, balances):
        assert await again.all(table) == await books.all(table)
    await again.engine.dispose()
    await books.engine.dispose()
