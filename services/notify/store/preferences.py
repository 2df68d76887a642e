"""How sites want to be told."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.preferences import Wishes
from services.notify.store.tables import array_of, preferences


async def of(
    connection: AsyncConnection, sites: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Wishes]:
    """What each (network, site) has chosen; those that chose nothing are absent."""
    if not sites:
        return {}
    columns = {"networks": [network for network, _ in sites], "sites": [site for _, site in sites]}
    rows = await connection.execute(_OF, columns)
    return {(row.network, row.site): msgspec.convert(row.wishes, Wishes) for row in rows}


async def save(connection: AsyncConnection, network: str, site: str, wishes: Wishes, now: datetime) -> None:
    """Store what a site has chosen, in place of what it chose before."""
    values = {"network": network, "site": site, "wishes": msgspec.to_builtins(wishes), "changed_at": now}
    statement = insert(preferences).values(values)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[preferences.c.network, preferences.c.site],
            set_={"wishes": statement.excluded.wishes, "changed_at": statement.excluded.changed_at},
        )
    )


_OF = (
    text(
        """SELECT network, site, wishes
       FROM preferences JOIN unnest(:networks, :sites) AS asked (network, site) USING (network, site)"""
    )
    .bindparams(array_of("networks", Text), array_of("sites", Text))
    .columns(wishes=JSONB)
)
