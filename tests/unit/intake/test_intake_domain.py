"""The id window, the stamp, and who may send what, without any broker."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import (
    CONFLICT,
    COPY,
    NEW,
    STATUS_FORBIDDEN,
    STATUS_INVALID,
    Caller,
    IdWindow,
    Recorded,
    Stamp,
    refuse,
)
from shared.events import Event, decode

NOW = datetime(2026, 3, 5, 1, 0, tzinfo=UTC)
FIRST, OTHER = Recorded(b"first", NOW), Recorded(b"other", NOW)
EARLIER = Recorded(b"first", NOW - timedelta(hours=1))


def event(**members: Any) -> Event:
    return decode(raw(**members))


def raw(**members: Any) -> bytes:
    envelope = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/sites/GZ01",
        "type": "scan.arrived",
        "subject": "tiantian/560000000001",
        "time": "2026-03-05T08:00:00+08:00",
        "data": {"site": "GZ01"},
    }
    return json.dumps(envelope | members).encode()


def test_an_id_is_known_only_after_the_acknowledgement() -> None:
    window: IdWindow[str] = IdWindow(10)
    assert window.claim("k", FIRST, "a").kind == NEW
    assert window.claim("k", FIRST, "b") == (COPY, "a")
    assert window.claim("k", OTHER, "b") == (CONFLICT, "a")
    assert len(window) == 0
    window.settle([("k", FIRST)], "a")
    assert window.claim("k", FIRST, "b") == (COPY, None)
    assert window.claim("k", OTHER, "b") == (CONFLICT, None)


def test_what_was_not_acknowledged_may_come_again() -> None:
    window: IdWindow[str] = IdWindow(10)
    window.claim("k", FIRST, "a")
    window.release(["k"], "a")
    assert window.claim("k", OTHER, "b").kind == NEW


def test_only_the_holder_of_an_id_gives_it_back() -> None:
    window: IdWindow[str] = IdWindow(10)
    window.claim("k", FIRST, "a")
    window.release(["k"], "b")
    assert window.claim("k", FIRST, "c") == (COPY, "a")


def test_an_earlier_copy_of_a_backfill_is_passed_on() -> None:
    window: IdWindow[str] = IdWindow(10)
    window.claim("k", FIRST, "a")
    assert window.claim("k", EARLIER, "b", backfill=True).kind == NEW
    window.settle([("k", FIRST)], "a")
    assert window.claim("k", EARLIER, "b").kind == COPY
    assert window.claim("k", FIRST, "b", backfill=True).kind == COPY
    assert window.claim("k", EARLIER, "b", backfill=True).kind == NEW
    window.settle([("k", EARLIER)], "b")
    assert window.claim("k", EARLIER, "c", backfill=True).kind == COPY
    assert window.claim("k", FIRST, "c", backfill=True).kind == COPY


@given(st.lists(st.integers(0, 60), max_size=200), st.integers(2, 20))
def test_the_window_is_bounded_and_keeps_the_recent_half(ids: list[int], size: int) -> None:
    window: IdWindow[str] = IdWindow(size)
    settled: list[str] = []
    for number in ids:
        key = str(number)
        if window.claim(key, FIRST, "a").kind == NEW:
            window.settle([(key, FIRST)], "a")
            settled.append(key)
        assert len(window) <= size
    for key in settled[-(size // 2) :]:
        assert window.claim(key, FIRST, "b") == (COPY, None)


def test_the_stamp_is_the_last_member_and_changes_nothing_else() -> None:
    stamp = Stamp(NOW)
    value = raw(unknown={"x": [1, "路"]})
    stamped = stamp.on(value)
    assert stamped == value[:-1] + b',"recordedtime":"2026-03-05T01:00:00.000Z"}'
    assert stamp.on(b" " + value + b"\r\n") == b" " + stamped


@pytest.mark.parametrize("name", ["recordedtime", "\\u0072ecordedtime"])
def test_an_empty_recordedtime_is_replaced(name: str) -> None:
    value = raw().replace(b"{", b'{"%b":null,' % name.encode(), 1)
    stamped = Stamp(NOW).on(value)
    assert decode(stamped).recordedtime == NOW
    names = json.loads(stamped, object_pairs_hook=lambda pairs: [name for name, _ in pairs])
    assert names.count("recordedtime") == 1


def caller(owner: str = "/sites/GZ01", network: str | None = "tiantian", **rights: bool) -> Caller:
    return Caller(owner, network, rights.get("any_source", False), rights.get("may_backfill", False))


@pytest.mark.parametrize(
    ("members", "by", "status", "pointer"),
    [
        ({}, caller("/sites/BJ02"), STATUS_FORBIDDEN, "/source"),
        ({}, caller("/desks/hq", None), STATUS_FORBIDDEN, "/source"),
        ({}, caller(network="zto"), STATUS_FORBIDDEN, "/subject"),
        ({"subject": "tiantian-2/560000000001"}, caller(), STATUS_FORBIDDEN, "/subject"),
        ({"recordedtime": "2026-03-05T00:00:00Z"}, caller(), STATUS_INVALID, "/recordedtime"),
        ({"time": "2026-03-05T01:10:01Z"}, caller(), STATUS_INVALID, "/time"),
        (
            {"recordedtime": "2026-03-05T01:10:01Z"},
            caller(may_backfill=True),
            STATUS_INVALID,
            "/recordedtime",
        ),
    ],
)
def test_what_a_key_may_not_send(members: dict[str, Any], by: Caller, status: int, pointer: str) -> None:
    found = refuse(event(**members), by, NOW)
    assert found is not None
    assert (found[0], [error.pointer for error in found[1]]) == (status, [pointer])


def test_what_a_key_may_send() -> None:
    assert refuse(event(), caller(), NOW) is None
    assert refuse(event(), caller("/operators/local", None, any_source=True), NOW) is None
    assert refuse(event(recordedtime="2026-03-05T00:00:00Z"), caller(may_backfill=True), NOW) is None
    assert refuse(event(time="2026-03-05T01:10:00Z"), caller(), NOW) is None
