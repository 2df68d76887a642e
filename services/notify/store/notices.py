"""Every statement on the notices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Text,
    Uuid,
    bindparam,
    func,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.telling import Void
from services.notify.store.deliveries import NOT_IN_HAND
from services.notify.store.tables import array_of, notices
from shared.events.outputs import NoticeData


@dataclass(frozen=True, slots=True)
class Listed:
    """A notice with its attempts to deliver it, oldest first: `{at, outcome: delivered | failed, detail?}`."""

    notice: NoticeData
    attempts: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice to be stored. `send_after`: not sent before; `about`: what makes it void while it is queued."""

    notice: NoticeData
    send_after: datetime | None = None
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which notices are asked for; None leaves a member open."""

    network: str | None = None
    site: str | None = None
    waybill: str | None = None
    state: str | None = None
    channel: str | None = None

    def clauses(self) -> list[ColumnElement[bool]]:
        """The conditions of a statement on `notices`."""
        asked = {
            notices.c.network: self.network,
            notices.c.site: self.site,
            notices.c.waybill: self.waybill,
            # Written into the statement, so that the index of the failed ones is seen to fit.
            notices.c.state: self.state and literal(self.state, literal_execute=True),
            notices.c.channel: self.channel,
        }
        return [column == value for column, value in asked.items() if value is not None]


# -- notices ------------------------------------------------------------------------------------------------------


async def add(connection: AsyncConnection, new: Sequence[NewNotice]) -> list[NoticeData]:
    """Store notices, each once; returns those that are new, or queued again after they were withdrawn.

    One that is delivered already was so when made. One that is void in a sender's hands holds again.
    """
    if not new:
        return []
    told = [one.notice for one in new]
    # Rows are locked in the order of their ids (`store.deliveries`).
    new = sorted(new, key=lambda one: one.notice.notice_id)
    made = [one.notice for one in new]
    columns: dict[str, list[Any]] = {
        name: [getattr(one, name) for one in made] for name in NoticeData.__struct_fields__
    }
    columns["notice_id"] = [UUID(one.notice_id) for one in made]
    columns["attempts"] = [
        _encoder.encode(
            [{"at": one.created_at, "outcome": "delivered"}] if one.state == "delivered" else []
        ).decode()
        for one in made
    ]
    columns["send_after"] = [one.send_after for one in new]
    columns["about"] = [None if one.notice.channel == "in_app" else one.about for one in new]
    fresh = {str(row.notice_id) for row in await connection.execute(_ADD, columns) if row.is_fresh}
    return [one for one in told if one.notice_id in fresh]


async def withdraw(connection: AsyncConnection, voids: Collection[Void]) -> None:
    """Withdraw what is void and still queued; what has left is corrected by what follows.

    What a sender has in hand is marked, and withdrawn where it does not get through.
    """
    if voids:
        columns = {name: [getattr(void, name) for void in voids] for name in _VOID}
        await connection.execute(_WITHDRAW, columns)


async def find(connection: AsyncConnection, notice_id: UUID) -> Listed | None:
    """One notice, None where there is none of that id."""
    row = (
        await connection.execute(select(*_SHOWN, notices.c.attempts).where(notices.c.notice_id == notice_id))
    ).one_or_none()
    return _listed(row) if row else None


async def page(
    connection: AsyncConnection, asked: Filter, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Listed]:
    """Up to `limit` notices, newest first, older than the position `before` (created_at, notice_id)."""
    statement = select(*_SHOWN, notices.c.attempts).where(*asked.clauses())
    if before is not None:
        statement = statement.where(
            tuple_(notices.c.created_at, notices.c.notice_id) < tuple_(*map(literal, before))
        )
    statement = statement.order_by(notices.c.created_at.desc(), notices.c.notice_id.desc()).limit(limit)
    return [_listed(row) for row in await connection.execute(statement)]


async def acknowledge(connection: AsyncConnection, notice_id: UUID) -> bool:
    """Mark a notice as acknowledged; False where it was already, or was withdrawn."""
    result = await connection.execute(_ACKNOWLEDGE, {"id": notice_id})
    return result.rowcount == 1


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
) -> tuple[list[Listed], tuple[str, UUID] | None]:
    """Up to `limit` notices made or changed by transactions that `until` shows and `since` does not.

    Serial numbers and times become visible out of order; snapshots do not, so nothing is missed or repeated. Returns
    the notices and the position to go on `after`, None at the end.
    """
    statement = select(*_SHOWN, notices.c.attempts, notices.c.changed_xid.cast(Text).label("xid")).where(
        text("changed_xid >= pg_snapshot_xmin(CAST(CAST(:since AS text) AS pg_snapshot))"),
        text("NOT pg_visible_in_snapshot(changed_xid, CAST(CAST(:since AS text) AS pg_snapshot))"),
        text("pg_visible_in_snapshot(changed_xid, CAST(CAST(:until AS text) AS pg_snapshot))"),
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
    return [_listed(row) for row in rows], position


def _listed(row: Any) -> Listed:
    return Listed(_notice(row), row.attempts)


def _notice(row: Any) -> NoticeData:
    values = {name: getattr(row, name) for name in NoticeData.__struct_fields__}
    return NoticeData(**{**values, "notice_id": str(row.notice_id)})


_encoder = msgspec.json.Encoder()

_ADDED = {
    "notice_id": Uuid,
    **dict.fromkeys(("occasion", "network", "site", "waybill", "finding_id"), Text),
    "version": Integer,
    **dict.fromkeys(("channel", "state", "language", "title", "body"), Text),
    "due_at": DateTime(timezone=True),
    "created_at": DateTime(timezone=True),
    "attempts": Text,
    "send_after": DateTime(timezone=True),
    "about": Text,
}
_TOLD_AGAIN = ("state", "language", "title", "body", "due_at", "created_at", "send_after", "void")
_ADD = text(
    f"""INSERT INTO notices ({", ".join(_ADDED)})
        SELECT {", ".join(name if name != "attempts" else "CAST(attempts AS jsonb)" for name in _ADDED)}
        FROM unnest({", ".join(f":{name}" for name in _ADDED)}) AS new ({", ".join(_ADDED)})
        ON CONFLICT (notice_id) DO UPDATE
        SET {", ".join(f"{name} = excluded.{name}" for name in _TOLD_AGAIN)},
            changed_xid = CASE WHEN notices.state = 'withdrawn' THEN pg_current_xact_id() ELSE notices.changed_xid END
        WHERE excluded.state = 'queued' AND (notices.state = 'withdrawn' OR notices.state = 'queued' AND notices.void)
        RETURNING notice_id, changed_xid = pg_current_xact_id() AS is_fresh"""
).bindparams(*(array_of(name, kind) for name, kind in _ADDED.items()))
_VOID = ("network", "waybill", "about", "site")
_WITHDRAW = text(
    f"""WITH void AS MATERIALIZED (
            SELECT n.notice_id FROM notices n
            JOIN unnest(:network, :waybill, :about, :site) AS said (network, waybill, about, site)
              ON n.network = said.network AND n.waybill = said.waybill AND n.about = said.about
             AND n.site = coalesce(said.site, n.site)
            WHERE n.state = 'queued' AND n.channel <> 'in_app'
            ORDER BY n.notice_id FOR NO KEY UPDATE OF n)
        UPDATE notices
        SET void = true,
            state = CASE WHEN {NOT_IN_HAND} THEN 'withdrawn' ELSE state END,
            changed_xid = CASE WHEN {NOT_IN_HAND} THEN pg_current_xact_id() ELSE changed_xid END
        FROM void WHERE notices.notice_id = void.notice_id"""
).bindparams(*(array_of(name, Text) for name in _VOID))
_SHOWN = [notices.c[name] for name in NoticeData.__struct_fields__]
_ACKNOWLEDGE = (
    update(notices)
    .where(notices.c.notice_id == bindparam("id"), notices.c.state.not_in(("acknowledged", "withdrawn")))
    .values(state="acknowledged", changed_xid=func.pg_current_xact_id())
)
_SNAPSHOT = text("SELECT CAST(pg_current_snapshot() AS text)")
