"""`python -m tests.crash`: the long crash test. `selftest`: show that it catches deliberate bugs."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time

from tests.crash import rig
from tests.crash.campaign import COPIES, Course, run

KILLS_LONG = 42
ZOMBIE_ROUNDS_LONG = 4


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for; the exit code is 0 where everything is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--seed", default=None, help="repeats a run's choices; default: a new one")
    parser.add_argument("--kills", type=int, default=KILLS_LONG)
    parser.add_argument("--zombie-rounds", type=int, default=ZOMBIE_ROUNDS_LONG)
    parser.add_argument("--rate", type=float, default=200, help="events a second over HTTP")
    parser.set_defaults(command=_campaign)
    commands = parser.add_subparsers()
    selftest = commands.add_parser("selftest", help="apply each deliberate bug and show that it is caught")
    selftest.add_argument("only", nargs="*", help="names of bugs; default: all")
    selftest.set_defaults(command=_selftest)
    play = commands.add_parser("play", help="run directed scenarios on this tree and print what is wrong")
    play.add_argument("scenarios", nargs="+")
    play.set_defaults(command=_play)
    chosen = parser.parse_args(arguments)
    return int(chosen.command(chosen))


def _campaign(chosen: argparse.Namespace) -> int:
    began_s = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began_s:7.1f} s  {line}", flush=True)

    course = Course(
        chosen.seed or secrets.token_hex(4), chosen.kills, chosen.zombie_rounds, events_per_s=chosen.rate
    )
    say(f"seed {course.seed}: starting a stack with {COPIES}")
    with rig.crash_stack(copies=COPIES) as stack:
        outcome = asyncio.run(run(stack, course, say))
    say(outcome.report())
    return 1 if outcome.violations else 0


def _selftest(chosen: argparse.Namespace) -> int:
    from tests.crash.selftest import selftest

    return selftest(chosen.only)


def _play(chosen: argparse.Namespace) -> int:
    from tests.crash.selftest import print_violations

    return print_violations(chosen.scenarios)


if __name__ == "__main__":
    sys.exit(main())
