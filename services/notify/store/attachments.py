"""Every statement on the files that go with e-mails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.store.tables import array_of


async def attach(
    connection: AsyncConnection, notice_id: UUID, name: str, media_type: str, content: bytes
) -> None:
    """Have a file go with an e-mail notice; once, however often it is said. `media_type` as `application/pdf`."""
    values = {"notice_id": notice_id, "name": name, "media_type": media_type, "content": content}
    await connection.execute(_ATTACH, values)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a notice."""

    notice_id: UUID
    name: str
    media_type: str
    content: bytes


async def attachments_of(connection: AsyncConnection, notice_ids: Iterable[UUID]) -> list[Attachment]:
    """The files of the notices, by notice and name."""
    rows = await connection.execute(_ATTACHED, {"notice_ids": list(notice_ids)})
    return [Attachment(row.notice_id, row.name, row.media_type, row.content) for row in rows]


async def attachment_sizes(connection: AsyncConnection, notice_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many bytes the files of each notice have together; the files are not read for it."""
    rows = await connection.execute(_SIZES, {"notice_ids": list(notice_ids)})
    return {row.notice_id: row.bytes for row in rows}


async def forget(connection: AsyncConnection, before: datetime) -> None:
    """Delete the files of notices made before this moment that have left or never will."""
    await connection.execute(_FORGET, {"before": before})


_ATTACH = text(
    """INSERT INTO attachments (notice_id, name, media_type, content)
       VALUES (:notice_id, :name, :media_type, :content) ON CONFLICT DO NOTHING"""
).bindparams(bindparam("notice_id", type_=Uuid))
_ATTACHED = text(
    """SELECT notice_id, name, media_type, content FROM attachments
       WHERE notice_id = ANY (:notice_ids) ORDER BY notice_id, name"""
).bindparams(array_of("notice_ids", Uuid))
_SIZES = text(
    """SELECT notice_id, sum(octet_length(content)) AS bytes FROM attachments
       WHERE notice_id = ANY (:notice_ids) GROUP BY notice_id"""
).bindparams(array_of("notice_ids", Uuid))
_FORGET = text(
    """DELETE FROM attachments AS a USING notices AS n
       WHERE n.notice_id = a.notice_id AND n.created_at < :before
       AND n.state IN ('delivered', 'acknowledged', 'withdrawn')"""
).bindparams(bindparam("before", type_=DateTime(timezone=True)))
