"""The ledger's tables and the statements that write them, each over a whole batch.

Reads for the HTTP routes stand in `queries.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Select,
    SmallInteger,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    column,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine

from services.penalties.chain import ChainKey, Link, shown
from shared.events.outputs import Account, Clause, Entry

metadata = MetaData()

verdicts = Table(
    "verdicts",
    metadata,
    Column("network", Text, primary_key=True),
    Column("waybill", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("entries", Integer, nullable=False, comment="entries booked on the waybill so far"),
    comment="the newest version of each waybill's verdict that was worked through",
)

entries = Table(
    "entries",
    metadata,
    Column("entry_id", Uuid(as_uuid=False), primary_key=True),
    Column("network", Text, nullable=False),
    Column("waybill", Text, nullable=False),
    Column("ordinal", Integer, nullable=False, comment="place among the waybill's entries, from 0"),
    Column("version", Integer, nullable=False, comment="of the verdict that moved the money"),
    Column("finding_id", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("posted_at", DateTime(timezone=True), nullable=False, comment="when the verdict was decided"),
    Column("period", Text, nullable=False, comment="yyyy-mm in the networks' zone"),
    Column("belongs_to", Text, comment="month of posted_at, where that period was closed already"),
    Column("debit_account", Text, nullable=False),
    Column("debit_site", Text),
    Column("credit_account", Text, nullable=False),
    Column("credit_site", Text),
    Column("amount_fen", BigInteger, nullable=False),
    Column("reverses", Uuid(as_uuid=False), ForeignKey("entries.entry_id")),
    Column("partition", SmallInteger, nullable=False, comment="of the verdict's record"),
    Column("record_offset", BigInteger, nullable=False, comment="of the verdict's record"),
    Column("clause_source", Text, comment="source document of the clause by which the money moved"),
    Column("clause_text", Text, comment="its words"),
    Column("note", Text, comment="why a person booked it; none where a verdict did"),
    Column("position", BigInteger, nullable=False, comment="place in the chain, from 1"),
    Column("hash", LargeBinary, nullable=False, comment="over the entry, its place and the hash before it"),
    CheckConstraint("amount_fen > 0", name="entries_amount_fen"),
    Index("entries_waybill", "network", "waybill", "ordinal", unique=True),
    Index("entries_debit_site", "network", "debit_site", "period", "posted_at", "waybill", "ordinal"),
    Index("entries_credit_site", "network", "credit_site", "period", "posted_at", "waybill", "ordinal"),
    Index("entries_chain", "network", "partition", "position", unique=True),
    Index("entries_moment", "network", "posted_at"),
    Index("entries_late", "network", "period", postgresql_where=text("belongs_to IS NOT NULL")),
    Index(
        "entries_frozen",
        "network",
        "waybill",
        postgresql_where=text("debit_account = 'frozen' OR credit_account = 'frozen'"),
    ),
    comment="the ledger: immutable, each row a balanced entry",
)

balances = Table(
    "balances",
    metadata,
    Column("network", Text, primary_key=True),
    Column("site", Text, primary_key=True, comment="empty for headquarters' accounts"),
    Column("account", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column(
        "partition", SmallInteger, primary_key=True, comment="of the verdicts: its one writer owns the row"
    ),
    Column("debits_fen", Numeric(38, 0), nullable=False),
    Column("credits_fen", Numeric(38, 0), nullable=False),
    comment="turnover of each account in each period, kept with the entries; summed over partitions when read",
)

chains = Table(
    "chains",
    metadata,
    Column("network", Text, primary_key=True),
    Column("partition", SmallInteger, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    comment="the newest link of each chain of entries",
)

period_closes = Table(
    "period_closes",
    metadata,
    Column("network", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("closed_at", DateTime(timezone=True), nullable=False),
    Column("closed_by", Text, nullable=False),
    Column(
        "cut", JSONB, nullable=False, comment="{partition: first verdict offset that came after the close}"
    ),
    Column(
        "seals", JSONB, nullable=False, comment="{partition: {position, hash}}: the chains' newest links then"
    ),
    comment="periods that are final; what belongs to them and comes after the cut is booked in the next open one",
)

adjustments = Table(
    "adjustments",
    metadata,
    Column("adjustment_id", Uuid(as_uuid=False), primary_key=True),
    Column("network", Text, nullable=False),
    Column("debit_account", Text, nullable=False),
    Column("debit_site", Text),
    Column("credit_account", Text, nullable=False),
    Column("credit_site", Text),
    Column("amount_fen", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("period", Text, comment="yyyy-mm where the person named one"),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_at", DateTime(timezone=True), nullable=False),
    Column("approved_by", Text, comment="the second person, where one was needed"),
    Column("approved_at", DateTime(timezone=True)),
    Column("entry_id", Uuid(as_uuid=False), comment="none until it is booked"),
    Index("adjustments_network", "network", "proposed_at", "adjustment_id"),
    comment="what people booked by hand, or propose to",
)

commands = Table(
    "commands",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("key", Text, primary_key=True, comment="the Idempotency-Key"),
    Column("input_hash", LargeBinary, nullable=False),
    Column("status", SmallInteger),
    Column("answer", LargeBinary),
    Column("at", DateTime(timezone=True), nullable=False),
    comment="operators' commands that were carried out, and what was answered",
)

Key = tuple[str, str]
"""A waybill: (network, waybill)."""

CLOSING_LOCK = 5_031_774_208
"""Advisory lock: every booking transaction shares it, a close takes it alone."""


@dataclass(slots=True)
class Book:
    """What the ledger holds of one waybill: the newest version booked (0: none) and its entries in booking order."""

    version: int = 0
    digest: str = ""
    count: int = 0
    entries: list[Entry] = field(default_factory=list)


class Booking(NamedTuple):
    """A chained entry to be stored, its place among the waybill's entries and the record that caused it."""

    entry: Entry
    ordinal: int
    partition: int
    record_offset: int


