"""Proving the ledger: every chain recomputed link by link, and the kept balances beside the entries. Memory stays flat.

Entries are immutable, so each chunk is read in a transaction of its own: no long snapshot stands in the way of vacuum.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Row, func, select, union
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.penalties.chain import ChainKey, Link, beginning, following, shown_digest
from services.penalties.store import (
    Key,
    balances,
    chains,
    entries,
    entries_booked,
    entry_of,
    period_closes,
    verdicts,
)
from shared.db import reader
from shared.events.outputs import Account

_DIFFERENCES_MAX = 20
_SLICE_ENTRIES = 500

Turnover = dict[tuple[str, str, str], list[int]]
"""(site, account, period) → debits and credits in fen."""


class Broken(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first link of a chain that does not hold. `entry_id` is absent where the entry itself is."""

    position: int
    problem: str
    entry_id: str | None = None


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found of one chain. `differences` are kept balances that are not the sums of the entries."""

    network: str
    partition: int
    entries: int
    head: str
    ok: bool
    debits_fen: int
    broken: Broken | None = None
    differences: list[str] = []


@dataclass
class _Walk:
    """A chain being followed from its beginning."""

    key: ChainKey
    last: Link
    seals: Mapping[int, str]
    broken: Broken | None = None
    turnover: Turnover = field(default_factory=dict)

    def step(self, row: Row[Any]) -> None:
        """Follow one entry; only the first break is remembered."""
        entry = entry_of(row)
        expected = following(self.last, entry, row.partition, row.ordinal, row.record_offset)
        if row.position != expected.position:
            self._break(expected.position, "there is no entry at this place")
        elif row.hash != expected.digest:
            self._break(
                row.position, "its hash does not follow from its content and the link before", row.entry_id
            )
        sealed = self.seals.get(row.position)
        if sealed is not None and sealed != shown_digest(row.hash):
            self._break(row.position, "a close has sealed another hash here", row.entry_id)
        self.last = Link(row.position, row.hash)
        for side, account in enumerate((entry.debit, entry.credit)):
            sums = self.turnover.setdefault(_place(account, entry.period), [0, 0])
            sums[side] += entry.amount_fen

    def end(self, head: Link) -> None:
        """Compare with the newest link that is remembered, and with the seals."""
        if self.last != head:
            self._break(self.last.position + 1, f"the chain was remembered up to {head.position}")
        if beyond := [position for position in self.seals if position > head.position]:
            self._break(head.position + 1, f"a close has sealed the chain up to {min(beyond)}")

    def _break(self, position: int, problem: str, entry_id: str | None = None) -> None:
        if self.broken is None:
            self.broken = Broken(position, problem, entry_id)


def _place(account: Account, period: str) -> tuple[str, str, str]:
    return account.site or "", account.account, period


async def chain_keys(engine: AsyncEngine, network: str | None) -> list[ChainKey]:
    """Every chain, of one network or of all. One whose newest link was taken away is known by its balances."""
    known = union(
        select(chains.c.network, chains.c.partition), select(balances.c.network, balances.c.partition)
    ).subquery()
    query = select(known).order_by(*known.c)
    if network is not None:
        query = query.where(known.c.network == network)
    async with reader(engine) as connection:
        return [(name, partition) for name, partition in await connection.execute(query)]


async def prove(engine: AsyncEngine, key: ChainKey, chunk_entries: int) -> Proof:
    """Follow one chain to the newest link of this moment and compare the balances kept of its entries."""
    async with reader(engine) as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        head, kept, seals = await _remembered(connection, key)
    walk = _Walk(key, beginning(key), seals)
    while walk.last.position < head.position:
        before = walk.last.position
        async with reader(engine) as connection:
            rows = (
                await connection.execute(
                    select(entries)
                    .where(entries.c.network == key[0], entries.c.partition == key[1])
                    .where(entries.c.position > before, entries.c.position <= head.position)
                    .order_by(entries.c.position)
                    .limit(chunk_entries)
                )
            ).all()
        for number, row in enumerate(rows, 1):
            walk.step(row)
            if number % _SLICE_ENTRIES == 0:
                await asyncio.sleep(0)  # heartbeats and requests share this event loop
        if len(rows) < chunk_entries:
            break
    walk.end(head)
    differences = _differences(walk.turnover, kept)
    return Proof(
        network=key[0],
        partition=key[1],
        entries=walk.last.position,
        head=shown_digest(head.digest),
        ok=walk.broken is None and not differences,
        debits_fen=sum(debits for debits, _ in walk.turnover.values()),
        broken=walk.broken,
        differences=differences,
    )


async def _remembered(connection: AsyncConnection, key: ChainKey) -> tuple[Link, Turnover, dict[int, str]]:
    """The newest link, the kept balances and what closes have sealed, all of one moment."""
    network, partition = key
    found = (
        await connection.execute(
            select(chains.c.position, chains.c.hash).where(
                chains.c.network == network, chains.c.partition == partition
            )
        )
    ).one_or_none()
    last = await connection.execute(
        select(func.max(entries.c.position)).where(
            entries.c.network == network, entries.c.partition == partition
        )
    )
    head = Link(*found) if found is not None else Link(last.scalar_one() or 0, beginning(key).digest)
    kept = {
        (row.site, row.account, row.period): [int(row.debits_fen), int(row.credits_fen)]
        for row in await connection.execute(
            select(balances).where(balances.c.network == network, balances.c.partition == partition)
        )
    }
    seals = {}
    for (sealed,) in await connection.execute(
        select(period_closes.c.seals).where(period_closes.c.network == network)
    ):
        if seal := sealed.get(str(partition)):
            seals[seal["position"]] = seal["hash"]
    return head, kept, seals


def _differences(booked: Turnover, kept: Turnover) -> list[str]:
    found = []
    for place in sorted(booked.keys() | kept.keys()):
        wanted, has = booked.get(place, [0, 0]), kept.get(place, [0, 0])
        if wanted != has:
            site, account, period = place
            found.append(
                f"{account} {site or 'of headquarters'} in {period}: entries say {wanted[0]} debit and {wanted[1]} credit,"
                f" the kept balance {has[0]} and {has[1]} fen"
            )
    return found[:_DIFFERENCES_MAX]


async def waybills(
    connection: AsyncConnection, network: str, waybill: str | None, *, after: str, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` waybills after `after` with the version worked through and what stands on which account."""
    query = (
        select(verdicts)
        .where(verdicts.c.network == network, verdicts.c.waybill > after)
        .order_by(verdicts.c.waybill)
        .limit(limit)
    )
    if waybill is not None:
        query = query.where(verdicts.c.waybill == waybill)
    found = (await connection.execute(query)).all()
    standing = await _standing(connection, [(network, row.waybill) for row in found if row.entries])
    return [
        {
            "waybill": row.waybill,
            "version": row.version,
            "digest": row.digest,
            "standing": standing.get(row.waybill, []),
        }
        for row in found
    ]


async def _standing(connection: AsyncConnection, keys: Sequence[Key]) -> dict[str, list[dict[str, Any]]]:
    """By waybill, what each finding has on each account: debits less credits in fen, never 0."""
    owed_fen: Counter[tuple[str, str, str, str | None]] = Counter()
    for entry in await entries_booked(connection, keys):
        for side, sign in ((entry.debit, 1), (entry.credit, -1)):
            owed_fen[entry.waybill, entry.finding_id, side.account, side.site] += sign * entry.amount_fen
    shown: dict[str, list[dict[str, Any]]] = {}
    for (waybill, finding_id, account, site), fen in owed_fen.items():
        if fen:
            shown.setdefault(waybill, []).append(
                {"finding_id": finding_id, "account": account, "site": site, "owed_fen": fen}
            )
    return shown
