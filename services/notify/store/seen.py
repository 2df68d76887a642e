"""What was last told of each waybill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import Integer, LargeBinary, Text, any_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.findings import KnownFinding, Seen
from services.notify.store.tables import array_of, seen_verdicts


async def seen_of(connection: AsyncConnection, subjects: Iterable[str]) -> dict[str, Seen]:
    """What was last told of each of `subjects`; those never told of are absent."""
    rows = await connection.execute(_SEEN, {"subjects": list(subjects)})
    return {row.subject: Seen(row.version, row.digest, _findings.decode(row.findings)) for row in rows}


async def save_seen(connection: AsyncConnection, seen: Mapping[str, Seen]) -> None:
    """Store what is told now; a stored higher version stays."""
    if seen:
        columns = {
            "subject": list(seen),
            "version": [one.version for one in seen.values()],
            "digest": [one.digest for one in seen.values()],
            "findings": [_encoder.encode(one.findings) for one in seen.values()],
        }
        await connection.execute(_SAVE_SEEN, columns)


_encoder = msgspec.json.Encoder()
_findings = msgspec.json.Decoder(dict[str, KnownFinding])
_SEEN = select(seen_verdicts).where(seen_verdicts.c.subject == any_(array_of("subjects", Text)))
_SAVE_SEEN = text(
    """INSERT INTO seen_verdicts (subject, version, digest, findings)
       SELECT * FROM unnest(:subject, :version, :digest, :findings)
       ON CONFLICT (subject) DO UPDATE
       SET version = excluded.version, digest = excluded.digest, findings = excluded.findings
       WHERE seen_verdicts.version < excluded.version"""
).bindparams(
    array_of("subject", Text),
    array_of("version", Integer),
    array_of("digest", Text),
    array_of("findings", LargeBinary),
)
