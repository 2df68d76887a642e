"""Shows that the crash test can fail: each deliberate bug, in a copy of the tree, is caught by its scenario."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.crash import rig
from tests.crash.bugs import Bug, bugs
from tests.crash.destinations import Arrivals
from tests.crash.scenarios import COPIES, PARTS, SCENARIOS
from tests.crash.sent import Sent
from tests.crash.stage import play

ROOT: Final = Path(__file__).resolve().parents[2]
_COPIED: Final = ("services", "shared", "faultline", "deploy", "tests", "pyproject.toml")
_MARK: Final = "VIOLATIONS "
_RUN_TIMEOUT_S: Final = 600


def selftest(only: Sequence[str] = ()) -> int:
    """Run the scenarios without and with the bugs and print what caught what. 0: all caught, and no false alarm."""
    known = {bug.name: bug for bug in bugs()}
    if unknown := sorted(set(only) - set(known)):
        print(f"There is no bug {unknown[0]}; there are {', '.join(known)}.")
        return 2
    chosen = [known[name] for name in only] or list(known.values())
    wanted = list(SCENARIOS) if not only else sorted({bug.scenario for bug in chosen})
    rows = [("no bug", "all scenarios" if not only else ", ".join(wanted), *_tried(None, wanted))]
    for bug in chosen:
        rows.append((bug.name, bug.scenario, *_tried(bug, [bug.scenario])))
    right = [bool(violations) == (name != "no bug") for name, _, violations, _ in rows]
    print(f"\n{'bug':32} {'scenario':36} {'time':>6}  caught by")
    for (name, scenario, violations, lasted_s), is_right in zip(rows, right, strict=True):
        said = violations[0][:150] if violations else "nothing to catch" if is_right else "NOT CAUGHT"
        print(f"{name:32} {scenario:36} {lasted_s:5.0f}s  {'' if is_right else '!! '}{said}")
    print(f"\n{sum(right)} passed, {len(right) - sum(right)} failed")
    return 0 if all(right) else 1


def _tried(bug: Bug | None, scenarios: Sequence[str]) -> tuple[list[str], float]:
    """What is wrong after these scenarios with (or without) the bug, and how long that took."""
    began_s = time.monotonic()
    with _tree(bug) as tree:
        # A process of its own: the modules of the copy, not of this tree.
        done = subprocess.run(
            [sys.executable, "-m", "tests.crash", "play", *scenarios],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdout=subprocess.PIPE,
            text=True,
            timeout=_RUN_TIMEOUT_S,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if done.returncode != 0 or not lines:
        raise AssertionError(
            f"The scenarios {', '.join(scenarios)} broke off with {bug.name if bug else 'no bug'}: {done.stdout[-500:]}"
        )
    violations = [str(one) for one in json.loads(lines[-1].removeprefix(_MARK))]
    lasted_s = time.monotonic() - began_s
    print(f"{bug.name if bug else 'no bug'}: {len(violations)} violations in {lasted_s:.0f} s", flush=True)
    return violations, lasted_s


@contextmanager
def _tree(bug: Bug | None) -> Iterator[Path]:
    """A copy of the tree, with the bug in it."""
    with tempfile.TemporaryDirectory(prefix="faultline-bug-") as folder:
        tree = Path(folder)
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, tree / name)
        if bug is not None:
            bug.apply(tree)
        yield tree


def play_here(scenarios: Sequence[str]) -> list[str]:
    """Run scenarios on a stack of this tree, one after the other, until something is wrong."""
    copies: dict[str, int] = {}
    for name in scenarios:
        copies.update(COPIES.get(name, {}))
    sent, arrivals = Sent(), Arrivals()
    with rig.crash_stack(copies=copies, services=PARTS) as stack:
        for name in scenarios:
            began_s = time.monotonic()
            violations = asyncio.run(play(stack, SCENARIOS[name], sent, arrivals))
            print(
                f"  {name}: {len(violations)} violations in {time.monotonic() - began_s:.1f} s",
                file=sys.stderr,
            )
            if violations:
                return [f"{violation}" for violation in violations]
    return []


def print_violations(scenarios: Sequence[str]) -> int:
    """What `_tried` runs in another process."""
    print(_MARK + json.dumps(play_here(scenarios)))
    return 0
