"""The tables of notify and every statement on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    CHAR,
    BindParameter,
    Column,
    ColumnElement,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import UserDefinedType

from services.notify.domain import KnownFinding, Seen
from shared.events.outputs import NoticeData

metadata = MetaData()


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64-bit transaction id, as text."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:  # SQLAlchemy's own signature
        return "xid8"


seen_verdicts = Table(
    "seen_verdicts",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("findings", LargeBinary, nullable=False, comment="JSON: the findings as last told"),
    comment="the newest version of each waybill's verdict that notices were made for",
)

notices = Table(
    "notices",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("occasion", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("waybill", Text),
    Column("finding_id", Text),
    Column("version", Integer),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("language", CHAR(2), nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("due_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("changed_xid", Xid8, nullable=False, server_default=func.pg_current_xact_id()),
    Index("notices_created", "created_at", "notice_id"),
    Index("notices_site", "network", "site", "created_at", "notice_id"),
    Index("notices_waybill", "network", "waybill", "created_at", "notice_id"),
    Index("notices_changed", "changed_xid", "notice_id"),
    comment="one row for each (occasion, finding, version, recipient, channel)",
)

notice_attempts = Table(
    "notice_attempts",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", Text),
    comment="what was tried to deliver a notice, and what came of it",
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver a notice: `outcome` is `delivered` or `failed`."""

    at: datetime
    outcome: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A notice with its attempts, oldest first."""

    notice: NoticeData
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which notices are asked for; None leaves a member open."""

    network: str | None = None
    site: str | None = None
    waybill: str | None = None
    state: str | None = None

    def clauses(self) -> list[ColumnElement[bool]]:
        """The conditions of a statement on `notices`."""
        asked = {
            notices.c.network: self.network,
            notices.c.site: self.site,
            notices.c.waybill: self.waybill,
            notices.c.state: self.state,
        }
        return [column == value for column, value in asked.items() if value is not None]


# -- what was told ------------------------------------------------------------------------------------------------


async def seen_of(connection: AsyncConnection, subjects: Iterable[str]) -> dict[str, Seen]:
    """What was last told of each of `subjects`; those never told of are absent."""
    rows = await connection.execute(_SEEN, {"subjects": list(subjects)})
    return {row.subject: Seen(row.version, row.digest, _findings.decode(row.findings)) for row in rows}


async def save_seen(connection: AsyncConnection, seen: Mapping[str, Seen]) -> None:
    """Store what is told now; a stored higher version stays."""
    if seen:
        rows = [
            {"subject": s, "version": v.version, "digest": v.digest, "findings": _encoder.encode(v.findings)}
            for s, v in seen.items()
        ]
        await connection.execute(_SAVE_SEEN, rows)


# -- notices ------------------------------------------------------------------------------------------------------


async def add_delivered(connection: AsyncConnection, new: Sequence[NoticeData]) -> list[NoticeData]:
    """Store notices that are delivered by being readable; returns those that were not there before."""
    if not new:
        return []
    rows = [
        {**msgspec.structs.asdict(notice), "notice_id": UUID(notice.notice_id), "state": "delivered"}
        for notice in new
    ]
    result = await connection.execute(_ADD, rows)
    fresh = {str(notice_id) for (notice_id,) in result}
    added = [notice for notice in new if notice.notice_id in fresh]
    if added:
        attempts = [
            {"notice_id": UUID(n.notice_id), "number": 1, "at": n.created_at, "outcome": "delivered"}
            for n in added
        ]
        await connection.execute(_ADD_ATTEMPT, attempts)
    return added


async def find(connection: AsyncConnection, notice_id: UUID) -> Listed | None:
    """One notice, None where there is none of that id."""
    row = (await connection.execute(select(*_SHOWN).where(notices.c.notice_id == notice_id))).one_or_none()
    return (await _with_attempts(connection, [row]))[0] if row else None


async def page(
    connection: AsyncConnection, asked: Filter, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Listed]:
    """Up to `limit` notices, newest first, older than the position `before` (created_at, notice_id)."""
    statement = select(*_SHOWN).where(*asked.clauses())
    if before is not None:
        statement = statement.where(
            tuple_(notices.c.created_at, notices.c.notice_id) < tuple_(*map(literal, before))
        )
    statement = statement.order_by(notices.c.created_at.desc(), notices.c.notice_id.desc()).limit(limit)
    return await _with_attempts(connection, (await connection.execute(statement)).all())


