"""Who waits for an answer is not kept waiting by what nobody has asked for."""

from __future__ import annotations

from itertools import count

import pytest
from sqlalchemy import text

from shared.bus.partitioner import partition_of
from tests.support.arbitration import PARTITIONS, START, Arbitration, Json, new_subject
from tests.support.bus import until
from tests.support.line import event, parcel

pytestmark = pytest.mark.stack

_HELD = text(
    "INSERT INTO cases (subject, partition, version, status, decided_at, events, conflicts, digest, verdict)"
    " VALUES (:subject, :partition, 1, 'clear', now(), 1, 0, '', '')"
)
_WAITS = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND query LIKE 'COPY \"cases\"%'"
)


def subject_in(partition: int) -> str:
    return next(s for _ in count() if partition_of((s := new_subject()).encode(), PARTITIONS) == partition)


def complaint(subject: str) -> Json:
    data = {"complaint_id": "C1", "channel": "web", "category": "attitude", "claimant": "sender"}
    return event(subject, "/desks/hq", "complaint.opened", START, "complaint", **data)


async def test_a_complaint_is_decided_beside_what_is_decided_ex_officio(hub: Arbitration) -> None:
    slow = subject_in(0)
    # The same lane, whose consumer and decisions share an order, and other rows to lock.
    urgent = subject_in(hub.settings.lanes)
    async with hub.engine.connect() as holder:
        # Nobody else can store a first version of it until this is rolled back.
        await holder.execute(_HELD, {"subject": slow, "partition": 0})
        story = parcel(slow, START)
        await hub.publish(*story)

        async def waits() -> bool:
            return bool(await hub.rows(_WAITS))

        await until(waits, "the decision ex officio waits")
        await hub.publish(complaint(urgent))
        await hub.decided(urgent)
        assert await waits()
        await hub.publish(complaint(slow))
        await holder.rollback()
    case = await hub.decided(slow, events=len(story) + 1)
    assert case["verdict"]["version"] == 1 + len(
        await hub.rows("SELECT 1 FROM superseded WHERE subject = :s", s=slow)
    )
    assert not await hub.rows("SELECT 1 FROM parked WHERE subject = ANY(:both)", both=[slow, urgent])
