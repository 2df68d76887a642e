"""One supervised process: what is counted, what is waited, what is kept of a death."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from faultline.stack.settings import StackSettings
from faultline.stack.unit import Unit

_DIES = "import sys; print('no such setting', file=sys.stderr); sys.exit(3)"
_LIVES = "import time; time.sleep(60)"
_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}', flush=True); time.sleep(60)"


@pytest.fixture
def settings() -> StackSettings:
    return StackSettings(restart_backoff_ms=20, restart_backoff_longest_ms=100, stop_timeout_ms=400)


@asynccontextmanager
async def _running(
    script: str, tmp_path: Path, settings: StackSettings, *, ready: Callable[[], bool] = lambda: True
) -> AsyncIterator[tuple[Unit, Callable[[Callable[[dict[str, Any]], bool]], Any]]]:
    """The unit, and a way to wait for a state of it."""
    change = asyncio.Event()

    async def answers() -> bool:
        return ready()

    unit = Unit(
        "sample",
        "service",
        [sys.executable, "-c", script],
        log_file=tmp_path / "sample.jsonl",
        env=os.environ,
        cwd=tmp_path,
        ready=answers,
        url="http://127.0.0.1:1",
        settings=settings,
        changed=change.set,
    )

    async def until(condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while not condition(unit.as_json()):
                change.clear()
                await change.wait()
        return unit.as_json()

    task = asyncio.create_task(unit.keep_running())
    try:
        yield unit, until
    finally:
        await unit.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_who_dies_at_once_is_down_counted_and_tried_again(
    tmp_path: Path, settings: StackSettings
) -> None:
    async with _running(_DIES, tmp_path, settings, ready=lambda: False) as (_, until):
        row = await until(lambda row: row["restarts"] >= 3)
    assert row["state"] == "down"
    assert row["exit_code"] == 3
    assert row["last_words"] == "no such setting"


async def test_last_words_become_one_json_line(tmp_path: Path, settings: StackSettings) -> None:
    async with _running(_DIES, tmp_path, settings, ready=lambda: False) as (_, until):
        await until(lambda row: row["restarts"] >= 2)
    records = [json.loads(line) for line in (tmp_path / "sample.jsonl").read_text().splitlines()]
    assert {record["output"] for record in records if "output" in record} == {"no such setting"}
    assert records[0]["exit_code"] == 3


async def test_a_killed_process_comes_back_as_another_one(tmp_path: Path, settings: StackSettings) -> None:
    async with _running(_LIVES, tmp_path, settings) as (_, until):
        first = await until(lambda row: row["state"] == "up")
        os.kill(first["pid"], signal.SIGKILL)
        second = await until(lambda row: row["state"] == "up" and row["pid"] != first["pid"])
    assert (first["restarts"], second["restarts"]) == (0, 1)
    assert second["exit_code"] == -signal.SIGKILL


async def test_who_does_not_hear_is_killed_after_the_time_out(
    tmp_path: Path, settings: StackSettings
) -> None:
    def deaf_by_now() -> bool:
        return bool((tmp_path / "sample.jsonl").read_text())

    async with _running(_DEAF, tmp_path, settings, ready=deaf_by_now) as (unit, until):
        row = await until(lambda row: row["state"] == "up")
        await unit.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(row["pid"], 0)


async def test_one_that_was_frozen_can_be_stopped(tmp_path: Path, settings: StackSettings) -> None:
    async with _running(_LIVES, tmp_path, settings) as (unit, until):
        row = await until(lambda row: row["state"] == "up")
        os.kill(row["pid"], signal.SIGSTOP)
        await unit.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(row["pid"], 0)


async def test_a_program_that_is_missing_is_down_with_the_reason(
    tmp_path: Path, settings: StackSettings
) -> None:
    async with _running(_LIVES, tmp_path / "no-such-directory", settings) as (_, until):
        row = await until(lambda row: row["restarts"] >= 2)
    assert row["state"] == "down"
    assert row["pid"] is None
    assert "No such file" in row["last_words"]
