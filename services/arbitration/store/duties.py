"""What was last published about each waybill's duties, a row for those that have some or had; and the terms of which it is
to be said when everybody has been heard about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from asyncpg import Connection


class Published(NamedTuple):
    """The newest revision of a waybill's duties, and the digest of the list."""

    subject: str
    revision: int
    digest: bytes


async def keep(connection: Connection, changed: Sequence[Published]) -> None:
    """Keep newer revisions."""
    if changed:
        await connection.execute(
            "INSERT INTO duties (subject, revision, digest)"
            " SELECT * FROM unnest($1::text[], $2::integer[], $3::bytea[])"
            " ON CONFLICT (subject) DO UPDATE SET revision = excluded.revision, digest = excluded.digest",
            *zip(*changed, strict=True),
        )


async def await_terms(connection: Connection, terms: Iterable[tuple[int, datetime]]) -> None:
    """Keep each `(partition, moment)` until the partition's duties are complete up to that moment."""
    if rows := sorted(set(terms)):
        await connection.execute(
            "INSERT INTO terms (partition, missed_at) SELECT * FROM unnest($1::smallint[], $2::timestamptz[])"
            " ON CONFLICT DO NOTHING",
            *zip(*rows, strict=True),
        )


async def with_terms_over(connection: Connection, partitions: Sequence[int], at: datetime) -> list[int]:
    """Those of `partitions` that have a term over by `at`, ascending."""
    rows = await connection.fetch(
        "SELECT DISTINCT partition FROM terms WHERE partition = ANY($1::smallint[]) AND missed_at <= $2 ORDER BY 1",
        partitions,
        at,
    )
    return [row[0] for row in rows]


async def end_terms(connection: Connection, partitions: Sequence[int], at: datetime) -> None:
    """Forget the terms of `partitions` that are over by `at`."""
    await connection.execute(
        "DELETE FROM terms WHERE partition = ANY($1::smallint[]) AND missed_at <= $2", partitions, at
    )
