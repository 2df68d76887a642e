"""When a consumer stops because everything fails, and when the fault is a sender's."""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

import pytest

from shared.bus.dead_letters import Fuse, source_of
from shared.bus.records import Record
from shared.errors import StoppedConsumer

_offsets = count()


class Consumed(NamedTuple):
    """A record as a consumer hands it over."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def record(key: bytes = b"key", value: bytes = b"value") -> Record:
    """A record that nobody has seen before."""
    return Consumed("parcel.scans", 0, next(_offsets), 0, key, value, ())


def fail(fuse: Fuse, source: str, times: int = 1) -> None:
    """Fail so many records of `source`."""
    for _ in range(times):
        fuse.bad(source, record())


def test_a_flood_of_one_source_after_stray_records_of_others_stops_nobody() -> None:
    fuse = Fuse(failures_in_a_row_max=20, sources_min=3)
    fail(fuse, "stray")
    fail(fuse, "other stray")
    fail(fuse, "flood", 1_000)


def test_two_sources_however_many_records_stop_nobody() -> None:
    fuse = Fuse(failures_in_a_row_max=20, sources_min=3)
    for _ in range(100):
        fail(fuse, "one")
        fail(fuse, "two")


def test_a_flood_that_names_no_source_stops_nobody_whatever_its_keys() -> None:
    fuse = Fuse(failures_in_a_row_max=20, sources_min=3)
    for number in range(1_000):
        garbage = record(str(number).encode(), b"\xff not an event")
        fuse.bad(source_of(garbage), garbage)


def test_who_sent_what_cannot_be_taken() -> None:
    assert source_of(record(value=b'{"source" : "/sites/GZ01", "id": 7}')) == "/sites/GZ01"


def test_three_sources_that_all_fail_stop_it() -> None:
    fuse = Fuse(failures_in_a_row_max=20, sources_min=3)
    fail(fuse, "one", 50)
    fail(fuse, "two", 50)
    fail(fuse, "three", 5)
    with pytest.raises(StoppedConsumer, match="20 records in a row, from one, three, two and others"):
        fail(fuse, "three")


def test_a_good_record_in_between_begins_the_count_anew() -> None:
    fuse = Fuse(failures_in_a_row_max=20, sources_min=3)
    for number in range(19):
        fail(fuse, f"source {number}")
    fuse.good()
    fail(fuse, "source 20")


def test_a_record_that_is_tried_again_counts_once() -> None:
    fuse = Fuse(failures_in_a_row_max=2, sources_min=2)
    again = record()
    fuse.bad("one", again)
    fuse.bad("two", again)
    with pytest.raises(StoppedConsumer):
        fail(fuse, "three")
