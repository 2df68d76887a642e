"""The short crash test: at least one kill of everything, and frozen copies, in a minute or so."""

from __future__ import annotations

import asyncio
import os
import secrets

import pytest

from tests.crash import rig
from tests.crash.campaign import COPIES, Course, run

pytestmark = [pytest.mark.stack, pytest.mark.crash, pytest.mark.timeout(1_200)]


def test_nothing_is_lost_or_doubled_when_everything_is_killed() -> None:
    seed = os.environ.get("FAULTLINE_CRASH_SEED") or secrets.token_hex(4)
    course = Course(seed, kills=7, zombie_rounds=1, between_events=(10, 120))
    with rig.crash_stack(copies=COPIES) as stack:
        outcome = asyncio.run(run(stack, course, print))
    print(outcome.report())
    assert outcome.violations == [], outcome.report()
    assert sum(outcome.killed.values()) == course.kills + 1
    assert outcome.zombies >= 3
    # A run in which there was little to lose would prove little.
    assert {"TT-01", "TT-02", "TT-04", "TT-07"} <= outcome.found.keys(), outcome.report()
    assert outcome.entries > 0, outcome.report()
    assert outcome.notices > 0, outcome.report()
    assert outcome.webhooks > 0, outcome.report()
