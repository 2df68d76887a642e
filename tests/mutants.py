"""`make mutants`: which small changes of the rules the fast tests do not notice.

mutmut makes some 9,000 mutants of `services/arbitration/rules`, too many to try at one sitting: a sample of each file is tried,
the same one for the same `--seed`. Needs a checkout to itself for as long; what it makes lies in `mutants/`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MADE = ROOT / "mutants" / "services" / "arbitration" / "rules"
FIRST = "services.arbitration.rules.localtime.x_day_of__mutmut_1"
SURVIVED = 0


def results() -> Iterator[tuple[Path, dict[str, int | None]]]:
    """Each mutated file with its mutants' exit codes, None where one has not been tried."""
    for path in sorted(MADE.rglob("*.meta")):
        yield path, json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]


def sample(share: float, seed: str) -> list[str]:
    """So many of each file's mutants."""
    found = []
    for path, codes in results():
        rng = random.Random(f"{seed} {path.relative_to(MADE)}")
        found += rng.sample(sorted(codes), k=math.ceil(len(codes) * share))
    return found


def main() -> int:
    """The command; returns 1 where fewer than `--least` of the sample were noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--share", type=float, default=0.1, help="how much of each file to try (default 0.1)")
    parser.add_argument("--seed", default="one", help="which sample")
    parser.add_argument("--least", type=float, default=0.85, help="share to be noticed (default 0.85)")
    given = parser.parse_args()
    _mutmut(
        "run", "--max-children", "1", FIRST
    )  # Makes all mutants, and learns which tests run which function.
    names = sample(given.share, given.seed)
    _mutmut("run", "--max-children", "1", *names)
    codes = {name: code for _, of_file in results() for name, code in of_file.items()}
    survivors = [name for name in names if codes[name] == SURVIVED]
    for name in survivors:
        _mutmut("show", name)
    noticed = 1 - len(survivors) / len(names)
    print(f"{len(names)} mutants tried, {len(survivors)} not noticed: {noticed:.1%} noticed")
    return 0 if noticed >= given.least else 1


def _mutmut(*arguments: str) -> None:
    subprocess.run([Path(sys.executable).with_name("mutmut"), *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    raise SystemExit(main())
