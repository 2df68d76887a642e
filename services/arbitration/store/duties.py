"""What was last published about each waybill's duties: a row for those that have some, or had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from asyncpg import Connection


class Published(NamedTuple):
    """The newest revision of a waybill's duties, and the digest of the list."""

    subject: str
    revision: int
    digest: bytes


async def published(connection: Connection, subjects: Sequence[str]) -> dict[str, Published]:
    """The newest revisions of `subjects`; a waybill that never had a duty is absent."""
    rows = await connection.fetch(
        "SELECT subject, revision, digest FROM duties WHERE subject = ANY($1::text[])", subjects
    )
    return {row[0]: Published(*row) for row in rows}


async def keep(connection: Connection, changed: Sequence[Published]) -> None:
    """Keep newer revisions."""
    if changed:
        await connection.execute(
            "INSERT INTO duties (subject, revision, digest)"
            " SELECT * FROM unnest($1::text[], $2::integer[], $3::bytea[])"
            " ON CONFLICT (subject) DO UPDATE SET revision = excluded.revision, digest = excluded.digest",
            *zip(*changed, strict=True),
        )
