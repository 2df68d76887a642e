"""What must hold for every history of complaints: order, repetition, money, and no change between reviews."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.arbitration.domain import Decision, Facts, decide, distinct, merge
from shared.events import Event
from tests.unit.arbitration.build import BOOKS, at
from tests.unit.arbitration.rules.complaint_histories import (
    EXAMPLES,
    FACTS,
    HISTORIES,
    NOWS,
    START,
    event_of,
)
from tests.unit.arbitration.rules.desk_events import Complained


def _decide(history: tuple[str, list[Event]], now: datetime, facts: Facts) -> Decision:
    network, events = history
    known, _ = distinct(events)
    return decide(known, facts, BOOKS, now, network)


def _known_by(history: tuple[str, list[Event]], now: datetime) -> tuple[str, list[Event]]:
    network, events = history
    return network, [event for event in events if event.time <= now]


@EXAMPLES
@given(history=HISTORIES, facts=FACTS, now=NOWS, data=st.data())
def test_order_and_repetition_change_nothing(
    history: tuple[str, list[Event]], facts: Facts, now: datetime, data: st.DataObject
) -> None:
    network, events = history
    extra = data.draw(st.lists(st.sampled_from(events), max_size=5))
    shuffled = data.draw(st.permutations(events + extra))
    first, second = _decide(history, now, facts), _decide((network, shuffled), now, facts)
    assert first.findings == second.findings
    assert (first.next_review_at, first.status) == (second.next_review_at, second.status)


@EXAMPLES
@given(history=HISTORIES, facts=FACTS, now=NOWS)
def test_money_ids_and_sentences(history: tuple[str, list[Event]], facts: Facts, now: datetime) -> None:
    decision = _decide(history, now, facts)
    ids = [finding.finding_id for finding in decision.findings]
    assert len(ids) == len(set(ids))
    assert merge(merge([], decision), decision) == merge([], decision)
    for finding in decision.findings:
        if finding.kind in ("fine", "compensation"):
            assert sum(award.amount_fen for award in finding.awards) == finding.amount_fen
        else:
            assert (finding.amount_fen, finding.awards) == (0, [])
        assert all(award.to != finding.site for award in finding.awards)
        assert finding.evidence, "no finding without evidence"
        assert {(e.source, e.id) for e in finding.evidence} <= {(e.source, e.id) for e in history[1]}
        assert finding.reason.zh
        assert "{" not in finding.reason.zh + finding.reason.en
        assert not ({"Hu", "heard", "called"} & set(finding.reason.en.replace(".", " ").split()))
        msgspec.json.encode(finding)


@EXAMPLES
@given(history=HISTORIES, facts=FACTS, day=st.integers(0, 60), part=st.floats(0, 1))
def test_nothing_changes_before_the_next_review(
    history: tuple[str, list[Event]], facts: Facts, day: int, part: float
) -> None:
    now = START + timedelta(days=day, hours=7, seconds=29)
    known = _known_by(history, now)
    decision = _decide(known, now, facts)
    review = decision.next_review_at
    if review is None:
        assert _decide(known, now + timedelta(days=300), facts).findings == decision.findings
        return
    assert review > now
    last = review - timedelta(seconds=1)
    for moment in (now + (last - now) * part, last):
        before = _decide(known, moment, facts)
        assert before.findings == decision.findings
        assert before.next_review_at == review


@EXAMPLES
@given(history=HISTORIES, facts=FACTS, day=st.integers(0, 60))
def test_the_next_review_changes_the_verdict(
    history: tuple[str, list[Event]], facts: Facts, day: int
) -> None:
    now = START + timedelta(days=day, hours=7, seconds=29)
    network, known = _known_by(history, now)
    # What an officer took away may come and go unseen.
    seen = network, [event for event in known if event.type not in ("ruling.made", "appeal.decided")]
    review = _decide(seen, now, facts).next_review_at
    if review is not None:
        then = _decide(seen, review, facts)
        # The month's rates (ZT-10) are a fact that need not be there at their moment.
        provisional = any(finding.state == "provisional" for finding in then.findings)
        assert provisional or then.findings != _decide(seen, now, facts).findings


@EXAMPLES
@given(rule=st.sampled_from(("ZT-02", "ZT-03")), facts=FACTS, later=st.lists(event_of("zto"), max_size=8))
def test_only_a_ruling_revokes_dispatch_delay_and_late_compensation(
    rule: str, facts: Facts, later: list[Event]
) -> None:
    waybill = Complained()
    if rule == "ZT-02":
        waybill.way(until="collected")
        waybill.complained("dispatch_delay", at(2))
    else:
        waybill.way(until="hubs")
        waybill.evidence("value_proof", at(4), "EV", amount_fen=20000)
        waybill.complained("loss", at(5), "C0")
        waybill.complained("untimely_compensation", at(6))
    now = at(7)
    finding_id = waybill.only(rule, now, facts).finding_id
    # Whatever happens afterwards, another site's collection with an early clock included.
    waybill.events += [
        msgspec.structs.replace(
            event,
            id=f"later{number}",
            time=START if event.type == "scan.collected" and rule == "ZT-02" else now,
            recordedtime=now + timedelta(seconds=number),
        )
        for number, event in enumerate(later)
    ]
    assert waybill.only(rule, at(60), facts).finding_id == finding_id
