"""The tutorial's commands do what the tutorial says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import Stack

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial" / "first-steps.md"
CASE = ROOT / "docs" / "tutorial" / "first-case.json"
_LEFT_OUT = ("make ", ". .venv", "faultline clock", "faultline demo", "faultline explain tiantian/<")
"""What another test runs, or what would move the clock that all tests of the session share."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    return [line for line in lines if not line.startswith(_LEFT_OUT)]


def run(arguments: list[str], stack: Stack) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "FAULTLINE_HOME": str(stack.home.root), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_commands_run(stack: Stack) -> None:
    assert len(commands()) == 2
    for command in commands():
        name, *arguments = command.split()
        assert name == "faultline"
        assert run(["-m", "faultline", *arguments], stack)


def test_its_python_runs(stack: Stack) -> None:
    for block in blocks("python"):
        run(["-c", block], stack)


def test_its_case_is_judged_as_it_says(stack: Stack) -> None:
    shown = run(["-m", "faultline", "explain", str(CASE)], stack)
    assert "judged by the running stack" in shown
    assert re.search(r"TT-01 fine · HWH1 · transit · 10\.00 yuan", shown)
    assert re.search(r"TT-04 fine · HGZ1 · transit · 100\.00 yuan", shown)
    assert "money  100.00 yuan to WH01" in shown


def test_the_change_it_proposes_takes_the_delay_away(stack: Stack, tmp_path: Path) -> None:
    case = json.loads(CASE.read_text(encoding="utf-8"))
    case["events"] = [event for event in case["events"] if event["id"] != "first-08"]
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(case), encoding="utf-8")
    shown = run(["-m", "faultline", "explain", str(changed)], stack)
    assert "TT-01" in shown
    assert "TT-04" not in shown
