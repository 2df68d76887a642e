"""A ZTO waybill with what desks and sites say about complaints, for the tests of ZT-* and SD-*."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.arbitration.domain import Facts
from shared.events.outputs import Finding
from tests.unit.arbitration.build import Waybill

DESK = "/desks/cs"


class Complained(Waybill):
    """A waybill of ZTO (or of another network); complaints are `C1` unless told otherwise."""

    def __init__(self, network: str = "zto") -> None:
        super().__init__(network, "733100000001")

    def reopened(self, moment: datetime, complaint_id: str = "C1") -> str:
        return self.add("complaint.reopened", DESK, moment, complaint_id=complaint_id)

    def received(self, site: str, moment: datetime, complaint_id: str = "C1") -> str:
        return self.add("complaint.received", site, moment, site=site, complaint_id=complaint_id)

    def handled(self, moment: datetime, site: str = "BJ02", complaint_id: str = "C1") -> str:
        return self.add("complaint.handled", DESK, moment, site=site, complaint_id=complaint_id)

    def closed(self, moment: datetime, complaint_id: str = "C1", **data: Any) -> str:
        return self.add("complaint.closed", DESK, moment, complaint_id=complaint_id, **data)

    def replied(self, outcome: str, moment: datetime, site: str = "BJ02", complaint_id: str = "C1") -> str:
        return self.add(
            "reply.registered",
            site,
            moment,
            site=site,
            complaint_id=complaint_id,
            outcome=outcome,
            text="called",
        )

    def audited(self, result: str, moment: datetime, site: str = "BJ02", complaint_id: str = "C1") -> str:
        return self.add("reply.audited", DESK, moment, site=site, complaint_id=complaint_id, result=result)

    def escalated(self, category: str, moment: datetime, escalation_id: str = "X1", **data: Any) -> str:
        return self.add(
            "complaint.escalated",
            "/regulators/spb",
            moment,
            escalation_id=escalation_id,
            category=category,
            body="post_bureau",
            **data,
        )

    def paid(self, site: str, amount_fen: int, moment: datetime, method: str = "electronic_transfer") -> str:
        return self.add(
            "compensation.paid",
            site,
            moment,
            site=site,
            amount_fen=amount_fen,
            method=method,
            to="sender",
        )

    def offered(
        self,
        site: str,
        amount_fen: int,
        moment: datetime,
        *,
        accepted: bool,
        recorded: datetime | None = None,
    ) -> str:
        return self.add(
            "compensation.offered",
            site,
            moment,
            recorded=recorded,
            site=site,
            amount_fen=amount_fen,
            basis="contract",
            accepted=accepted,
        )

    def of(self, rule: str, now: datetime, facts: Facts | None = None) -> list[Finding]:
        """What a rule finds at `now`."""
        return [finding for finding in self.decide(now, facts).findings if finding.rule == rule]

    def only(self, rule: str, now: datetime, facts: Facts | None = None) -> Finding:
        """The one finding of a rule at `now`."""
        (finding,) = self.of(rule, now, facts)
        return finding
