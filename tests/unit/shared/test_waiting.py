"""Waiting for something, but not for ever."""

from __future__ import annotations

import asyncio

import pytest

from shared.bus.waiting import wait_at_most


async def test_it_ends_when_the_event_is_set_or_the_time_is_over() -> None:
    event = asyncio.Event()
    await wait_at_most(event, 0.001)
    event.set()
    async with asyncio.timeout(60):
        await wait_at_most(event, 600)


async def test_a_cancellation_that_comes_as_the_wait_ends_is_not_lost() -> None:
    event = asyncio.Event()
    task = asyncio.create_task(wait_at_most(event, 600))
    await asyncio.sleep(0)
    event.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
