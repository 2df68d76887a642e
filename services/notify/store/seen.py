"""What was last told of each waybill: its verdict and its duties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Integer, LargeBinary, Text, any_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.findings import KnownFinding, Seen
from services.notify.store.tables import array_of, seen_duties, seen_verdicts
from shared.events.duties import Duty


@dataclass(frozen=True, slots=True)
class SeenDuties:
    """The newest revision of a waybill's duties that was looked at; 0: none."""

    revision: int = 0
    duties: list[Duty] = field(default_factory=list)


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


async def duties_of(connection: AsyncConnection, subjects: Iterable[str]) -> dict[str, SeenDuties]:
    """The duties last seen of each of `subjects`; those never seen are absent."""
    rows = await connection.execute(_SEEN_DUTIES, {"subjects": list(subjects)})
    return {row.subject: SeenDuties(row.revision, _duties.decode(row.duties)) for row in rows}


async def save_duties(connection: AsyncConnection, seen: Mapping[str, SeenDuties]) -> None:
    """Store the duties seen now; a stored higher revision stays."""
    if seen:
        columns = {
            "subject": list(seen),
            "revision": [one.revision for one in seen.values()],
            "duties": [_encoder.encode(one.duties) for one in seen.values()],
        }
        await connection.execute(_SAVE_DUTIES, columns)


_encoder = msgspec.json.Encoder()
_findings = msgspec.json.Decoder(dict[str, KnownFinding])
_duties = msgspec.json.Decoder(list[Duty])
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
_SEEN_DUTIES = select(seen_duties).where(seen_duties.c.subject == any_(array_of("subjects", Text)))
_SAVE_DUTIES = text(
    """INSERT INTO seen_duties (subject, revision, duties)
       SELECT * FROM unnest(:subject, :revision, :duties)
       ON CONFLICT (subject) DO UPDATE SET revision = excluded.revision, duties = excluded.duties
       WHERE seen_duties.revision < excluded.revision"""
).bindparams(array_of("subject", Text), array_of("revision", Integer), array_of("duties", LargeBinary))
