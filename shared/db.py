"""The database of a service: its engine and its migrations. Every service has a role and a schema of its own name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

from alembic import command, context
from alembic.config import Config
from asyncpg.exceptions import DataError, InterfaceError, InternalClientError, PostgresError
from sqlalchemy import Connection, MetaData, event, make_url, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.settings import ServiceSettings

_MIGRATION_LOCK = 7_216_501_944
_SERVICES = Path(__file__).resolve().parent.parent / "services"
_IDLE_IN_TRANSACTION_TIMEOUT_MS = 15_000
"""A frozen process must not keep its rows locked: the server ends its transaction, and with it the locks."""
_SILENCE_S = 30
"""A server that answers nothing on the network for so long is gone, whatever still waits for it."""

DATABASE_ERRORS: Final = (DBAPIError, PoolTimeoutError, PostgresError, InterfaceError, InternalClientError)
"""What comes from a database: through SQLAlchemy, and from the driver where SQL goes straight to it.

The last one is what the driver says to a question put after the server has taken its leave and before the connection ends.
"""

_READ_TIMEOUT, _OPENED = "read_timeout_s", "opened"
_AWAY_STATES = ("08", "53", "57")
"""Classes of SQLSTATE: connection failed, resources exhausted, operator intervention (a shutdown or recovery)."""
_REFUSED_STATES = ("22", "23", "54")
"""Classes of SQLSTATE: data that does not fit, a constraint, a limit of the database (a key too long for its index)."""


def create_engine(settings: ServiceSettings) -> AsyncEngine:
    """An engine for `settings.database_url`; connects on first use, never at creation."""
    url = make_url(settings.database_url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(
        url,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=30,
        # The connection used last has its statements prepared.
        pool_use_lifo=True,
        # What was to be stored tells about people: it must not get into logs with an error.
        hide_parameters=True,
        connect_args={
            "timeout": 10,
            "server_settings": {
                "application_name": settings.instance or "faultline",
                "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_TIMEOUT_MS),
                "timezone": "UTC",
                "jit": "off",
            },
        },
    )
    opened: WeakSet[Any] = WeakSet()

    def keep(adapted: Any, _record: object) -> None:
        opened.add(adapted.driver_connection)
        _notice_silence(adapted.driver_connection)

    event.listen(engine.sync_engine, "connect", keep)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    timeout_s = settings.database_read_timeout_ms / 1000
    return engine.execution_options(**{_READ_TIMEOUT: timeout_s, _OPENED: opened})


def _refuse_closed(adapted: Any, _record: object, _proxy: object) -> None:
    """Have the pool replace a connection that has ended: who uses the driver itself would be given it again and again."""
    if adapted.driver_connection.is_closed():
        raise DisconnectionError


def cut_off(engine: AsyncEngine) -> None:
    """End every connection at once: who waits for a database that hangs, be it to roll back, gets an error instead."""
    for connection in list(engine.get_execution_options()[_OPENED]):
        connection.terminate()


def _notice_silence(connection: Any) -> None:
    """Have the system end a connection whose other end is gone without a word: the driver would wait for ever."""
    sock = connection._transport.get_extra_info("socket")  # asyncpg has no public way
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Not every system has them; Linux has.
    for name, value in (
        ("TCP_KEEPIDLE", _SILENCE_S // 2),
        ("TCP_KEEPINTVL", _SILENCE_S // 6),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", _SILENCE_S * 1000),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


@asynccontextmanager
async def reader(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for a request that only reads. TimeoutError where the database hangs for `database_read_timeout_ms`."""
    connection = engine.connect()
    try:
        async with asyncio.timeout(engine.get_execution_options()[_READ_TIMEOUT]):
            await connection.start()
            yield connection
    except (TimeoutError, asyncio.CancelledError):
        # Giving it back would ask the database for a rollback, and wait.
        if connection.sync_connection is not None:
            await connection.invalidate()
        raise
    finally:
        if connection.sync_connection is not None:
            await connection.close()


def is_away(error: BaseException) -> bool:
    """Whether `error` says that the database cannot be reached or takes nobody now, rather than that a statement is wrong."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        # Without a statement it was the connecting that failed, for whatever reason.
        return error.statement is None or error.connection_invalidated or state[:2] in _AWAY_STATES
    if isinstance(error, PostgresError):
        return (error.sqlstate or "")[:2] in _AWAY_STATES
    if isinstance(error, InterfaceError):
        return not isinstance(error, DataError)
    return isinstance(error, OSError | PoolTimeoutError | InternalClientError)


def is_refused(error: BaseException) -> bool:
    """Whether the database refused what it was given, and would again: a value out of range, a key too long or taken."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    while cause is not None:
        if isinstance(cause, DataError) or (getattr(cause, "sqlstate", None) or "")[:2] in _REFUSED_STATES:
            return True
        cause = cause.__cause__
    return False


async def migrate(engine: AsyncEngine, service: str) -> None:
    """Bring the schema of `service` to the newest revision. Copies that start together wait for one another."""
    async with engine.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        await connection.run_sync(_upgrade, service)


def _upgrade(connection: Connection, service: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(_SERVICES / service / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def run_migrations(metadata: MetaData | None = None) -> None:
    """What a service's `migrations/env.py` calls: run inside the connection that `migrate` holds."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, version_table="schema_revision")
    with context.begin_transaction():
        context.run_migrations()
