"""Any history of complaints on a waybill, any facts and any moment, for property tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from services.arbitration.domain import ExemptionFact, Facts, Rate, SiteFact
from shared.events import Event, decode_members
from tests.unit.arbitration.build import Waybill

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
def event_of(draw: st.DrawFn, network: str) -> Event:
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
        st.lists(event_of(network), min_size=1, max_size=14),
    )


HISTORIES = st.sampled_from(("zto", "zto", "zto", "tiantian", "unheard-of")).flatmap(_history)
NOWS = st.integers(50 * 24 * 3600, 75 * 24 * 3600).map(lambda second: START + timedelta(seconds=second))
FACTS = st.sampled_from(
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
EXAMPLES = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
