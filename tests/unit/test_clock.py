"""The one source of time: still, moved, shared by processes, and never going back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from shared.clock import Clock, advance, from_ms, read_moves

_START = datetime(2011, 10, 1, 8, 0, tzinfo=UTC)


def _moves(file: Path, *moves: tuple[int, int]) -> Path:
    file.write_text(json.dumps({"moves": moves}))
    return file


def test_without_a_file_it_shows_the_machines_time() -> None:
    clock = Clock()
    with time_machine.travel(_START, tick=False):
        assert clock.now() == _START
        assert clock.now_ms() == int(_START.timestamp() * 1000)
    assert not clock.movable


def test_an_absent_file_moves_nothing(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock.json")
    with time_machine.travel(_START, tick=False):
        assert clock.now() == _START
    assert clock.movable


def test_moments_are_aware_and_in_utc() -> None:
    assert Clock().now().tzinfo is UTC
    assert from_ms(1_317_456_000_123) == datetime(2011, 10, 1, 8, 0, 0, 123_000, tzinfo=UTC)


def test_moves_add_up_and_are_seen_by_a_clock_that_runs_already(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    clock = Clock(file)
    before = clock.now()
    assert advance(file, timedelta(hours=25)) == timedelta(hours=25)
    assert advance(file, timedelta(minutes=90)) == timedelta(hours=26, minutes=30)
    moved = clock.now() - before
    assert timedelta(hours=26, minutes=30) <= moved < timedelta(hours=26, minutes=31)
    assert [offset for _, offset in read_moves(file)] == [25 * 3_600_000, 26 * 3_600_000 + 30 * 60_000]


def test_a_new_clock_on_the_same_file_does_not_go_back(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    advance(file, timedelta(days=3))
    shown = Clock(file).now()
    assert Clock(file).now() >= shown


def test_it_never_goes_back(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    with pytest.raises(ValueError, match="only goes forward"):
        advance(file, timedelta(seconds=-1))
    assert not file.exists()


def test_the_brokers_stamps_are_read_with_the_offset_of_their_own_time(tmp_path: Path) -> None:
    clock = Clock(_moves(tmp_path / "clock.json", (1_000_000, 5_000), (2_000_000, 60_000)))
    assert clock.of_real_ms(999_999) == from_ms(999_999)
    assert clock.of_real_ms(1_000_000) == from_ms(1_005_000)
    assert clock.of_real_ms(1_999_999) == from_ms(2_004_999)
    assert clock.of_real_ms(3_000_000) == from_ms(3_060_000)


async def test_moving_the_clock_wakes_who_sleeps(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    clock = Clock(file)
    began_s = time.monotonic()
    sleeper = asyncio.create_task(clock.sleep(3_600))
    await asyncio.sleep(0.05)
    assert not sleeper.done()
    advance(file, timedelta(hours=2))
    await asyncio.wait_for(sleeper, 5)
    assert time.monotonic() - began_s < 5


async def test_a_sleep_lasts_as_long_as_it_should() -> None:
    began_s = time.monotonic()
    await Clock().sleep(0.12)
    assert 0.11 <= time.monotonic() - began_s < 2


async def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    await asyncio.wait_for(Clock().sleep_until(_START), 1)


def test_another_process_sees_the_same_time(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    advance(file, timedelta(days=10))
    ours = Clock(file).now_ms()
    script = "import sys, pathlib; from shared.clock import Clock; print(Clock(pathlib.Path(sys.argv[1])).now_ms())"
    answer = subprocess.run(
        [sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True
    )
    assert 0 <= int(answer.stdout) - ours < 60_000
