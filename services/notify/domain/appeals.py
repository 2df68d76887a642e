"""The reminder that the time to appeal is ending, and when it is no longer due. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.notify.domain.findings import Cause
from services.notify.domain.sayings import APPEALS, Saying
from services.notify.domain.telling import storable
from shared.events.outputs import VerdictData


def closing(
    causes: Sequence[Cause], verdict: VerdictData, *, partition: int, now: datetime, lead: timedelta
) -> tuple[list[Saying], list[str]]:
    """The reminders that `causes` plan, and what those planned before are about that are void.

    A finding that can be appealed is reminded of `lead` before the last second; one that was frozen, decided or
    revoked, or has left the site, is not.
    """
    plan: list[Saying] = []
    drop: list[str] = []
    for cause in causes:
        if cause.due_at is not None:
            # What is told within that time is its own reminder.
            if cause.due_at > now and cause.due_at - lead > verdict.decided_at:
                plan.append(_closing(cause, verdict, partition, cause.due_at, lead))
        elif cause.stake_before and cause.stake_before.liable:
            drop.append(about(cause))
    return plan, drop


def about(cause: Cause) -> str:
    """What the reminder of a finding's appeal is known by."""
    return f"appeal/{storable(cause.finding.finding_id)}/{cause.site}"


def _closing(cause: Cause, verdict: VerdictData, partition: int, due_at: datetime, lead: timedelta) -> Saying:
    return Saying(
        occasion="appeal_closing",
        to=("site",),
        network=verdict.network,
        waybill=verdict.waybill,
        about=about(cause),
        mark=due_at,
        at=due_at - lead,
        until=due_at,
        urgency=APPEALS,
        partition=partition,
        site=cause.site,
        due_at=due_at,
        finding=cause.finding,
    )
