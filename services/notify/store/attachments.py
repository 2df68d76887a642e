"""The files that go with notices by e-mail."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.store.tables import attachments


async def attach(
    connection: AsyncConnection, notice_id: UUID, name: str, media_type: str, content: bytes
) -> None:
    """Have a file go with an e-mail notice; once, however often it is said. `media_type` as `application/pdf`."""
    values = {"notice_id": notice_id, "name": name, "media_type": media_type, "content": content}
    await connection.execute(insert(attachments).values(values).on_conflict_do_nothing())
