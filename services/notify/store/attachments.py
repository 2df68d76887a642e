"""The files that go with notices by e-mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.store.tables import attachments


class File(Protocol):
    """A name, a media type and bytes."""

    @property
    def name(self) -> str:
        """The file's name, as the reader sees it."""

    @property
    def media_type(self) -> str:
        """Its type, as `application/pdf`."""

    @property
    def body(self) -> bytes:
        """Its bytes."""


async def add(connection: AsyncConnection, notice_ids: Sequence[str], file: File) -> None:
    """Store `file` with each of these notices, which are new."""
    if notice_ids:
        values = [
            {
                "notice_id": UUID(notice_id),
                "name": file.name,
                "media_type": file.media_type,
                "body": file.body,
            }
            for notice_id in notice_ids
        ]
        await connection.execute(insert(attachments), values)