@dataclass(frozen=True, slots=True)
class Close:
    """A closed period and its cut: for each partition the first verdict offset that came after the close."""

    period: str
    cut: Mapping[int, int]

    def before(self, partition: int, offset: int) -> bool:
        """Whether this close came before the verdict at `offset` of `partition`."""
        return offset >= self.cut.get(partition, 0)


def unnested(alias: str, **columns: TypeEngine[Any]) -> TableValuedAlias:
    """Rows made of one array parameter for each column, named as the column: a batch in one statement."""
    arrays = [bindparam(name, type_=ARRAY(type_)) for name, type_ in columns.items()]
    named = [column(name, type_) for name, type_ in columns.items()]
    return func.unnest(*arrays).table_valued(*named, name=alias).render_derived()


def entry_of(row: Any) -> Entry:
    """The entry of a row that has all columns of `entries`."""
    return Entry(
        entry_id=row.entry_id,
        kind=row.kind,
        posted_at=row.posted_at,
        period=row.period,
        network=row.network,
        waybill=row.waybill,
        finding_id=row.finding_id,
        version=row.version,
        rule=row.rule,
        debit=Account(row.debit_account, row.debit_site),
        credit=Account(row.credit_account, row.credit_site),
        amount_fen=row.amount_fen,
        reverses=row.reverses,
        belongs_to=row.belongs_to,
        clause=None if row.clause_source is None else Clause(row.clause_source, row.clause_text),
        note=row.note,
        chain=None if row.position is None else shown(Link(row.position, row.hash), row.partition),
    )


async def load(connection: AsyncConnection, newest: Mapping[Key, int]) -> dict[Key, Book]:
    """What is booked on waybills; those of which the ledger knows nothing are left out.

    `newest` gives each waybill the highest version to be worked through: where that is booked already, the entries are
    not needed and not read.
    """
    found = await connection.execute(_LOAD_VERDICTS, _key_arrays(newest))
    books = {(n, w): Book(version, digest, count) for n, w, version, digest, count in found}
    moving = [key for key, book in books.items() if book.count and newest[key] > book.version]
    if moving:
        for entry in await entries_booked(connection, moving):
            books[entry.network, entry.waybill].entries.append(entry)
    return books


async def entries_booked(connection: AsyncConnection, keys: Sequence[Key]) -> list[Entry]:
    """All entries of these waybills, each waybill's in booking order."""
    return [entry_of(row) for row in await connection.execute(_LOAD_ENTRIES, _key_arrays(keys))]


async def closes(connection: AsyncConnection) -> dict[str, list[Close]]:
    """The closed periods by network, none of which can be added until this transaction ends."""
    await connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": CLOSING_LOCK})
    by_network: dict[str, list[Close]] = {}
    for network, period, cut in await connection.execute(
        select(period_closes.c.network, period_closes.c.period, period_closes.c.cut)
    ):
        close = Close(period, {int(partition): offset for partition, offset in cut.items()})
        by_network.setdefault(network, []).append(close)
    return by_network


async def heads(
    connection: AsyncConnection, networks: Collection[str], partitions: Collection[int]
) -> dict[ChainKey, Link]:
    """The newest links of the chains of these networks and partitions; none where nothing is booked."""
    found = await connection.execute(
        select(chains).where(chains.c.network.in_(networks), chains.c.partition.in_(partitions))
    )
    return {(network, partition): Link(position, digest) for network, partition, position, digest in found}


async def save(
    connection: AsyncConnection,
    books: Mapping[Key, Book],
    bookings: Sequence[Booking],
    links: Mapping[ChainKey, Link],
) -> None:
    """Store the newest versions of `books`, the new entries and their chains, and add the entries to the balances."""
    if books:
        await connection.execute(
            _SAVE_VERDICTS,
            {
                **_key_arrays(books),
                "version": [book.version for book in books.values()],
                "digest": [book.digest for book in books.values()],
                "entries": [book.count for book in books.values()],
            },
        )
    if bookings:
        await connection.execute(_SAVE_ENTRIES, _entry_arrays(bookings))
        await connection.execute(_SAVE_BALANCES, _turnover_arrays(bookings))
        await connection.execute(_SAVE_CHAINS, _link_arrays(links))


