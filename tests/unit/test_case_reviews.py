"""`next_review_at` is the first instant at which a verdict differs: no worked case changes before it, or without it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.arbitration.domain import adjudicate, load_rulebooks
from tests.support.cases import case_files

_BOOKS = load_rulebooks()
_REVIEWS_MAX = 12
_SECOND = timedelta(seconds=1)
_FAR = (timedelta(minutes=1), timedelta(days=1), timedelta(days=17), timedelta(days=400))


def _judged(case: dict[str, Any], now: datetime) -> tuple[list[Any], datetime | None]:
    """The findings at a moment and when they are to be looked at again."""
    members = ("network", "facts", "rulebook", "events")
    given: dict[str, Any] = {name: case[name] for name in members if name in case}
    document = adjudicate({**given, "now": now.isoformat()}, _BOOKS)
    return msgspec.to_builtins(document["verdict"]["findings"]), document["next_review_at"]


def _begin(case: dict[str, Any]) -> datetime:
    """The moment from which on only time passes: the last that is known of any event."""
    named = (event.get(name) for event in case["events"] for name in ("time", "recordedtime"))
    return max(datetime.fromisoformat(moment) for moment in named if moment is not None)


@pytest.mark.parametrize("path", case_files(), ids=lambda path: path.stem)
def test_nothing_changes_before_its_review(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    now = _begin(case)
    findings, review = _judged(case, now)
    for _ in range(_REVIEWS_MAX):
        if review is None:
            for later in _FAR:
                assert _judged(case, now + later)[0] == findings, f"changed {later} later without a review"
            return
        assert review > now, "a review in the past never ends"
        for moment in (now + (review - now) / 2, review - _SECOND):
            if moment > now:
                assert _judged(case, moment)[0] == findings, f"changed before its review at {review}"
        then, following = _judged(case, review)
        # The month's rates (ZT-10) are a fact that a case need not have: then there is nothing new at their moment.
        if not any(finding["state"] == "provisional" for finding in then):
            assert then != findings, f"looked at {review} for nothing"
        now, findings, review = review, then, following
