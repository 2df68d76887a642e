"""Waiting for something, but not for ever."""

from __future__ import annotations

import asyncio
import contextlib


async def wait_at_most(event: asyncio.Event, wait_s: float) -> None:
    """Return when `event` is set, or after `wait_s`.

    Not `asyncio.wait_for`: before Python 3.12 it loses a cancellation that comes at the moment the wait ends.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await event.wait()
