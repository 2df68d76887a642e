"""Every statement on destinations as people see them, and on the secrets of webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.store.tables import array_of


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a site is reached by a channel, and how it fares there. `failures` in a row."""

    network: str
    site: str
    channel: str
    address: str | None
    state: str
    failures: int
    next_attempt_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    last_success_at: datetime | None


Key = tuple[str, str, str]
"""Network, site and channel."""


async def page(
    connection: AsyncConnection,
    *,
    network: str | None,
    site: str | None,
    channel: str | None,
    state: str | None,
    after: Key | None,
    limit: int,
) -> list[Destination]:
    """Up to `limit` destinations after the position `after`, in its order."""
    position = dict(zip(("after_network", "after_site", "after_channel"), after or ("", "", ""), strict=True))
    asked = {"network": network, "site": site, "channel": channel, "state": state, "limit": limit}
    return [Destination(*row) for row in await connection.execute(_PAGE, asked | position)]


async def find(connection: AsyncConnection, key: Key) -> Destination | None:
    """One destination; None where nothing was ever sent there."""
    row = (await connection.execute(_FIND, _named(key))).one_or_none()
    return Destination(*row) if row else None


async def in_trouble(connection: AsyncConnection) -> list[tuple[Key, str | None]]:
    """The destinations that fail or have ended, with the address that did."""
    rows = await connection.execute(_TROUBLED)
    return [((row.network, row.site, row.channel), row.address) for row in rows]


async def reopen(connection: AsyncConnection, keys: Sequence[Key]) -> None:
    """Try these at once, as if nothing had happened; what is under way there still counts."""
    columns = dict(zip(("network", "site", "channel"), map(list, zip(*keys, strict=True)), strict=True))
    await connection.execute(_REOPEN, columns)


async def states(connection: AsyncConnection) -> list[tuple[str, str, int]]:
    """How many destinations there are, by channel and state."""
    return [tuple(row) for row in await connection.execute(_STATES)]


# -- secrets ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Secret:
    """What the webhooks of a site are signed with. `expires_at` None: until another is made or it is ended."""

    secret_id: UUID
    network: str
    site: str
    created_at: datetime
    expires_at: datetime | None
    secret: str = field(repr=False)


async def add_secret(connection: AsyncConnection, new: Secret, *, others_expire_at: datetime) -> None:
    """Store a secret; those it replaces sign until `others_expire_at` at the latest."""
    values = {name: getattr(new, name) for name in Secret.__dataclass_fields__}
    await connection.execute(_EXPIRE, values | {"others_expire_at": others_expire_at})
    await connection.execute(_ADD_SECRET, values)


async def secrets_of(
    connection: AsyncConnection,
    network: str | None,
    site: str | None,
    now: datetime,
    *,
    after: tuple[str, str, UUID] | None = None,
    limit: int,
) -> list[Secret]:
    """Up to `limit` secrets that sign at `now`, after the position `after` (network, site, secret_id)."""
    position = dict(
        zip(("after_network", "after_site", "after_id"), after or ("", "", UUID(int=0)), strict=True)
    )
    asked = {"network": network, "site": site, "now": now, "limit": limit}
    rows = await connection.execute(_SECRETS, asked | position)
    return [Secret(*row) for row in rows]


async def end_secret(connection: AsyncConnection, network: str, site: str, secret_id: UUID) -> bool:
    """Forget a secret; False where there is none."""
    values = {"network": network, "site": site, "secret_id": secret_id}
    return (await connection.execute(_END_SECRET, values)).rowcount == 1


def _named(key: Key) -> dict[str, Any]:
    return dict(zip(("network", "site", "channel"), key, strict=True))


_TIME = DateTime(timezone=True)
_SHOWN = ", ".join(Destination.__dataclass_fields__)
_THIS = "network = :network AND site = :site AND channel = :channel"
_PAGE = text(
    f"""SELECT {_SHOWN} FROM destinations
        WHERE (network, site, channel) > (:after_network, :after_site, :after_channel)
          AND (CAST(:network AS text) IS NULL OR network = :network)
          AND (CAST(:site AS text) IS NULL OR site = :site)
          AND (CAST(:channel AS text) IS NULL OR channel = :channel)
          AND (CAST(:state AS text) IS NULL OR state = :state)
        ORDER BY network, site, channel LIMIT :limit"""
)
_FIND = text(f"SELECT {_SHOWN} FROM destinations WHERE {_THIS}")
_TROUBLED = text(
    "SELECT network, site, channel, address FROM destinations WHERE failures > 0 OR state = 'ended'"
)
_REOPEN = text(
    """UPDATE destinations d SET state = 'open', failures = 0, slow = false, next_attempt_at = NULL
       FROM unnest(:network, :site, :channel) AS r (network, site, channel)
       WHERE d.network = r.network AND d.site = r.site AND d.channel = r.channel"""
).bindparams(*(array_of(name, Text) for name in ("network", "site", "channel")))
_STATES = text("SELECT channel, state, count(*) FROM destinations GROUP BY channel, state")

_SECRET = ", ".join(Secret.__dataclass_fields__)
_EXPIRE = text(
    """UPDATE webhook_secrets SET expires_at = :others_expire_at
       WHERE network = :network AND site = :site AND (expires_at IS NULL OR expires_at > :others_expire_at)"""
).bindparams(bindparam("others_expire_at", type_=_TIME))
_ADD_SECRET = text(
    f"INSERT INTO webhook_secrets ({_SECRET}) VALUES (:{_SECRET.replace(', ', ', :')})"
).bindparams(
    bindparam("secret_id", type_=Uuid),
    bindparam("created_at", type_=_TIME),
    bindparam("expires_at", type_=_TIME),
)
_SECRETS = text(
    f"""SELECT {_SECRET} FROM webhook_secrets
        WHERE (CAST(:network AS text) IS NULL OR network = :network)
          AND (CAST(:site AS text) IS NULL OR site = :site)
          AND (expires_at IS NULL OR expires_at > :now)
          AND (network, site, secret_id) > (:after_network, :after_site, :after_id)
        ORDER BY network, site, secret_id LIMIT :limit"""
).bindparams(bindparam("now", type_=_TIME), bindparam("after_id", type_=Uuid))
_END_SECRET = text(
    "DELETE FROM webhook_secrets WHERE network = :network AND site = :site AND secret_id = :secret_id"
).bindparams(bindparam("secret_id", type_=Uuid))
