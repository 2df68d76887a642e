"""Cases and the versions of their verdicts. Written a batch at a time, in the transaction that holds the partition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from asyncpg import Connection

from shared.events.outputs import Finding


class Head(NamedTuple):
    """The newest issued version of a waybill's verdict.

    `events` and `conflicts` are those that this version knows of; `verdict` is the VerdictData as JSON. `next_look_at`: the
    moment for which a review stands, no later than `next_review_at`.
    """

    subject: str
    partition: int
    version: int
    status: str
    decided_at: datetime
    events: int
    conflicts: int
    next_review_at: datetime | None
    digest: str
    verdict: bytes
    next_look_at: datetime | None


_COLUMNS = Head._fields
_TYPES = (
    "text",
    "smallint",
    "integer",
    "text",
    "timestamptz",
    "integer",
    "integer",
    "timestamptz",
    "text",
    "bytea",
    "timestamptz",
)
HEAD = f"SELECT {', '.join(_COLUMNS[:-1])}, coalesce(next_look_at, next_review_at) AS next_look_at FROM cases"
"""Reads a Head, column by column."""
_UNNEST = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(_TYPES, 1))
_SUPERSEDE = (
    "WITH old AS (INSERT INTO superseded (subject, version, decided_at, verdict)"
    " SELECT subject, version, decided_at, verdict FROM cases WHERE subject = ANY($1::text[])) "
)
_UPDATE = (
    "UPDATE cases AS c SET "
    + ", ".join(f"{column} = n.{column}" for column in _COLUMNS[2:])
    + f" FROM unnest({_UNNEST}) AS n({', '.join(_COLUMNS)}) WHERE c.subject = n.subject"
)


async def heads(connection: Connection, subjects: Sequence[str]) -> dict[str, Head]:
    """The newest issued versions of `subjects`; a waybill without a verdict is absent."""
    rows = await connection.fetch(f"{HEAD} WHERE subject = ANY($1::text[])", subjects)
    return {row[0]: Head(*row) for row in rows}


async def insert(connection: Connection, fresh: Sequence[Head]) -> None:
    """Add the first versions of waybills, in one COPY."""
    if fresh:
        await connection.copy_records_to_table("cases", records=fresh, columns=_COLUMNS)


async def replace(connection: Connection, changed: Sequence[Head]) -> None:
    """Put new versions in the place of older ones, which stay readable."""
    if changed:
        # Both parts see the table as it was before.
        await connection.execute(_SUPERSEDE + _UPDATE, *zip(*changed, strict=True))


async def update(connection: Connection, changed: Sequence[Head]) -> None:
    """Overwrite heads in place: what is known of the waybill beyond its verdict has changed."""
    if changed:
        await connection.execute(_UPDATE, *zip(*changed, strict=True))


async def first_issued(
    connection: Connection, subjects: Sequence[str], now: datetime
) -> dict[str, dict[str, datetime]]:
    """When each finding of these waybills was first issued: `{subject: {finding_id: moment}}`.

    A finding that is revoked would be issued anew `now`, should it come back.
    """
    rows = await connection.fetch(
        "SELECT subject, finding_id, CASE WHEN state = 'revoked' THEN $2 ELSE first_issued_at END"
        " FROM findings WHERE subject = ANY($1::text[])",
        subjects,
        now,
    )
    found: dict[str, dict[str, datetime]] = {}
    for subject, finding_id, moment in rows:
        found.setdefault(subject, {})[finding_id] = moment
    return found


async def keep_findings(connection: Connection, findings: Sequence[tuple[str, datetime, Finding]]) -> None:
    """Keep `(subject, decided_at, finding)` for lists and appeals.

    The moment of first issue stays while the finding stands; one that was revoked and comes back is issued anew, and
    so is told anew, with a new term to appeal.
    """
    if not findings:
        return
    await connection.execute(
        "INSERT INTO findings (subject, finding_id, rule, site, state, kind, amount_fen, first_issued_at)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],"
        " $8::timestamptz[]) ON CONFLICT (subject, finding_id) DO UPDATE SET site = excluded.site,"
        " state = excluded.state, kind = excluded.kind, amount_fen = excluded.amount_fen, first_issued_at ="
        " CASE WHEN findings.state = 'revoked' AND excluded.state <> 'revoked' THEN excluded.first_issued_at"
        " ELSE findings.first_issued_at END",
        [subject for subject, _, _ in findings],
        [f.finding_id for _, _, f in findings],
        [f.rule for _, _, f in findings],
        [f.site for _, _, f in findings],
        [f.state for _, _, f in findings],
        [f.kind for _, _, f in findings],
        [f.amount_fen for _, _, f in findings],
        [decided_at for _, decided_at, _ in findings],
    )


async def keep_exempted(connection: Connection, touched: Sequence[tuple[str, str]]) -> None:
    """Keep `(exemption_id, subject)`: when the exemption changes, these cases are looked at again."""
    if touched:
        await connection.executemany(
            "INSERT INTO exempted (exemption_id, subject) VALUES ($1, $2) ON CONFLICT DO NOTHING", touched
        )


async def park(connection: Connection, parked: Sequence[tuple[str, int, datetime, str]]) -> None:
    """Set `(subject, partition, parked_at, error)` aside: these are not decided until somebody retries them."""
    await connection.executemany(
        "INSERT INTO parked (subject, partition, parked_at, error, attempts) VALUES ($1, $2, $3, $4, 1)"
        " ON CONFLICT (subject) DO UPDATE SET error = excluded.error, attempts = parked.attempts + 1",
        parked,
    )


async def parked_among(connection: Connection, subjects: Sequence[str]) -> set[str]:
    """Those of `subjects` that are set aside."""
    rows = await connection.fetch("SELECT subject FROM parked WHERE subject = ANY($1::text[])", subjects)
    return {row[0] for row in rows}


async def release(connection: Connection, subjects: Sequence[str]) -> None:
    """These waybills could be decided: they are no longer parked."""
    if subjects:
        await connection.execute("DELETE FROM parked WHERE subject = ANY($1::text[])", subjects)
