"""Notices that become void while a sender has them in hand, on the real database, with a receiver that hangs and fails."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.domain.telling import Void
from services.notify.store.deliveries import Attempted, Claim, Outcome, Places, claim, record
from services.notify.store.notices import NewNotice, add, find, withdraw
from shared.db import create_engine, migrate
from shared.settings import ServiceSettings
from tests.integration.test_delivery import SETTINGS
from tests.support.bus import until
from tests.support.delivery import Post
from tests.support.notify import NotifyProcess
from tests.support.parts import DatabaseFactory, Parts
from tests.support.receiver import Receiver, Request, answers
from tests.unit.notify.deliveries import notice

pytestmark = pytest.mark.stack

WAYBILL, ABOUT = "560000000001", "duty/contact/C1"


class Held:
    """Keeps a request waiting until it is told what to answer."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def __call__(self, _request: Request) -> web.StreamResponse:
        return web.Response(status=await asyncio.shield(self.answer))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().running() as running:
        yield running


@pytest.fixture
async def post(parts: Parts, database: DatabaseFactory, tmp_path: Path) -> AsyncIterator[Post]:
    clock_file = tmp_path / "clock.json"
    settings = {**SETTINGS, "FAULTLINE_CLOCK_FILE": str(clock_file)}
    notify = NotifyProcess(parts.bootstrap_servers, database("notify"), **settings)
    await notify.start()
    yield Post(notify, clock_file)
    notify.stop()


@pytest.fixture
async def engine(post: Post) -> AsyncIterator[AsyncEngine]:
    made = create_engine(ServiceSettings(database_url=post.notify.settings.database_url))
    yield made
    await made.dispose()


async def queue_about(engine: AsyncEngine, post: Post, count: int = 1) -> list[NewNotice]:
    """Queue notices to BJ02 about one duty, as the telling part does."""
    members = {"network": post.network, "waybill": WAYBILL}
    made = [notice(**members, created_at=post.clock.now()) for _ in range(count)]
    new = [NewNotice(one, about=ABOUT) for one in made]
    async with engine.begin() as connection:
        await add(connection, new)
    return new


async def make_void(engine: AsyncEngine, post: Post) -> None:
    async with engine.begin() as connection:
        await withdraw(connection, {Void(post.network, WAYBILL, ABOUT)})


async def nothing_else_is_sent(post: Post, receiver: Receiver, requests: int) -> None:
    """Hours later another notice comes through, and nothing but it."""
    post.advance(hours=2)
    (later,) = await post.queue("BJ02")
    await post.until_states([later], "delivered")
    assert [request.id for request in receiver.requests[requests:]] == [later]


async def test_what_becomes_void_in_hand_is_withdrawn_where_the_attempt_fails(
    post: Post, engine: AsyncEngine, receiver: Receiver
) -> None:
    held = receiver.behave["/bj02"] = Held()
    await post.site("BJ02", webhook=receiver.url("/bj02"))
    ids = [one.notice.notice_id for one in await queue_about(engine, post, 2)]
    await until(lambda: bool(receiver.requests), "it is being sent")
    await make_void(engine, post)
    assert {one["state"] for one in (await post.notices()).values()} == {"queued"}
    held.answer.set_result(500)
    notices = await post.until_states(ids, "withdrawn")
    tried = receiver.requests[0].id
    assert {id_: [one["outcome"] for one in notices[id_]["attempts"]] for id_ in ids} == {
        id_: ["failed"] if id_ == tried else [] for id_ in ids
    }
    del receiver.behave["/bj02"]
    await nothing_else_is_sent(post, receiver, 1)


async def void_in_hand(engine: AsyncEngine, post: Post, receiver: Receiver) -> tuple[NewNotice, Held]:
    """A notice that became void while its receiver lets the sender wait for the answer."""
    held = receiver.behave["/bj02"] = Held()
    await post.site("BJ02", webhook=receiver.url("/bj02"))
    (new,) = await queue_about(engine, post)
    await until(lambda: bool(receiver.requests), "it is being sent")
    await make_void(engine, post)
    return new, held


