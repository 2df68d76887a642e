"""Up to which moment the duties that were read of each partition are complete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import DateTime, Integer, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.store.tables import array_of


async def advance(connection: AsyncConnection, moments: Mapping[int, datetime]) -> None:
    """Store the moments by partition; a later stored one stays."""
    if moments:
        columns = {"partitions": sorted(moments), "moments": [moments[number] for number in sorted(moments)]}
        await connection.execute(_ADVANCE, columns)


_ADVANCE = text(
    """INSERT INTO duties_complete (partition, complete_until) SELECT * FROM unnest(:partitions, :moments)
       ON CONFLICT (partition) DO UPDATE SET complete_until = excluded.complete_until
       WHERE duties_complete.complete_until < excluded.complete_until"""
).bindparams(array_of("partitions", Integer), array_of("moments", DateTime(timezone=True)))
