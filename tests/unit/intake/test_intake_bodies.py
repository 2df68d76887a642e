"""Bodies are decompressed and cut into lines within their bounds."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from services.intake.bodies import Body, Lines, Room
from services.intake.settings import IntakeSettings
from shared.http.problems import Problem


def request(body: list[bytes], **headers: str) -> Request:
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in body]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return messages.pop(0)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw}, receive)


async def read(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in stream])


@given(
    lines=st.lists(st.binary(max_size=30).map(lambda text: text.replace(b"\n", b" ")), max_size=20),
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=5),
)
def test_lines_do_not_depend_on_where_the_pieces_end(lines: list[bytes], cuts: list[int]) -> None:
    body, cutter = b"\n".join(lines), Lines(20)
    found: list[bytes | None] = []
    place = turn = 0
    while place < len(body):
        size = cuts[turn % len(cuts)]
        found += cutter.cut(body[place : place + size])
        place, turn = place + size, turn + 1
    found += cutter.end()
    whole = Lines(20)
    assert found == whole.cut(body) + whole.end()
    short = [line.strip() for line in lines if len(line) <= 20 and line.strip()]
    assert [line for line in found if line is not None and line in short] == short


def test_a_line_without_end_is_not_kept() -> None:
    cutter = Lines(1_000)
    tracemalloc.start()
    for _ in range(1_000):
        assert cutter.cut(b"x" * 10_000) == []
    assert cutter.cut(b"x\n{}\n") == [None, b"{}"]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 200_000


async def test_gzip_is_understood_in_several_members_and_pieces() -> None:
    body = gzip.compress(b"one ") + gzip.compress(b"two")
    for size in (1, 7, len(body)):
        parts = [body[n : n + size] for n in range(0, len(body), size)]
        assert (
            await read(Body(request(parts, content_encoding="gzip"), IntakeSettings()).pieces()) == b"one two"
        )


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"cut short" * 100)[:-9]])
async def test_what_is_not_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        await read(Body(request([body], content_encoding="gzip"), IntakeSettings()).pieces())
    assert caught.value.status == 422


async def test_unknown_encodings_are_refused() -> None:
    with pytest.raises(Problem) as caught:
        await read(Body(request([b"x"], content_encoding="br"), IntakeSettings()).pieces())
    assert caught.value.status == 415


async def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b"\n" * 200_000_000, compresslevel=9)
    tracemalloc.start()
    with pytest.raises(Problem) as caught:
        async for _ in Body(request([bomb], content_encoding="gzip"), IntakeSettings()).pieces():
            pass
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.status == 413
    assert peak_bytes < 4_000_000


async def test_a_whole_body_is_bounded_after_decompression() -> None:
    settings = IntakeSettings()
    body = gzip.compress(b"x" * 5_000)
    hold = Room(settings).enter()
    packed = Body(request([body], content_encoding="gzip"), settings)
    assert await packed.whole(hold, bytes_max=5_000) == b"x" * 5_000
    assert await packed.discard()
    for headers in ({"content_encoding": "gzip"}, {"content_length": "5000"}):
        with pytest.raises(Problem) as caught:
            await Body(request([body], **headers), settings).whole(hold, bytes_max=4_999)
        assert caught.value.status == 413


async def test_room_is_given_back() -> None:
    settings = IntakeSettings(in_flight_bytes_max=100, in_flight_requests_max=2, room_timeout_ms=50)
    room = Room(settings)
    first, second = room.enter(), room.enter()
    with pytest.raises(Problem) as caught:
        room.enter()
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "1"})
    assert first.take(80)
    assert not second.take(30)
    with pytest.raises(Problem) as caught:
        await second.wait_and_take(30)
    assert caught.value.status == 429
    waiting = asyncio.create_task(second.wait_and_take(30))
    await asyncio.sleep(0)
    first.leave()
    await waiting
    handed = second.hand_on()
    second.leave()
    third = room.enter()
    assert not third.take(90)
    room.give(handed)
    assert third.take(90)
