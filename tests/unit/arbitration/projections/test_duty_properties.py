"""Duties depend on events, facts, rulebooks and the moment alone, and none begins between two looks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.arbitration.domain import Facts, decide, distinct, facts_from_members
from shared.events import Event, decode_members
from tests.support.cases import case_files
from tests.unit.arbitration.build import BOOKS
from tests.unit.arbitration.projections.look import AHEAD, look
from tests.unit.arbitration.rules.complaint_histories import EXAMPLES, FACTS, HISTORIES
from tests.unit.arbitration.test_properties import _streams as streams

_LOOKS_MAX = 8
_SECOND = timedelta(seconds=1)
HEARD = (
    st.sampled_from((0, 60, 3600, 48 * 3600))
    .flatmap(lambda most_s: st.integers(0, most_s))
    .map(lambda late_s: timedelta(seconds=late_s))
)
"""How long after the last event the first look is made."""
ANY_HISTORY = st.one_of(streams, HISTORIES.map(lambda history: history[1]))


def last_of(events: Sequence[Event]) -> datetime:
    return max(max(event.time, event.recordedtime or event.time) for event in events)


def holds_between_looks(events: Sequence[Event], first: datetime, facts: Facts) -> None:
    """What is a duty at any moment was one, with the same term, at the last look before."""
    now = first
    for _ in range(_LOOKS_MAX):
        found = look(events, now, facts)
        known = {(duty.duty_id, duty.due_at) for duty in found.duties}
        following = found.next_look_at
        assert following is None or following > now, "a look in the past never ends"
        until = following or now + timedelta(days=90)
        for moment in (now + (until - now) / 3, until - _SECOND):
            if moment > now:
                later = {(duty.duty_id, duty.due_at) for duty in look(events, moment, facts).duties}
                assert later <= known, f"begins between the looks at {now} and {following}: {later - known}"
        if following is None:
            return
        now = following


def warned_of_all(events: Sequence[Event], first: datetime, facts: Facts) -> None:
    """What time alone finds stood among the duties before, unless it came sooner after the first look than warnings do."""
    network = events[0].network
    known = distinct(events)[0]
    review_at = decide(known, facts, BOOKS, first, network).next_review_at
    before = {f.finding_id for f in decide(known, facts, BOOKS, first, network).findings}
    for _ in range(_LOOKS_MAX):
        if review_at is None:
            return
        told = look(events, max(first, review_at - AHEAD.fines), facts).duties
        decision = decide(known, facts, BOOKS, review_at, network)
        for finding in decision.findings:
            if (
                finding.finding_id in before
                or finding.site is None
                or finding.kind in ("rejection", "entitlement")
            ):
                continue
            about = [duty for duty in told if (duty.rule, duty.site) == (finding.rule, finding.site)]
            assert about, f"{finding.finding_id} comes at {review_at} and nobody was told"
            if finding.kind == "fine" and about[0].kind == "fine" and finding.rule != "TT-04":
                assert about[0].amount_fen == finding.amount_fen
        before = {f.finding_id for f in decision.findings}
        review_at = decision.next_review_at


@EXAMPLES
@given(ANY_HISTORY, FACTS, HEARD, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_no_duty(
    events: list[Event], facts: Facts, late: timedelta, random: object
) -> None:
    if events:
        now = last_of(events) + late
        shuffled = random.sample(events, len(events))  # type: ignore[attr-defined]
        ids = [(event.source, event.id) for event in events]
        if len(set(ids)) == len(ids):
            assert look(shuffled, now, facts) == look(events, now, facts)


@EXAMPLES
@given(ANY_HISTORY, FACTS, HEARD)
def test_no_duty_begins_between_two_looks(events: list[Event], facts: Facts, late: timedelta) -> None:
    if events:
        holds_between_looks(events, last_of(events) + late, facts)


@EXAMPLES
@given(ANY_HISTORY, FACTS, HEARD)
def test_whatever_time_brings_was_told_before(events: list[Event], facts: Facts, late: timedelta) -> None:
    if events:
        warned_of_all(events, last_of(events) + late, facts)


@pytest.mark.parametrize("path", case_files(), ids=lambda path: path.stem)
def test_in_every_worked_case(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    given_events = [{"recordedtime": one["time"], **one} for one in case["events"]]
    events = [decode_members(one) for one in given_events]
    if not events or case.get("rulebook"):
        return
    facts = facts_from_members(case.get("facts") or {})
    begin = max(
        datetime.fromisoformat(one[name]) for one in given_events for name in ("time", "recordedtime")
    )
    holds_between_looks(events, begin, facts)
    warned_of_all(events, begin, facts)