def _key_arrays(keys: Iterable[Key]) -> dict[str, list[str]]:
    pairs = list(keys)
    return {"network": [network for network, _ in pairs], "waybill": [waybill for _, waybill in pairs]}


def _entry_arrays(bookings: Sequence[Booking]) -> dict[str, list[Any]]:
    booked = [booking.entry for booking in bookings]
    names = ("entry_id", "network", "waybill", "version", "finding_id", "rule", "kind", "posted_at", "period")
    arrays = {
        name: [getattr(entry, name) for entry in booked]
        for name in (*names, "belongs_to", "amount_fen", "reverses")
    }
    return arrays | {
        "ordinal": [booking.ordinal for booking in bookings],
        "debit_account": [entry.debit.account for entry in booked],
        "debit_site": [entry.debit.site for entry in booked],
        "credit_account": [entry.credit.account for entry in booked],
        "credit_site": [entry.credit.site for entry in booked],
        "partition": [booking.partition for booking in bookings],
        "record_offset": [booking.record_offset for booking in bookings],
        "clause_source": [entry.clause and entry.clause.source for entry in booked],
        "clause_text": [entry.clause and entry.clause.text for entry in booked],
        "note": [entry.note for entry in booked],
        "position": [entry.chain.position for entry in booked if entry.chain],
        "hash": [bytes.fromhex(entry.chain.hash.removeprefix("sha256:")) for entry in booked if entry.chain],
    }


def _link_arrays(links: Mapping[ChainKey, Link]) -> dict[str, list[Any]]:
    ordered = sorted(links)
    return {
        "network": [network for network, _ in ordered],
        "partition": [partition for _, partition in ordered],
        "position": [links[key].position for key in ordered],
        "hash": [links[key].digest for key in ordered],
    }


def _turnover_arrays(bookings: Sequence[Booking]) -> dict[str, list[Any]]:
    turnover: dict[tuple[str, str, str, str, int], list[int]] = {}
    for entry, _, partition, _ in bookings:
        for side, account in enumerate((entry.debit, entry.credit)):
            key = (entry.network, account.site or "", account.account, entry.period, partition)
            turnover.setdefault(key, [0, 0])[side] += entry.amount_fen
    keys = sorted(turnover)
    names = ("network", "site", "account", "period", "partition")
    arrays: dict[str, list[Any]] = {name: [key[i] for key in keys] for i, name in enumerate(names)}
    arrays["debits_fen"] = [turnover[key][0] for key in keys]
    arrays["credits_fen"] = [turnover[key][1] for key in keys]
    return arrays


def _types(table: Table) -> dict[str, TypeEngine[Any]]:
    return {c.name: c.type for c in table.columns}


def _of_waybills(table: Table, *columns: Column[Any]) -> Select[Any]:
    keys = unnested("keys", network=Text(), waybill=Text())
    on = and_(table.c.network == keys.c.network, table.c.waybill == keys.c.waybill)
    return select(*columns).join_from(keys, table, on)


_LOAD_VERDICTS = _of_waybills(verdicts, *verdicts.c)
_LOAD_ENTRIES = _of_waybills(entries, *entries.c).order_by(
    entries.c.network, entries.c.waybill, entries.c.ordinal
)
_verdict_rows = unnested("fresh", **_types(verdicts))
_new_verdicts = insert(verdicts).from_select(list(verdicts.c.keys()), select(*_verdict_rows.c))
_SAVE_VERDICTS = _new_verdicts.on_conflict_do_update(
    index_elements=[verdicts.c.network, verdicts.c.waybill],
    set_={name: _new_verdicts.excluded[name] for name in ("version", "digest", "entries")},
)
_entry_rows = unnested("fresh", **_types(entries))
_SAVE_ENTRIES = insert(entries).from_select(list(entries.c.keys()), select(*_entry_rows.c))
_balance_rows = unnested("fresh", **_types(balances))
_turnover = insert(balances).from_select(list(balances.c.keys()), select(*_balance_rows.c))
_SAVE_BALANCES = _turnover.on_conflict_do_update(
    index_elements=list(balances.primary_key),
    set_={name: balances.c[name] + _turnover.excluded[name] for name in ("debits_fen", "credits_fen")},
)
_chain_rows = unnested("fresh", **_types(chains))
_new_links = insert(chains).from_select(list(chains.c.keys()), select(*_chain_rows.c))
_SAVE_CHAINS = _new_links.on_conflict_do_update(
    index_elements=list(chains.primary_key),
    set_={name: _new_links.excluded[name] for name in ("position", "hash")},
)
