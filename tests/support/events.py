"""A valid event of every type."""

from __future__ import annotations

import json
from typing import Any

COMPLAINT = {"complaint_id": "C1"}
ONE_OF_EACH: dict[str, tuple[str, dict[str, Any]]] = {
    "scan.collected": (
        "/sites/GZ01",
        {"site": "GZ01", "scope": "inter_province", "cod_due_on": "2026-03-06"},
    ),
    "scan.departed": ("/sites/GZ01", {"site": "GZ01", "next_site": "BJ02"}),
    "scan.arrived": ("/sites/GZ01", {"site": "GZ01"}),
    "scan.out_for_delivery": ("/sites/GZ01", {"site": "GZ01", "courier": "李"}),
    "scan.problem": ("/sites/GZ01", {"site": "GZ01", "reason": "unreachable"}),
    "scan.returned": ("/sites/GZ01", {"site": "GZ01", "next_site": "BJ02"}),
    "signature.recorded": ("/sites/GZ01", {"site": "GZ01", "signer": "proxy", "id_checks": {"sealed": True}}),
    "signature.voided": ("/sites/GZ01", {"site": "GZ01", "signature_id": "s1", "reason": "mistake"}),
    "complaint.opened": (
        "/desks/hq",
        {**COMPLAINT, "channel": "phone", "category": "delay", "claimant": "sender"},
    ),
    "complaint.reopened": ("/desks/hq", COMPLAINT),
    "complaint.escalated": (
        "/regulators/bj",
        {"escalation_id": "X1", "body": "post_bureau", "category": "attitude"},
    ),
    "complaint.received": ("/sites/GZ01", {**COMPLAINT, "site": "GZ01"}),
    "complaint.flagged": ("/desks/hq", {**COMPLAINT, "ground": "violation"}),
    "complaint.handled": ("/desks/hq", {**COMPLAINT, "site": "GZ01"}),
    "complaint.closed": ("/desks/hq", {**COMPLAINT, "class": "operations"}),
    "reply.registered": ("/sites/GZ01", {**COMPLAINT, "site": "GZ01", "outcome": "resolved", "text": "done"}),
    "reply.audited": ("/desks/hq", {**COMPLAINT, "site": "GZ01", "result": "valid"}),
    "report.filed": ("/sites/GZ01", {"report_id": "R1", "site": "GZ01", "kind": "loss"}),
    "notice.posted": (
        "/sites/GZ01",
        {"notice_id": "N1", "site": "GZ01", "to_site": "BJ02", "kind": "goods_missing"},
    ),
    "notice.forwarded": ("/sites/GZ01", {"notice_id": "N1", "site": "GZ01", "to_site": "BJ02"}),
    "notice.answered": ("/sites/GZ01", {"notice_id": "N1", "site": "GZ01", "to_site": "BJ02", "plan": "p"}),
    "goods.found": ("/sites/GZ01", {"site": "BJ02"}),
    "goods.disposed": ("/sites/GZ01", {"site": "GZ01", "photos": 2}),
    "return.requested": ("/sites/GZ01", {"site": "GZ01"}),
    "return.answered": ("/sites/GZ01", {"site": "GZ01", "answer": "hold"}),
    "return.fee_notified": ("/sites/GZ01", {"site": "GZ01", "to_site": "BJ02", "fee_fen": 1, "round": 2}),
    "return.fee_paid": ("/sites/GZ01", {"site": "GZ01", "to_site": "BJ02", "fee_fen": 1}),
    "redirect.requested": ("/desks/hq", {"new_address": "路1号"}),
    "evidence.submitted": ("/desks/hq", {"evidence_id": "E1", "kind": "photo", "audited": True}),
    "compensation.offered": (
        "/sites/GZ01",
        {"site": "GZ01", "amount_fen": 1, "basis": "contract", "accepted": True},
    ),
    "compensation.paid": (
        "/sites/GZ01",
        {"site": "GZ01", "amount_fen": 1, "method": "cash", "to": "sender"},
    ),
    "compensation.settled_privately": ("/sites/GZ01", {"site": "GZ01"}),
    "cod.settled": ("/sites/GZ01", {"site": "GZ01", "amount_fen": 0}),
    "receipt.required": ("/sites/GZ01", {"site": "GZ01"}),
    "receipt.returned": ("/sites/GZ01", {"site": "GZ01", "transfers": 1}),
    "receipt.lost": ("/sites/GZ01", {"site": "BJ02", "loss_fen": 5}),
    "receipt.audited": ("/desks/hq", {"site": "GZ01", "abnormal": True}),
    "appeal.filed": ("/sites/GZ01", {"appeal_id": "A1", "site": "GZ01", "finding_id": "TT-01/GZ01"}),
    "appeal.decided": ("/desks/hq", {"appeal_id": "A1", "outcome": "upheld", "officer": "o", "reason": "r"}),
    "ruling.made": (
        "/desks/hq",
        {"ruling_id": "L1", "action": "add", "rule": "TT-01", "site": "GZ01", "officer": "o", "reason": "r"},
    ),
}


def event(event_type: str = "scan.departed", **members: Any) -> dict[str, Any]:
    """A valid event of this type; `members` replace the envelope's, `data__x` a member of the data."""
    source, data = ONE_OF_EACH[event_type]
    inner = {
        name.removeprefix("data__"): members.pop(name) for name in list(members) if name.startswith("data__")
    }
    envelope = {
        "specversion": "1.0",
        "id": "e-1",
        "source": source,
        "type": event_type,
        "subject": "tiantian/560000000001",
        "time": "2026-03-05T08:00:00+08:00",
        "data": {**data, **inner},
    }
    return {name: value for name, value in (envelope | members).items() if value is not ...}


def raw(members: dict[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False).encode("utf-8", "surrogatepass")
