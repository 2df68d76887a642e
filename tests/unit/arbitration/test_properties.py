"""What must hold for every stream of events, sensible or not (design.md §4.3)."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.arbitration.domain import (
    Decision,
    ExemptionFact,
    Facts,
    SiteFact,
    decide,
    distinct,
    merge,
)
from shared.events import Event, decode_members
from tests.unit.arbitration.build import BOOKS, Waybill, at

START = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)
NOW_MIN, NOW_MAX = START + timedelta(days=25), START + timedelta(days=60)
SITES = ("GZ01", "HGZ1", "HBJ1", "BJ02")
_site = st.sampled_from(SITES)
_bool = st.booleans()
_fen = st.integers(0, 100_000)
_id = st.sampled_from(("A1", "A2"))
_moment = st.builds(
    lambda half_hours, second: (START + timedelta(minutes=30 * half_hours, seconds=second)).isoformat(),
    st.integers(0, 24 * 2 * 20),
    st.sampled_from((0, 0, 0, 1, 59)),
)
_day = st.integers(0, 25).map(lambda n: (START + timedelta(days=n)).date().isoformat())


def _data(**members: Any) -> st.SearchStrategy[dict[str, Any]]:
    required = {name: m for name, m in members.items() if not name.startswith("maybe_")}
    optional = {name[6:]: m for name, m in members.items() if name.startswith("maybe_")}
    return st.fixed_dictionaries(required, optional=optional)


_SITE_EVENTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "scan.collected": _data(
        scope=st.sampled_from(("same_city", "inter_province")),
        maybe_destination_site=_site,
        maybe_destination_mark=_site,
        maybe_insured=_bool,
        maybe_declared_value_fen=_fen,
        maybe_fragile=_bool,
        maybe_goods=st.sampled_from(("cash", "books")),
        maybe_label_site=_site,
        maybe_cod_fen=_fen,
        maybe_order_placed_at=_moment,
        maybe_label_version=st.sampled_from(("old", "new")),
        maybe_premium_fen=st.integers(0, 4_000),
        maybe_urgent=_bool,
    ),
    "scan.departed": _data(next_site=_site, maybe_bag=_id),
    "scan.arrived": _data(
        maybe_via=st.sampled_from(("piece", "bag")),
        maybe_part=st.integers(1, 2),
        maybe_parts=st.sampled_from((1, 2)),
    ),
    "scan.out_for_delivery": _data(),
    "scan.problem": _data(reason=st.sampled_from(("unreachable", "refused", "missorted", "held"))),
    "scan.returned": _data(next_site=_site),
    "signature.recorded": _data(
        signer=st.sampled_from(("addressee", "proxy")),
        maybe_struck_out=_bool,
        maybe_outer_damage_noted=_bool,
        maybe_signed_at=_moment,
        maybe_handler=st.just("Lu"),
        maybe_id_checks=st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("consignee_original", "name_matches", "company", "sealed"), _bool)
        ),
    ),
    "signature.voided": _data(
        signature_id=st.sampled_from([f"e{n}" for n in range(12)]), reason=st.just("x")
    ),
    "report.filed": _data(
        report_id=_id,
        kind=st.sampled_from(
            (
                "delay",
                "delay",
                "loss",
                "loss",
                "outer_damage",
                "inner_damage",
                "false_notice",
                "mistransit",
                "mark_miswritten",
                "foreign_packaging",
            )
        ),
        maybe_against_site=_site,
        maybe_bag=_id,
        maybe_label_moved=_bool,
        maybe_one_face=_bool,
    ),
    "notice.posted": _data(
        notice_id=_id,
        to_site=_site,
        kind=st.sampled_from(("goods_missing", "damage", "urge")),
        maybe_names_waybill=_bool,
        maybe_channel=st.sampled_from(("system", "fax")),
    ),
    "notice.forwarded": _data(notice_id=_id, to_site=_site),
    "notice.answered": _data(notice_id=_id, to_site=_site, maybe_plan=st.just("repack")),
    "goods.disposed": _data(maybe_approved_by=st.just("head"), maybe_photos=st.integers(0, 2)),
    "return.requested": _data(maybe_written=_bool),
    "return.answered": _data(answer=st.sampled_from(("return", "hold", "hold", "redeliver"))),
    "return.fee_notified": _data(to_site=_site, fee_fen=_fen, round=st.sampled_from((1, 2)), by_phone=_bool),
    "return.fee_paid": _data(to_site=_site, fee_fen=_fen),
    "compensation.settled_privately": _data(),
    "cod.settled": _data(amount_fen=_fen),
    "receipt.required": _data(maybe_transfers=st.integers(0, 3)),
    "receipt.returned": _data(maybe_payment_delayed=_bool, maybe_person=st.just("Lu")),
    "receipt.lost": _data(maybe_loss_fen=_fen),
    "receipt.audited": _data(
        maybe_abnormal=_bool, maybe_returnable=_bool, maybe_payment_delayed=_bool, maybe_loss_fen=_fen
    ),
    "appeal.filed": _data(
        appeal_id=_id,
        finding_id=st.sampled_from(
            [f"{r}/{s}" for r in ("TT-01", "TT-04", "TT-07", "LR-01") for s in SITES]
            + ["YD-01/GZ01/A1", "YD-03/HGZ1/A1"]
        ),
    ),
}
_DESK_EVENTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "evidence.submitted": _data(
        evidence_id=_id,
        kind=st.sampled_from(
            ("value_proof", "value_proof", "recipient_statement", "exemption", "contact_log", "photo")
        ),
        maybe_site=_site,
        maybe_amount_fen=_fen,
        maybe_ground=st.sampled_from(("natural", "force_majeure")),
        maybe_delivered_on=_day,
        maybe_contacted_at=_moment,
        maybe_party=st.sampled_from(("recipient", "sender")),
        has_signature=st.just(True),
        has_contact=st.just(True),
        has_identity_copy=st.just(True),
    ),
    "complaint.opened": _data(
        complaint_id=_id,
        channel=st.just("phone"),
        category=st.sampled_from(("delay", "damage", "loss", "misdelivery", "other")),
        claimant=st.just("sender"),
    ),
    "appeal.decided": _data(
        appeal_id=_id,
        outcome=st.sampled_from(("upheld", "changed", "dismissed")),
        officer=st.just("Hu"),
        reason=st.just("heard"),
        maybe_amount_fen=_fen,
        maybe_site=_site,
    ),
    "ruling.made": _data(
        ruling_id=_id,
        action=st.sampled_from(("add", "change", "remove")),
        rule=st.sampled_from(("TT-05", "TT-04", "TT-07", "LR-01", "YD-01")),
        site=_site,
        maybe_finding_id=st.sampled_from(
            ("YD-01/GZ01/A1", "YD-06/GZ01", "LR-06/GZ01", "TT-14/GZ01/A1", "GB-03/BJ02", "GB-02/-/A1")
        ),
        officer=st.just("Hu"),
        reason=st.just("heard"),
        maybe_amount_fen=_fen,
        maybe_to=_site,
    ),
}


_OFTEN = {
    "tiantian": (*list(_SITE_EVENTS)[:7], *list(_SITE_EVENTS)[:7]),
    "yunda": (*("scan.arrived", "report.filed", "evidence.submitted", "ruling.made") * 5, "scan.collected"),
    "freight": (*("receipt.required", "receipt.returned", "scan.arrived") * 6, "complaint.opened"),
}
"""Network → the event types that its rules look at, to be drawn more often than others."""


@st.composite
def _members(draw: st.DrawFn, network: str) -> dict[str, Any]:
    kind = draw(st.sampled_from((*_SITE_EVENTS, *_OFTEN[network], *_DESK_EVENTS)))
    moment = draw(_moment)
    recorded = draw(st.sampled_from((0, 0, 30, 300)))
    if kind in _DESK_EVENTS:
        source, data = "/desks/arb1", draw(_DESK_EVENTS[kind])
    else:
        site = draw(_site)
        source, data = f"/sites/{site}", {"site": site, **draw(_SITE_EVENTS[kind])}
    return {
        "id": draw(st.sampled_from([f"e{n}" for n in range(12)] + list(string.ascii_lowercase))),
        "source": source,
        "type": kind,
        "subject": f"{network}/560000000001",
        "time": moment,
        "recordedtime": (datetime.fromisoformat(moment) + timedelta(minutes=recorded)).isoformat(),
        "data": data,
    }


_ways = st.sampled_from((None, "departed", "hubs", "arrived", "out", "signed", "signed"))


def _begun(network: str, way: str) -> list[Event]:
    """A clean way, with what the network's rules are about."""
    if network == "yunda":
        waybill = Waybill(network).way(until=way, insured=True, declared_value_fen=90_000, premium_fen=2_699)
        if way != "departed":
            waybill.reported("HGZ1", "mark_miswritten", at(1, "22:00"), "A1", against_site="BJ02")
    elif network == "freight":
        waybill = Waybill(network).way(until=way, urgent=True)
        waybill.add("receipt.required", "GZ01", at(1, "11:00"), site="GZ01")
        waybill.complained("misdelivery", at(6), "A1")
    else:
        waybill = Waybill(network).way(until=way)
    return waybill.events


