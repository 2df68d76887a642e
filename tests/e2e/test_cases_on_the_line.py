"""Every worked case holds for the running services too, whatever the order of arrival and however often events come."""

from __future__ import annotations

import json
import random
from datetime import datetime
from typing import Any

import pytest

from tests.support.cases import case_files
from tests.support.expectation import unmet
from tests.support.line import Line, wait
from tests.support.stack import Stack


def _cases(now: datetime) -> dict[str, dict[str, Any]]:
    """Cases that need no facts or rulebook of their own, by name; a name's later bearer has its folder before it.

    Nobody can publish what has not happened by `now`.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in case_files():
        case = json.loads(path.read_text(encoding="utf-8"))
        if "facts" not in case and "rulebook" not in case and datetime.fromisoformat(case["now"]) <= now:
            found[path.stem if path.stem not in found else f"{path.parent.name}/{path.stem}"] = case
    return found


def _published(case: dict[str, Any], number: int) -> tuple[str, list[dict[str, Any]]]:
    """The case's events on a waybill of its own, stamped, with copies, in any order."""
    subject = f"{case['network']}/CASE{number:06d}"
    events = [
        {"specversion": "1.0", "recordedtime": event["time"], **event, "subject": subject}
        for event in case["events"]
    ]
    rng = random.Random(number)
    events += rng.sample(events, k=min(3, len(events)))
    rng.shuffle(events)
    return subject, events


def test_worked_cases_as_of_their_moment(stack: Stack) -> None:
    """All cases are published at once; each is then read as of its moment of judgement."""
    line = Line(stack)
    cases = _cases(stack.now())
    subjects = {}
    batch: list[dict[str, Any]] = []
    for number, (name, case) in enumerate(cases.items()):
        subjects[name], events = _published(case, number)
        batch += events
    for start in range(0, len(batch), 4_000):
        line.publish(batch[start : start + 4_000])
    wrong: dict[str, list[str]] = {}
    for name, case in cases.items():
        distinct = len({(event["source"], event["id"]) for event in case["events"]})
        if not distinct:
            continue

        def known(subject: str = subjects[name], count: int = distinct) -> dict[str, Any] | None:
            found = line.case(subject)
            return found if found is not None and found["events"] + found["conflicts"] >= count else None

        wait(known, lambda: f"{name}: not all events are journalled")  # noqa: B023 - called within this turn
        document = line.case(subjects[name], as_of=case["now"])
        assert document is not None
        if faults := unmet(case["expect"], document):
            wrong[name] = faults
    assert cases, "there are no cases"
    if wrong:
        pytest.fail(json.dumps(wrong, indent=1, ensure_ascii=False))
