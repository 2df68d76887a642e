"""Complaints and receipts worked out a second time, from the catalogue alone (rules.md ZT-09, SD-02, SD-03, LR-01).

What is expected is reckoned here with plain dates, and with nothing of the program's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.arbitration.build import Waybill, at
from tests.unit.arbitration.rules.desk_events import Complained

OPENED = at(5, "09:30")  # Friday 6 March 2026: Monday 9, Tuesday 10, Wednesday 11 are the working days
DUE = at(11, "00:00")
ARRIVED = 3
"""The day on which the goods of `way` reach the delivery branch."""
CLAIMS = {"delay", "dispatch_delay", "loss", "damage", "shortage", "untimely_compensation"}
SETTLING = {"resolved", "compensated", "declined"}
_HOUR_S, _DAY_S = 3_600, 86_400
_DUE_S = int((DUE - OPENED).total_seconds())
_after_s = st.sampled_from([60, _HOUR_S, _HOUR_S + 1, _DAY_S, _DAY_S + 1, _DUE_S - 1, _DUE_S, 7 * _DAY_S])


class Step(NamedTuple):
    """Something that happens to the complaint: what, with which outcome, by which site, when."""

    kind: str
    outcome: Any
    site: str
    moment: datetime


_steps = st.builds(
    lambda what, site, after_s: Step(what[0], what[1], site, OPENED + timedelta(seconds=after_s)),
    st.sampled_from(
        [
            *(("reply", outcome) for outcome in ("contacted", "progress", "referred_hq", *sorted(SETTLING))),
            *(("audit", result) for result in ("valid", "invalid", "false")),
            *(("closed", satisfied) for satisfied in (True, True, False, None)),
            *[("handled", None)] * 3,
            ("reopened", None),
        ]
    ),
    st.sampled_from(["BJ02", "BJ02", "GZ01"]),
    _after_s,
)


def _tell(waybill: Complained, step: Step) -> None:
    if step.kind == "reply":
        waybill.replied(step.outcome, step.moment, step.site)
    elif step.kind == "audit":
        waybill.audited(step.outcome, step.moment, step.site)
    elif step.kind == "closed":
        waybill.closed(step.moment, **({} if step.outcome is None else {"satisfied": step.outcome}))
    elif step.kind == "handled":
        waybill.handled(step.moment, step.site)
    else:
        waybill.reopened(step.moment)


def _at_intake(steps: list[Step]) -> bool:
    """Closed satisfied within the hour, before anybody answered, and never reopened."""
    closed = [s.moment for s in steps if s.kind == "closed" and s.outcome]
    answers = [s.moment for s in steps if s.kind in ("reply", "handled")]
    quick = bool(closed) and min(closed) <= OPENED + timedelta(hours=1)
    return quick and not any(m < min(closed) for m in answers) and all(s.kind != "reopened" for s in steps)


def _fine_yuan(category: str, steps: list[Step], now: datetime) -> int:
    """ZT-09: the first of reopened, not handled, false, invalid, not registered; 0 for none."""
    over = now >= DUE
    in_time = [step for step in steps if step.moment < DUE]
    registered = any(step.kind == "reply" for step in in_time)
    handled = any(
        step.kind == "handled"
        or (step.kind == "reply" and step.outcome in SETTLING)
        or (step.kind == "closed" and step.outcome)
        for step in in_time
    )
    audits = {step.outcome for step in steps if step.kind == "audit"}
    if any(step.kind == "reopened" for step in steps) or (over and not handled):
        return 200 if category in CLAIMS else 500
    if "false" in audits:
        return 500
    if "invalid" in audits and registered:
        return 50
    return 20 if over and handled and not registered else 0


@settings(max_examples=500, deadline=None)
@given(
    category=st.sampled_from(["delay", "shortage", "other", "false_signature"]),
    steps=st.lists(_steps, max_size=5),
    rest_s=st.sampled_from([0, 1, _DAY_S, 8 * _DAY_S]),
)
def test_how_a_complaint_was_handled(category: str, steps: list[Step], rest_s: int) -> None:
    waybill = Complained()
    waybill.way()
    waybill.complained(category, OPENED, against_site="BJ02")
    for step in steps:
        _tell(waybill, step)
    last = max((step.moment for step in steps), default=OPENED)
    now = last + timedelta(seconds=rest_s)
    judged = not _at_intake(steps)
    contacts = [s.moment for s in steps if s.kind == "handled" or (s.kind == "reply" and s.site == "BJ02")]
    settled = [s.moment for s in steps if s.kind in ("handled", "closed")]
    contact_by = OPENED + timedelta(hours=24)

    fine_fen = 100 * _fine_yuan(category, steps, now) if judged else 0
    assert [f.amount_fen for f in waybill.of("ZT-09", now)] == ([fine_fen] if fine_fen else [])
    uncontacted = judged and now > contact_by and not any(moment <= contact_by for moment in contacts)
    assert bool(waybill.of("SD-02", now)) == uncontacted
    unsettled = judged and now >= DUE and not any(moment < DUE for moment in settled)
    assert bool(waybill.of("SD-03", now)) == unsettled


class Word(NamedTuple):
    """A `receipt.returned` of a branch: its day after the arrival, and what it says of the payment."""

    site: str
    day: int
    delayed: bool | None


_words = st.builds(
    Word,
    st.sampled_from(["GZ01", "BJ02"]),
    st.sampled_from([9, 10, 11, 15, 16, 20, 21, 25, 26]),
    st.sampled_from([None, None, True, False]),
)


@settings(max_examples=500, deadline=None)
@given(
    transfers=st.integers(0, 3),
    words=st.lists(_words, max_size=3, unique_by=lambda word: word.day),
    day=st.sampled_from([10, 11, 15, 16, 20, 21, 25, 26, 40]),
)
def test_who_holds_up_the_receipt(transfers: int, words: list[Word], day: int) -> None:
    waybill = Waybill("freight", "880100000001")
    waybill.way()
    waybill.add("receipt.required", "GZ01", at(1, "10:30"), site="GZ01", transfers=transfers)
    told = sorted((word for word in words if word.day <= day), key=lambda word: word.day)
    for word in told:
        said: dict[str, Any] = {} if word.delayed is None else {"payment_delayed": word.delayed}
        waybill.add("receipt.returned", word.site, at(ARRIVED + word.day), site=word.site, **said)

    payment = [word.delayed for word in told if word.site == "GZ01" and word.delayed is not None]
    stages = (
        [("fine", 10)]
        if not transfers
        else [("fine", 15)]
        if transfers == 1
        else [("alert", 20), ("fine", 25)]
    )
    expected = None
    for kind, days in stages:
        back = any(word.site == "GZ01" and word.day <= days for word in told)
        if day > days and not back and not (kind == "fine" and payment[-1:] == [False]):
            passed_on = any(word.site == "BJ02" and word.day <= days for word in told)
            expected = (kind, "GZ01" if passed_on else "BJ02", 5000 if kind == "fine" else 0)
    found = [f for f in waybill.decide(at(ARRIVED + day)).findings if f.rule == "LR-01"]
    assert [(f.kind, f.site, f.amount_fen) for f in found] == ([expected] if expected else [])