def _streams_of(network: str) -> st.SearchStrategy[list[Event]]:
    return st.builds(
        lambda way, others: [*(_begun(network, way) if way else []), *others],
        _ways,
        st.lists(_members(network).map(decode_members), max_size=16),
    )


_streams = st.sampled_from(sorted(_OFTEN)).flatmap(_streams_of)
_now = st.datetimes(NOW_MIN.replace(tzinfo=None), NOW_MAX.replace(tzinfo=None)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
_facts = st.sampled_from(
    (
        Facts(),
        Facts(),
        Facts(
            exemptions=[
                ExemptionFact(
                    exemption_id="flood",
                    province="BJ",
                    from_=(START + timedelta(days=3)).date(),
                    to=(START + timedelta(days=6)).date(),
                )
            ],
            sites={
                "BJ02": SiteFact(site="BJ02", province="BJ"),
                "HBJ1": SiteFact(site="HBJ1", province="BJ"),
            },
        ),
    )
)
_examples = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


_OVERRULING = ("ruling.made", "appeal.decided")


def _decide(events: list[Event], now: datetime, facts: Facts) -> Decision:
    known, _ = distinct(events)
    return decide(known, facts, BOOKS, now, events[0].network if events else "tiantian")


def _said(decision: Decision) -> bytes:
    said = [
        decision.findings,
        decision.overturned,
        decision.custody,
        decision.next_review_at,
        decision.status,
    ]
    return msgspec.json.encode(said)


@_examples
@given(events=_streams, facts=_facts, now=_now, data=st.data())
def test_order_and_repetition_change_nothing(
    events: list[Event], facts: Facts, now: datetime, data: st.DataObject
) -> None:
    extra = data.draw(st.lists(st.sampled_from(events), max_size=5)) if events else []
    # Copies that were recorded later than the first say nothing new either.
    copies = [
        msgspec.structs.replace(event, recordedtime=event.recordedtime + timedelta(hours=hours))
        for hours, event in enumerate(extra)
        if event.recordedtime is not None
    ]
    shuffled = data.draw(st.permutations(events + copies))
    assert _said(_decide(shuffled, now, facts)) == _said(_decide(events, now, facts))
    assert distinct(shuffled)[1] == distinct(events)[1]


@_examples
@given(events=_streams, facts=_facts, now=_now)
def test_money_adds_up_and_ids_are_unique(events: list[Event], facts: Facts, now: datetime) -> None:
    decision = _decide(events, now, facts)
    late = {(known.event.source, known.event.id): known for known in distinct(events)[0]}
    ids = [finding.finding_id for finding in decision.findings]
    assert len(ids) == len(set(ids))
    rules = [rule.id for rule in BOOKS.of(events[0].network if events else "tiantian").rules]
    places = [(rules.index(f.rule) if f.rule in rules else 999, f.finding_id) for f in decision.findings]
    assert places == sorted(places), "in the order of the register, whoever found it"
    for finding in decision.findings:
        assert finding.state != "revoked"
        assert finding.amount_fen >= 0
        assert finding.kind in ("fine", "compensation") or finding.amount_fen == 0
        assert sum(award.amount_fen for award in finding.awards) == finding.amount_fen
        assert len({award.to for award in finding.awards}) == len(finding.awards)
        assert all(award.to != finding.site and award.amount_fen >= 0 for award in finding.awards)
        assert finding.evidence, "no finding without evidence"
        for shown in finding.evidence:
            known = late[shown.source, shown.id]
            assert shown.late_recorded == (known.recorded - known.at > 2 * 3_600)
        assert finding.reason.zh
        assert "{" not in finding.reason.zh + finding.reason.en


@_examples
@given(events=_streams, facts=_facts, now=_now, part=st.floats(0, 1), later=st.integers(1, 400))
def test_nothing_changes_before_the_next_review(
    events: list[Event], facts: Facts, now: datetime, part: float, later: int
) -> None:
    decision = _decide(events, now, facts)
    review = decision.next_review_at
    if review is None:
        assert _decide(events, now + timedelta(days=later), facts).findings == decision.findings
        return
    assert review > now
    last = review - timedelta(seconds=1)
    for moment in (now + (last - now) * part, last):
        if moment >= now:
            before = _decide(events, moment, facts)
            assert before.findings == decision.findings
            assert before.next_review_at == review


@_examples
@given(events=_streams, facts=_facts, now=_now)
def test_the_next_review_changes_the_verdict(events: list[Event], facts: Facts, now: datetime) -> None:
    now -= timedelta(days=20)
    # What an officer took away may come and go unseen.
    seen = [event for event in events if event.time <= now and event.type not in _OVERRULING]
    decision = _decide(seen, now, facts)
    if decision.next_review_at is not None:
        assert _decide(seen, decision.next_review_at, facts).findings != decision.findings


@_examples
@given(events=_streams, facts=_facts, now=_now, cut=st.integers(0, 22))
def test_the_next_version_keeps_what_fell_away_as_revoked(
    events: list[Event], facts: Facts, now: datetime, cut: int
) -> None:
    first = merge([], _decide(events[:cut], now, facts))
    decision = _decide(events, now, facts)
    second = merge(first, decision)
    assert [f.finding_id for f in second][: len(first)] == [f.finding_id for f in first]
    standing = {f.finding_id: f for f in second if f.state != "revoked"}
    assert standing == {f.finding_id: f for f in decision.findings}
    assert merge(second, decision) == second


@_examples
@given(events=_streams, facts=_facts, now=_now, cut=st.integers(0, 22))
def test_what_is_revoked_and_issued_again_is_what_it_was(
    events: list[Event], facts: Facts, now: datetime, cut: int
) -> None:
    """There and back. That the money follows what stands, whatever was booked before, is the ledger's property."""
    one, other = _decide(events[:cut], now, facts), _decide(events, now, facts)
    first = merge([], one)
    second = merge(first, other)
    back = merge(second, one)
    assert {f.finding_id: f for f in back if f.state != "revoked"} == {f.finding_id: f for f in one.findings}
    assert merge(back, other) == second
