"""What must hold for every history of complaints: order, repetition, money, and no change between reviews."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.arbitration.domain import (
    Decision,
    ExemptionFact,
    Facts,
    Rate,
    SiteFact,
    decide,
    distinct,
    merge,
)
from shared.events import Event, decode_members
from tests.unit.arbitration.build import BOOKS, Waybill, at
from tests.unit.arbitration.rules.desk_events import Complained

START = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)
SITES = ("GZ01", "HGZ1", "HBJ1", "BJ02")
CATEGORIES = [
    "signed_not_received",
    "false_signature",
    "dispatch_delay",
    "delay",
    "loss",
    "damage",
    "shortage",
    "untimely_compensation",
    "attitude",
    "no_invoice",
    "no_door_delivery",
    "overcharge",
    "other",
]
_site = st.sampled_from(SITES)
_maybe_site = st.one_of(st.none(), _site)
_fen = st.sampled_from((0, 1, 9_999, 20_000, 30_001))
_complaint = st.sampled_from(("C1", "C1", "C2"))
_moment = st.builds(
    lambda hours, second: (START + timedelta(hours=hours, seconds=second)).isoformat(),
    st.integers(0, 24 * 45),
    st.sampled_from((0, 0, 0, 1, 59)),
)
_DESK: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "complaint.opened": st.fixed_dictionaries(
        {
            "complaint_id": _complaint,
            "channel": st.just("phone"),
            "category": st.sampled_from(CATEGORIES),
            "claimant": st.sampled_from(("sender", "recipient", "beneficiary")),
            "against_site": _maybe_site,
        }
    ),
    "complaint.reopened": st.fixed_dictionaries({"complaint_id": _complaint}),
    "complaint.escalated": st.fixed_dictionaries(
        {
            "complaint_id": st.one_of(st.none(), _complaint),
            "escalation_id": st.sampled_from(("X1", "X2")),
            "body": st.just("post_bureau"),
            "category": st.sampled_from(CATEGORIES),
            "against_site": _maybe_site,
        }
    ),
    "complaint.received": st.fixed_dictionaries({"complaint_id": _complaint, "site": _site}),
    "complaint.handled": st.fixed_dictionaries({"complaint_id": _complaint, "site": _site}),
    "complaint.closed": st.fixed_dictionaries(
        {"complaint_id": _complaint, "satisfied": st.sampled_from((None, True, False))}
    ),
    "reply.audited": st.fixed_dictionaries(
        {
            "complaint_id": _complaint,
            "site": _site,
            "result": st.sampled_from(("valid", "invalid", "false")),
        }
    ),
    "evidence.submitted": st.fixed_dictionaries(
        {
            "evidence_id": st.just("E1"),
            "kind": st.sampled_from(
                ("value_proof", "value_proof", "outer_damage_statement", "contact_log", "photo", "exemption")
            ),
            "site": _maybe_site,
            "amount_fen": _fen,
            "contacted_at": st.one_of(st.none(), _moment),
            "shows_name": st.booleans(),
            "ground": st.sampled_from((None, None, "natural")),
        }
    ),
    "ruling.made": st.fixed_dictionaries(
        {
            "ruling_id": st.just("R1"),
            "action": st.sampled_from(("change", "remove")),
            "rule": st.just("ZT-08"),
            "site": _site,
            "finding_id": st.sampled_from([f"ZT-08/{site}/C1" for site in SITES]),
            "amount_fen": _fen,
            "officer": st.just("Hu"),
            "reason": st.just("heard"),
        }
    ),
}
_SITES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "reply.registered": st.fixed_dictionaries(
        {
            "complaint_id": _complaint,
            "outcome": st.sampled_from(("contacted", "progress", "resolved", "declined", "referred_hq")),
            "text": st.just("called"),
        }
    ),
    "report.filed": st.fixed_dictionaries(
        {"report_id": st.just("R1"), "kind": st.sampled_from(("loss", "delay", "outer_damage"))}
    ),
    "compensation.offered": st.fixed_dictionaries(
        {"amount_fen": _fen, "basis": st.just("contract"), "accepted": st.booleans()}
    ),
    "compensation.paid": st.fixed_dictionaries(
        {
            "amount_fen": _fen,
            "method": st.sampled_from(("electronic_transfer", "cash")),
            "to": st.just("sender"),
        }
    ),
    "compensation.settled_privately": st.fixed_dictionaries({}),
    "scan.collected": st.fixed_dictionaries({"scope": st.just("same_city"), "inspected": st.booleans()}),
    "scan.departed": st.fixed_dictionaries({"next_site": _site}),
    "scan.arrived": st.fixed_dictionaries({"via": st.sampled_from(("piece", "bag"))}),
    "scan.out_for_delivery": st.fixed_dictionaries({}),
    "signature.recorded": st.fixed_dictionaries(
        {"signer": st.just("addressee"), "outer_damage_noted": st.booleans(), "struck_out": st.booleans()}
    ),
    "signature.voided": st.fixed_dictionaries({"signature_id": st.just("e09"), "reason": st.just("x")}),
}
_TYPES = (*_DESK, *_SITES, *["complaint.opened"] * 8, *list(_DESK)[:6] * 2)


@st.composite
def _event(draw: st.DrawFn, network: str) -> Event:
    kind = draw(st.sampled_from(_TYPES))
    moment = draw(_moment)
    minutes = draw(st.sampled_from((0, 0, 30, 3000)))
    if kind in _DESK:
        source, data = "/desks/cs", draw(_DESK[kind])
    else:
        site = draw(_site)
        source, data = f"/sites/{site}", {"site": site, **draw(_SITES[kind])}
    return decode_members(
        {
            "id": f"x{draw(st.integers(0, 30))}",
            "source": source,
            "type": kind,
            "subject": f"{network}/733100000001",
            "time": moment,
            "recordedtime": (datetime.fromisoformat(moment) + timedelta(minutes=minutes)).isoformat(),
            "data": {name: value for name, value in data.items() if value is not None},
        }
    )


def _history(network: str) -> st.SearchStrategy[tuple[str, list[Event]]]:
    ways = st.sampled_from((None, "collected", "departed", "hubs", "out", "signed"))
    return st.builds(
        lambda way, others: (
            network,
            [*(Waybill(network, "733100000001").way(until=way).events if way else []), *others],
        ),
        ways,
        st.lists(_event(network), min_size=1, max_size=14),
    )


_histories = st.sampled_from(("zto", "zto", "zto", "tiantian", "unheard-of")).flatmap(_history)
_now = st.integers(50 * 24 * 3600, 75 * 24 * 3600).map(lambda second: START + timedelta(seconds=second))
_facts = st.sampled_from(
    (
        Facts(),
        Facts(
            exemptions=[
                ExemptionFact(
                    exemption_id="flood",
                    sites=["BJ02", "GZ01"],
                    from_=(START + timedelta(days=4)).date(),
                    to=(START + timedelta(days=60)).date(),
                )
            ],
            sites={"BJ02": SiteFact(site="BJ02", parent="BJ00"), "BJ00": SiteFact(site="BJ00")},
            rates={"2026-03": {"BJ00": Rate(1, 90_000)}},
        ),
    )
)
_examples = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _decide(history: tuple[str, list[Event]], now: datetime, facts: Facts) -> Decision:
    network, events = history
    known, _ = distinct(events)
    return decide(known, facts, BOOKS, now, network)


def _known_by(history: tuple[str, list[Event]], now: datetime) -> tuple[str, list[Event]]:
    network, events = history
    return network, [event for event in events if event.time <= now]


@_examples
@given(history=_histories, facts=_facts, now=_now, data=st.data())
def test_order_and_repetition_change_nothing(
    history: tuple[str, list[Event]], facts: Facts, now: datetime, data: st.DataObject
) -> None:
    network, events = history
    extra = data.draw(st.lists(st.sampled_from(events), max_size=5))
    shuffled = data.draw(st.permutations(events + extra))
    first, second = _decide(history, now, facts), _decide((network, shuffled), now, facts)
    assert first.findings == second.findings
    assert (first.next_review_at, first.status) == (second.next_review_at, second.status)


@_examples
@given(history=_histories, facts=_facts, now=_now)
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
        assert finding.evidence
        assert finding.reason.zh
        assert "{" not in finding.reason.zh + finding.reason.en
        assert not ({"Hu", "heard", "called"} & set(finding.reason.en.replace(".", " ").split()))
        msgspec.json.encode(finding)


@_examples
@given(history=_histories, facts=_facts, day=st.integers(0, 60), part=st.floats(0, 1))
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


@_examples
@given(rule=st.sampled_from(("ZT-02", "ZT-03")), facts=_facts, later=st.lists(_event("zto"), max_size=8))
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