async def acknowledge(connection: AsyncConnection, notice_id: UUID) -> bool:
    """Mark a notice as acknowledged; False where it was already, or was withdrawn."""
    result = await connection.execute(_ACKNOWLEDGE, {"id": notice_id})
    return result.rowcount == 1


async def _with_attempts(connection: AsyncConnection, rows: Sequence[Any]) -> list[Listed]:
    attempts: dict[UUID, list[Attempt]] = {row.notice_id: [] for row in rows}
    if rows:
        for row in await connection.execute(_ATTEMPTS, {"ids": list(attempts)}):
            attempts[row.notice_id].append(Attempt(row.at, row.outcome, row.detail))
    return [Listed(_notice(row), tuple(attempts[row.notice_id])) for row in rows]


# -- news for the streams -----------------------------------------------------------------------------------------


async def snapshot(connection: AsyncConnection) -> str:
    """Which transactions are visible at this moment: PostgreSQL's `pg_snapshot` as text."""
    return str((await connection.execute(_SNAPSHOT)).scalar_one())


async def changed_between(
    connection: AsyncConnection,
    since: str,
    until: str,
    asked: Filter,
    *,
    after: tuple[str, UUID] | None = None,
    limit: int,
) -> tuple[list[NoticeData], tuple[str, UUID] | None]:
    """Up to `limit` notices made or changed by transactions that `until` shows and `since` does not.

    Serial numbers and times become visible out of order; snapshots do not, so nothing is missed or repeated. Returns
    the notices and the position to go on `after`, None at the end.
    """
    statement = select(*_SHOWN, notices.c.changed_xid.cast(Text).label("xid")).where(
        text("changed_xid >= pg_snapshot_xmin(CAST(:since AS pg_snapshot))"),
        text("NOT pg_visible_in_snapshot(changed_xid, CAST(:since AS pg_snapshot))"),
        text("pg_visible_in_snapshot(changed_xid, CAST(:until AS pg_snapshot))"),
        *asked.clauses(),
    )
    values: dict[str, Any] = {"since": since, "until": until}
    if after is not None:
        statement = statement.where(
            text("(changed_xid, notice_id) > (CAST(CAST(:xid AS text) AS xid8), :last_id)")
        )
        values |= {"xid": after[0], "last_id": after[1]}
    statement = statement.order_by(notices.c.changed_xid, notices.c.notice_id).limit(limit)
    rows = (await connection.execute(statement, values)).all()
    position = (rows[-1].xid, rows[-1].notice_id) if len(rows) == limit else None
    return [_notice(row) for row in rows], position


def _notice(row: Any) -> NoticeData:
    values = {name: getattr(row, name) for name in NoticeData.__struct_fields__}
    return NoticeData(**{**values, "notice_id": str(row.notice_id)})


def _array(name: str, item: Any) -> BindParameter[Any]:
    return bindparam(name, type_=ARRAY(item))


_encoder = msgspec.json.Encoder()
_findings = msgspec.json.Decoder(dict[str, KnownFinding])

_SEEN = select(seen_verdicts).where(seen_verdicts.c.subject == any_(_array("subjects", Text)))
_save = insert(seen_verdicts)
_SAVE_SEEN = _save.on_conflict_do_update(
    index_elements=[seen_verdicts.c.subject],
    set_={name: _save.excluded[name] for name in ("version", "digest", "findings")},
    where=seen_verdicts.c.version < _save.excluded.version,
)
_ADD = insert(notices).on_conflict_do_nothing().returning(notices.c.notice_id)
_ADD_ATTEMPT = insert(notice_attempts)
_SHOWN = [notices.c[name] for name in NoticeData.__struct_fields__]
_ATTEMPTS = (
    select(notice_attempts)
    .where(notice_attempts.c.notice_id == any_(_array("ids", Uuid)))
    .order_by(notice_attempts.c.notice_id, notice_attempts.c.number)
)
_ACKNOWLEDGE = (
    update(notices)
    .where(notices.c.notice_id == bindparam("id"), notices.c.state.not_in(("acknowledged", "withdrawn")))
    .values(state="acknowledged", changed_xid=func.pg_current_xact_id())
)
_SNAPSHOT = text("SELECT CAST(pg_current_snapshot() AS text)")
