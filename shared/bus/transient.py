"""Errors that go by themselves."""

from __future__ import annotations

import asyncio

from aiokafka.errors import ConsumerStoppedError, KafkaError

from shared.db import DATABASE_ERRORS

TRANSIENT = (KafkaError, ConsumerStoppedError, *DATABASE_ERRORS, OSError, TimeoutError)
"""What goes by itself: broker or database away. The work is tried again until it succeeds."""


def unless_cancelled(error: Exception) -> None:
    """Raise CancelledError where the task that got `error` is being cancelled.

    A transaction that is cancelled rolls back, and where the database is away it is the rollback's error that comes out:
    who goes on after it has swallowed the cancellation, and is waited for in vain.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error
