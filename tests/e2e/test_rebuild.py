"""`faultline rebuild` on a whole stack with two copies of arbitration, which are killed in the middle, while events go on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

from faultline.stack.state import PROJECT_ROOT
from tests.support.line import Line, parcel, wait
from tests.support.stack import Stack, running_stack

pytestmark = [pytest.mark.stack, pytest.mark.crash]
NETWORK = "rebuilt"
FIRST, MORE = 240, 60


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack on which a rebuild takes a while: few waybills a transaction, and few looks planned at a time."""
    # Containers cannot be killed one process at a time.
    monkeypatch.setenv("FAULTLINE_TEST_PARTS", "processes")
    monkeypatch.setenv("FAULTLINE_PROJECTION_ROWS_MAX", "10")
    monkeypatch.setenv("FAULTLINE_PROJECTION_POLL_MS", "100")
    monkeypatch.setenv("FAULTLINE_SESSION_TIMEOUT_MS", "3000")
    with running_stack(copies={"arbitration": 2}) as running:
        yield running


def progress(line: Line) -> dict[str, object]:
    (found,) = (
        item for item in line.get("arbitration", "/v1/projections")["items"] if item["name"] == "scorecards"
    )
    return dict(found)


def parcels_of(line: Line) -> dict[str, int]:
    """Parcels handled by each site."""
    page = line.get("arbitration", "/v1/scorecards", network=NETWORK)
    return {item["site"]: item["parcels"] for item in page["items"]}


def everywhere(count: int) -> dict[str, int]:
    return dict.fromkeys(("BJ02", "GZ01", "HBJ1", "HGZ1"), count)


def publish(line: Line, numbers: range) -> None:
    start = line.stack.now().replace(microsecond=0) - timedelta(days=9)
    for number in numbers:
        line.publish(parcel(f"{NETWORK}/R{number:07d}", start))


def counted(line: Line, count: int) -> None:
    wait(
        lambda: True if parcels_of(line) == everywhere(count) else None,
        lambda: f"{count} parcels at every site: {parcels_of(line)}, {progress(line)}",
    )


def test_a_rebuild_survives_kills_and_counts_what_comes_meanwhile(slow: Stack) -> None:
    line = Line(slow)
    publish(line, range(FIRST))
    counted(line, FIRST)
    command = [sys.executable, "-m", "faultline", "rebuild", "scorecards"]
    environment = os.environ | {"FAULTLINE_HOME": str(slow.home.root), "PYTHONPATH": str(PROJECT_ROOT)}
    started = subprocess.run(
        [*command, "--no-wait"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert started.returncode == 0, started.stderr
    assert "Generation 2 of scorecards is being built; 1 is read." in started.stdout
    for name in ("arbitration", "arbitration-2"):
        wait(lambda: True if progress(line)["waybills_planned"] else None, lambda: progress(line))
        assert progress(line)["building"] == 2, "the rebuild was over before the kill"
        pid = slow.kill(name)
        publish(
            line,
            range(FIRST, FIRST + MORE // 2)
            if name == "arbitration"
            else range(FIRST + MORE // 2, FIRST + MORE),
        )
        slow.wait_up(name, other_than_pid=pid)
    wait(lambda: True if progress(line)["state"] == "live" else None, lambda: progress(line))
    assert progress(line)["live"] == 2
    counted(line, FIRST + MORE)
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert again.returncode == 0, again.stderr
    assert f"Generation 3 of scorecards is read now: {FIRST + MORE} waybills." in again.stdout
    counted(line, FIRST + MORE)
    wrong = subprocess.run(
        [*command[:-1], "nothing"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert wrong.returncode == 1
    assert "name one of complaints, registers, scorecards, silences" in wrong.stderr
