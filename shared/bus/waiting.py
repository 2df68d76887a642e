"""Waiting for something, but not for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable


async def wait_at_most(event: asyncio.Event, wait_s: float) -> None:
    """Return when `event` is set, or after `wait_s`.

    Not `asyncio.wait_for`: before Python 3.12 it loses a cancellation that comes at the moment the wait ends.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await event.wait()


async def wait_ended(tasks: Iterable[asyncio.Task[object]], wait_s: float) -> None:
    """Return when all `tasks` have ended, however they did. Raises RuntimeError where one has not after `wait_s`."""
    waited_for = set(tasks)
    if not waited_for:
        return
    _, left = await asyncio.wait(waited_for, timeout=wait_s)
    if left:
        places = ", ".join(f"{task.get_coro()!r} at {task.get_stack()[-1:]}" for task in left)
        raise RuntimeError(f"Not ended within {wait_s:g} s: {places}")
