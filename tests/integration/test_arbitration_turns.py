"""Who waits for an answer is not kept waiting by what nobody has asked for."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from services.arbitration.store import reviews
from shared.bus.partitioner import partition_of
from tests.support.arbitration import PARTITIONS, START, Arbitration, arrival, subject_in
from tests.support.bus import until
from tests.support.line import complaint, parcel

pytestmark = pytest.mark.stack

_HELD = text(
    "INSERT INTO cases (subject, partition, version, status, decided_at, events, conflicts, digest, verdict)"
    " VALUES (:subject, :partition, 1, 'clear', now(), 1, 0, '', '')"
)
_LOCKED = text("SELECT 1 FROM partition_positions WHERE partition = :partition FOR UPDATE")
_HELD_LONG = text("SET LOCAL idle_in_transaction_session_timeout = 0")
_WAITS = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND query LIKE :query"
)


async def until_waiting(hub: Arbitration, query: str) -> None:
    """Return once a statement of arbitration waits for a lock."""

    async def waits() -> bool:
        return bool(await hub.rows(_WAITS, query=query))

    await until(waits, f"{query} waits")


async def journalled_unseen(hub: Arbitration, subject: str, *priorities: int) -> None:
    """A waybill in the journal that no consumer has seen, with reviews that are due."""
    now = hub.clock.now()
    body = json.dumps(arrival(subject)).encode()
    await hub.execute(
        "INSERT INTO journal (month, subject, broker_at, events) VALUES (:month, :subject, NULL, :events)",
        month=now.date().replace(day=1),
        subject=subject,
        events=body,
    )
    await ask(hub, subject, *priorities)


async def ask(hub: Arbitration, subject: str, *priorities: int) -> None:
    now = hub.clock.now()
    for priority in priorities:
        await hub.execute(
            "INSERT INTO reviews (partition, priority, due_at, since, subject) VALUES (:n, :p, :at, :at, :subject)",
            n=partition_of(subject.encode(), PARTITIONS),
            p=priority,
            at=now,
            subject=subject,
        )


async def test_a_complaint_is_decided_beside_what_is_decided_ex_officio(hub: Arbitration) -> None:
    slow = subject_in(0)
    # The same lane, and other rows to lock.
    urgent = subject_in(hub.settings.lanes)
    async with hub.engine.connect() as holder:
        await holder.execute(_HELD_LONG)
        # Nobody else can store a first version of it until this is rolled back.
        await holder.execute(_HELD, {"subject": slow, "partition": 0})
        # One record: what came in apart would wait for the same lock, and hold its lane up.
        await hub.publish(parcel(slow, START)[-1])
        await until_waiting(hub, 'COPY "cases"%')
        await hub.publish(complaint(urgent, START))
        await hub.decided(urgent)
        await until_waiting(hub, 'COPY "cases"%')
        await hub.publish(complaint(slow, START))
        await holder.rollback()
    await hub.decided(slow, events=2)
    assert not await hub.rows("SELECT 1 FROM parked WHERE subject = ANY(:both)", both=[slow, urgent])


async def test_a_waybill_is_decided_by_one_at_a_time(hub: Arbitration) -> None:
    """Two that read the same head would store the same version."""
    wanted, other = subject_in(0), subject_in(hub.settings.lanes)
    first = subject_in(0)
    await hub.publish(arrival(first))  # So that the journal has this month.
    await hub.reviewed(first)
    async with hub.engine.connect() as holder:
        await holder.execute(_LOCKED, {"partition": 0})
        await journalled_unseen(hub, wanted, reviews.AT_ONCE)
        await until_waiting(hub, "SELECT partition, epoch%")
        await ask(hub, wanted, reviews.QUIET)
        await journalled_unseen(hub, other, reviews.QUIET)
        # Together with what is in the other's hand it would wait for that lock.
        await hub.reviewed(other)
        await holder.rollback()
    case = await hub.decided(wanted)
    assert case["verdict"]["version"] == 1
    await hub.reviewed(wanted)
    assert not await hub.rows("SELECT 1 FROM parked WHERE subject = :subject", subject=wanted)


async def test_a_second_look_that_nobody_asked_for_issues_no_empty_version(hub: Arbitration) -> None:
    subject = subject_in(0)
    async with hub.engine.connect() as holder:
        await holder.execute(_LOCKED, {"partition": 0})
        await journalled_unseen(hub, subject, reviews.QUIET)
        await until_waiting(hub, "SELECT partition, epoch%")
        await hub.execute(
            "INSERT INTO facts (kind, network, id, known_at, record)"
            " VALUES ('rates', 'elsewhere', :id, now(), '{}')",
            id=subject,
        )
        await holder.rollback()
    await hub.reviewed(subject)
    case = await hub.case(subject)
    assert case is not None
    assert case["verdict"] is None
