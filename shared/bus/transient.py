"""Errors that go by themselves."""

from __future__ import annotations

from aiokafka.errors import ConsumerStoppedError, KafkaError
from asyncpg.exceptions import InterfaceError, PostgresError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

TRANSIENT = (
    KafkaError,
    ConsumerStoppedError,
    DBAPIError,
    PoolTimeoutError,
    PostgresError,
    InterfaceError,
    OSError,
    TimeoutError,
)
"""What goes by itself: broker or database away. The work is tried again until it succeeds.

Where SQL goes past SQLAlchemy, straight to the driver, the driver's own errors say that the database is away.
"""
