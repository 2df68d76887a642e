"""Several copies send, and one is killed: nothing is lost, nothing overtakes, what comes twice has the same id."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.test_delivery import SETTINGS
from tests.support.bus import until
from tests.support.delivery import Post
from tests.support.notify import NotifyProcess
from tests.support.parts import DatabaseFactory, Parts
from tests.support.receiver import Receiver, Request, answers

pytestmark = pytest.mark.stack

SITES, EACH = 20, 40


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async def slowly(request: Request) -> object:
        await asyncio.sleep(0.01)  # the time the receiver takes
        return await answers(204)(request)

    made = Receiver()
    for number in range(SITES):
        made.behave[f"/{number}"] = slowly  # type: ignore[assignment]
    async with made.running() as running:
        yield running


async def test_two_copies_share_the_work_and_the_kill_of_one_loses_nothing(
    parts: Parts, database: DatabaseFactory, receiver: Receiver, clock_file: Path
) -> None:
    url = database("notify")
    copies = [NotifyProcess(parts.bootstrap_servers, url, **SETTINGS) for _ in range(2)]
    try:
        await copies[0].start()
        await copies[1].start()
        post = Post(copies[0], clock_file)
        for number in range(SITES):
            await post.site(f"S-{number}", webhook=receiver.url(f"/{number}"))
        ids = {f"/{number}": await post.queue(f"S-{number}", EACH) for number in range(SITES)}
        third = SITES * EACH // 3
        await until(lambda: len(receiver.requests) > third, "it is under way")
        copies[1].stop(signal.SIGKILL)
        await post.until_states([one for some in ids.values() for one in some], "delivered")
        await copies[1].start()
        more = await post.queue("S-0", EACH)
        await post.until_states(more, "delivered")
    finally:
        for copy in copies:
            copy.stop()
    for path, sent in ids.items():
        arrived = [request.id for request in receiver.of(path)]
        first_arrivals = list(dict.fromkeys(arrived))
        assert first_arrivals[:EACH] == sent, f"{path} in order"
        assert len(arrived) - len(first_arrivals) <= 16, "what a dead copy had in hand comes again, no more"
    assert [request.id for request in receiver.of("/0")][-EACH:] == more


async def test_two_copies_send_nothing_twice(
    parts: Parts, database: DatabaseFactory, receiver: Receiver, clock_file: Path
) -> None:
    url = database("notify")
    copies = [NotifyProcess(parts.bootstrap_servers, url, **SETTINGS) for _ in range(2)]
    try:
        await copies[0].start()
        await copies[1].start()
        post = Post(copies[0], clock_file)
        for number in range(SITES):
            await post.site(f"S-{number}", webhook=receiver.url(f"/{number}"))
        ids = {f"/{number}": await post.queue(f"S-{number}", EACH) for number in range(SITES)}
        await post.until_states([one for some in ids.values() for one in some], "delivered")
    finally:
        for copy in copies:
            copy.stop()
    assert {path: [request.id for request in receiver.of(path)] for path in ids} == ids
