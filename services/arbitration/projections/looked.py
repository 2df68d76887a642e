"""What a look at a waybill hands to the projections."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.arbitration.domain.decision import asked
from services.arbitration.rules.case import Case
from services.arbitration.rules.custody import Custody
from services.arbitration.rules.facts import Facts
from services.arbitration.rules.library import NetworkRules
from services.arbitration.rules.stream import Known
from shared.events import Event
from shared.events.outputs import Finding


class Looked(NamedTuple):
    """A waybill as a look found it at `now`.

    `known`: what had happened by then, in order, never empty. `findings`: those of the newest issued version, revoked
    ones included. A projection takes all that it keeps of the waybill from here: the same look gives the same rows.
    """

    subject: str
    partition: int
    known: Sequence[Known[Event]]
    custody: Custody
    findings: Sequence[Finding]
    facts: Facts
    rules: NetworkRules
    now: datetime
    asked: Case | None = None
    """What the decision was made of, where one was made at this look."""

    @property
    def network(self) -> str:
        """The network's code."""
        return self.subject.partition("/")[0]

    @property
    def standing(self) -> list[Finding]:
        """The findings that are not revoked."""
        return [finding for finding in self.findings if finding.state != "revoked"]

    def case(self) -> Case:
        """The waybill about which all rules were asked, as they see it. Without a decision at this look it costs one."""
        return self.asked or asked(self.known, self.facts, self.rules, self.now)


def happened(known: Sequence[Known[Event]], now: datetime) -> Sequence[Known[Event]]:
    """Those of the ordered events that have happened by `now`: a sender's clock may be a little ahead."""
    if not known or known[-1].event.time <= now:
        return known
    return [item for item in known if item.event.time <= now]