async def test_what_becomes_void_between_two_attempts_is_withdrawn_at_once(
    post: Post, engine: AsyncEngine, receiver: Receiver
) -> None:
    receiver.behave["/bj02"] = answers(500, 204)
    await post.site("BJ02", webhook=receiver.url("/bj02"))
    (new,) = await queue_about(engine, post)
    await post.until_failures("BJ02", 1)
    await make_void(engine, post)
    assert (await post.notices())[new.notice.notice_id]["state"] == "withdrawn"
    await nothing_else_is_sent(post, receiver, 1)


async def test_what_becomes_void_in_hand_and_arrives_is_delivered(
    post: Post, engine: AsyncEngine, receiver: Receiver
) -> None:
    new, held = await void_in_hand(engine, post, receiver)
    held.answer.set_result(204)
    await post.until_states([new.notice.notice_id], "delivered")


async def test_what_holds_again_while_it_is_in_hand_is_tried_again(
    post: Post, engine: AsyncEngine, receiver: Receiver
) -> None:
    new, held = await void_in_hand(engine, post, receiver)
    async with engine.begin() as connection:
        assert await add(connection, [new]) == [], "it was never withdrawn: there is nothing to tell"
    held.answer.set_result(500)
    await post.until_failures("BJ02", 1)
    del receiver.behave["/bj02"]
    post.advance(hours=2)
    await post.until_states([new.notice.notice_id], "delivered")


async def test_what_became_void_in_the_hands_of_a_copy_that_died_is_withdrawn(
    post: Post, engine: AsyncEngine, receiver: Receiver
) -> None:
    new, _ = await void_in_hand(engine, post, receiver)
    post.notify.stop(signal.SIGKILL)
    del receiver.behave["/bj02"]
    await post.notify.start()
    await post.until_states([new.notice.notice_id], "withdrawn")
    await nothing_else_is_sent(post, receiver, 1)


async def test_withdrawing_and_recording_the_same_notices_do_not_block_each_other_for_ever(
    database: DatabaseFactory,
) -> None:
    engine = create_engine(ServiceSettings(database_url=database("notify")))
    await migrate(engine, "notify")
    low, high = sorted(uuid4() for _ in range(2))
    holder = uuid4()
    async with engine.begin() as connection:
        await add(connection, [NewNotice(notice(notice_id=str(one)), about=ABOUT) for one in (low, high)])
    claims = await both(engine, holder)

    async def withdrawing() -> None:
        async with engine.begin() as connection:
            await withdraw(connection, {Void("tiantian", WAYBILL, ABOUT)})

    async def recording() -> None:
        async with engine.begin() as connection:
            await record(connection, [failed(claims[0], (high, low))], holder=holder, attempts_kept=20)

    async with engine.begin() as held:
        await held.execute(
            text("SELECT FROM notices WHERE notice_id = :id FOR NO KEY UPDATE").bindparams(id=low)
        )
        # Both wait for the first notice; the one that comes second must not have taken the other meanwhile.
        waiting = [asyncio.create_task(withdrawing())]
        await until(lambda: waiters(engine, 1), "one waits")
        waiting.append(asyncio.create_task(recording()))
        await until(lambda: waiters(engine, 2), "both wait")
    await asyncio.gather(*waiting)
    async with engine.connect() as connection:
        for one in (low, high):
            listed = await find(connection, one)
            assert listed is not None
            assert (listed.notice.state, len(listed.attempts)) == ("withdrawn", 1)
    await engine.dispose()


async def both(engine: AsyncEngine, holder: UUID) -> list[Claim]:
    """Take the notices in hand; the first look only makes the destination."""
    places = Places(good=1, slow=1, notices=16, trial_notices=1)
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    claims: list[Claim] = []
    while not claims:
        async with engine.begin() as connection:
            claims, _ = await claim(connection, "webhook", now, places=places, holder=holder, lease_ms=60_000)
    return claims


def failed(taken: Claim, ids: Sequence[UUID]) -> Outcome:
    """All of `ids` were tried in vain."""
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    attempts = [Attempted(one, "queued", now, "The receiver answered HTTP 500.") for one in ids]
    return Outcome(
        claim=taken,
        attempts=attempts,
        untried=[],
        address=None,
        state="open",
        failures=1,
        next_attempt_at=None,
        slow=False,
    )


async def waiters(engine: AsyncEngine, count: int) -> bool:
    """Whether so many sessions wait for a lock in this database."""
    async with engine.connect() as connection:
        question = """SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event_type = 'Lock'"""
        return int((await connection.execute(text(question))).scalar_one()) >= count
