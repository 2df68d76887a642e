"""Verdicts as arbitration publishes them."""

from __future__ import annotations

import msgspec

from shared.bus.producer import OutRecord
from shared.events.outputs import OutputEvent, VerdictData
from tests.support.fresh import fresh

VERDICTS_TOPIC = "arbitration.verdicts"


def new_network() -> str:
    """A network of one test alone: the topics are shared."""
    return f"t{fresh()}"


def record_of(verdict: VerdictData) -> OutRecord:
    """The record that arbitration publishes for `verdict`."""
    subject = f"{verdict.network}/{verdict.waybill}"
    event = OutputEvent(
        id=f"{subject}/{verdict.version}",
        source="/services/arbitration",
        type="verdict.issued",
        subject=subject,
        time=verdict.decided_at,
        data=msgspec.Raw(msgspec.json.encode(verdict)),
    )
    return OutRecord(VERDICTS_TOPIC, subject.encode(), msgspec.json.encode(event))
