"""Verdicts for the tests of notify."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.notify.domain.findings import Cause, Seen, advance, is_newer
from shared.events.outputs import Award, Clause, EvidenceRef, Finding, RulebookRef, Text, VerdictData
from shared.ids import stable_id

ZONE = ZoneInfo("Asia/Shanghai")
DECIDED_AT = datetime(2026, 3, 1, 17, 0, tzinfo=UTC)
"""01:00 of 2 March in Shanghai: local and UTC dates differ."""


def finding(**members: Any) -> Finding:
    """A delay fine of 150 yuan on BJ02, paid to the reporter GZ01; `members` differ."""
    usual: dict[str, Any] = {
        "finding_id": "TT-04/BJ02",
        "rule": "TT-04",
        "kind": "fine",
        "site": "BJ02",
        "role": "delivery",
        "amount_fen": 15_000,
        "awards": [Award("GZ01", 15_000)],
        "evidence": [EvidenceRef("/sites/BJ02", "BJ02-0007", late_recorded=True)],
        "assumed": ["hub_departure_days"],
        "calculation": {"days": 3, "rate_fen": 5_000},
        "reason": Text("逾期 3 天", "3 days late"),
        "clause": Clause("002", "延误每票每天罚款 50 元"),
        "triggered_at": datetime(2026, 2, 27, tzinfo=UTC),
    }
    return Finding(**{**usual, **members})


def verdict(version: int, *findings: Finding, **members: Any) -> VerdictData:
    """Version `version` of the verdict on tiantian/560000000001."""
    usual: dict[str, Any] = {
        "network": "tiantian",
        "waybill": "560000000001",
        "version": version,
        "decided_at": DECIDED_AT,
        "rulebook": RulebookRef("tiantian", "2011-08-01", "sha256:0"),
        "code_version": "test",
        "digest": f"sha256:{version}",
        "status": "decided",
        "findings": list(findings),
    }
    return VerdictData(**{**usual, **members})


def notice_id(
    occasion: str, network: str, waybill: str, finding_id: str, version: int, site: str, channel: str
) -> str:
    """The id of a notice about a finding. Spelled out: receivers have stored these ids."""
    return str(stable_id("notice", occasion, network, waybill, finding_id, version, site, channel))


def told(*versions: VerdictData) -> tuple[Seen, list[Cause]]:
    """What is seen, and all causes, after `versions` have arrived in this order."""
    seen, causes = Seen(), []
    for version in versions:
        if is_newer(seen, version):
            seen, new = advance(seen, version, appeal_days=7, zone=ZONE)
            causes += new
    return seen, causes
