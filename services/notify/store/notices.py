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

    One that is delivered already was so when made.
    """
    if not new:
        return []
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
    fresh = {str(notice_id) for notice_id in (await connection.execute(_ADD, columns)).scalars()}
    return [one for one in made if one.notice_id in fresh]


async def withdraw(connection: AsyncConnection, voids: Collection[Void]) -> None:
    """Withdraw what is void and still queued; what has left is corrected by what follows."""
    if voids:
        ordered = sorted(voids, key=lambda void: (void.network, void.waybill, void.about, void.site or ""))
        columns = {name: [getattr(void, name) for void in ordered] for name in _VOID}
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
) -> tuple[list[NoticeData], tuple[str, UUID] | None]:
    """Up to `limit` notices made or changed by transactions that `until` shows and `since` does not.

    Serial numbers and times become visible out of order; snapshots do not, so nothing is missed or repeated. Returns
    the notices and the position to go on `after`, None at the end.
    """
    statement = select(*_SHOWN, notices.c.changed_xid.cast(Text).label("xid")).where(
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
    return [_notice(row) for row in rows], position


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
_TOLD_AGAIN = ("state", "language", "title", "body", "due_at", "created_at", "send_after")
_ADD = text(
    f"""INSERT INTO notices ({", ".join(_ADDED)})
        SELECT {", ".join(name if name != "attempts" else "CAST(attempts AS jsonb)" for name in _ADDED)}
        FROM unnest({", ".join(f":{name}" for name in _ADDED)}) AS new ({", ".join(_ADDED)})
        ON CONFLICT (notice_id) DO UPDATE
        SET {", ".join(f"{name} = excluded.{name}" for name in _TOLD_AGAIN)},
            changed_xid = pg_current_xact_id()
        WHERE notices.state = 'withdrawn' AND excluded.state = 'queued'
        RETURNING notice_id"""
).bindparams(*(array_of(name, kind) for name, kind in _ADDED.items()))
_VOID = ("network", "waybill", "about", "site")
_WITHDRAW = text(
    f"""UPDATE notices SET state = 'withdrawn', changed_xid = pg_current_xact_id()
       FROM unnest(:network, :waybill, :about, :site) AS void (network, waybill, about, site)
       WHERE notices.network = void.network AND notices.waybill = void.waybill AND notices.about = void.about
         AND notices.site = coalesce(void.site, notices.site)
         AND notices.state = 'queued' AND notices.channel <> 'in_app' AND {NOT_IN_HAND}"""
).bindparams(*(array_of(name, Text) for name in _VOID))
_SHOWN = [notices.c[name] for name in NoticeData.__struct_fields__]
_ACKNOWLEDGE = (
    update(notices)
    .where(notices.c.notice_id == bindparam("id"), notices.c.state.not_in(("acknowledged", "withdrawn")))
    .values(state="acknowledged", changed_xid=func.pg_current_xact_id())
)
_SNAPSHOT = text("SELECT CAST(pg_current_snapshot() AS text)")
