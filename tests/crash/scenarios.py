"""Directed scenarios: one fault each, at the one moment at which a certain mistake would show."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Final

import httpx

from tests.crash import rig
from tests.crash.parcels import Writer, clean
from tests.crash.snapshot import VERDICTS, read_topics
from tests.crash.stage import ROUTE, Stage, faulty_parcel

POSITIONS: Final = "arbitration.partition_positions"
FINDINGS: Final = "arbitration.findings"


async def killed_between_batch_and_offsets(stage: Stage) -> None:
    """Arbitration dies after it has stored a batch and before it has stored the offsets."""
    async with stage.holding(POSITIONS, "SHARE"):
        await stage.send(*faulty_parcel(stage.writer))
        await stage.standing_at(POSITIONS)
        killed = stage.kill(await stage.owner())
    await stage.up_again(killed)


async def database_ends_the_session(stage: Stage) -> None:
    """The database ends arbitration's session in the middle of a batch; more events follow."""
    async with stage.holding(POSITIONS, "SHARE") as db:
        await stage.send(*faulty_parcel(stage.writer))
        for backend in await stage.standing_at(POSITIONS):
            await db.execute("SELECT pg_terminate_backend($1)", backend)
    # On the same topics, so that whoever gave the batch up would go on past it.
    await stage.send(stage.writer.scan(ROUTE.last, "problem", 199, reason="other"))
    await stage.send(stage.writer.sign(ROUTE.last, 200))


async def frozen_while_deciding(stage: Stage) -> None:
    """A worker is frozen between reading a waybill and writing its verdict; another takes over and knows more."""
    await stage.send(*faulty_parcel(stage.writer))
    await stage.version(1)
    await stage.rest()
    owner = await stage.owner()
    async with stage.holding(FINDINGS, "ACCESS EXCLUSIVE"):
        await stage.send(stage.writer.complain("delay", 200))
        await stage.standing_at(FINDINGS)
        frozen = rig.freeze(stage.stack, owner)
        question = f"SELECT owner <> $2 FROM {POSITIONS} WHERE partition = $1"
        await stage.until(question, stage.partition, owner)
        await stage.send(stage.writer.report(ROUTE.origin, "delay", 201, against_site=ROUTE.last))
        await stage.journalled(10)
    await stage.until("SELECT events = 10 FROM arbitration.cases WHERE subject = $1", stage.subject)
    rig.thaw(frozen)
    await stage.until(f"SELECT count(*) > 0 FROM {POSITIONS} WHERE owner = $1", owner)


async def event_while_deciding(stage: Stage) -> None:
    """An event of a waybill comes in while that waybill is being decided."""
    await stage.send(*faulty_parcel(stage.writer))
    await stage.version(1)
    await stage.rest()
    async with stage.holding(FINDINGS, "ACCESS EXCLUSIVE"):
        await stage.send(stage.writer.complain("delay", 200))
        await stage.standing_at(FINDINGS)
        await stage.send(stage.writer.report(ROUTE.origin, "delay", 201, against_site=ROUTE.last))
        await stage.until("SELECT count(*) = 2 FROM arbitration.reviews WHERE subject = $1", stage.subject)


async def killed_while_publishing(stage: Stage) -> None:
    """The broker hangs while a verdict is being published; then both it and arbitration die."""
    await stage.send(*faulty_parcel(stage.writer))
    await stage.version(1)
    await stage.rest()
    async with stage.holding(FINDINGS, "ACCESS EXCLUSIVE"):
        await stage.send(stage.writer.complain("delay", 200))
        await stage.standing_at(FINDINGS)
        rig.freeze(stage.stack, "broker")
    await stage.version(2)
    # The relay has taken the row, and holds it or has deleted it.
    await stage.until(
        "SELECT NOT EXISTS (SELECT FROM arbitration.outbox FOR UPDATE SKIP LOCKED) AND count(*) >= 0"
        " FROM arbitration.outbox"
    )
    await stage.up_again(stage.kill(await stage.owner()), stage.kill("broker"))


async def late_copy_of_an_old_version(stage: Stage) -> None:
    """A relay that was held up publishes a version after newer ones."""
    await stage.send(*faulty_parcel(stage.writer))
    await stage.version(1)
    await stage.rest()
    await stage.send(stage.writer.complain("delay", 200))
    await stage.version(2)
    await stage.rest()
    for read in (await read_topics(stage.stack, VERDICTS))[VERDICTS]:
        event = json.loads(read.value)
        if event["subject"] == stage.subject and event["data"]["version"] == 1:
            await stage.hub.publish_again(VERDICTS, read)


async def broker_hangs_while_events_come(stage: Stage) -> None:
    """The broker hangs, a sender is told so and tries again; then broker and intake die, and it tries once more."""
    values = list(faulty_parcel(stage.writer))
    contents = stage.sent.sending(values)
    rig.freeze(stage.stack, "broker")
    url = stage.stack.urls["intake"]
    body = b"[" + b",".join(values) + b"]"
    headers = {**stage.stack.headers, "content-type": "application/cloudevents-batch+json"}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for _ in range(2):
            answer = await client.post(f"{url}/v1/events", content=body, headers=headers)
            if answer.status_code == 202:
                stage.sent.took(contents)
                break
    await stage.up_again(stage.kill("intake"), stage.kill("broker"))
    if not stage.sent.acknowledged.issuperset(contents):
        await stage.send(*values)


async def restarted_worker_has_forgotten(stage: Stage) -> None:
    """A waybill has a case before its first scan; arbitration is restarted, then the scans come as if nothing was.

    By themselves they ask for nothing but a look on the day on which the parcel would be overdue.
    """
    writer = Writer(stage.subject, stage.stack.now() - timedelta(hours=66), Random(stage.subject))
    scans, signature = clean(writer, ROUTE)
    await stage.send(*signature)
    await stage.version(1)
    await stage.rest()
    await stage.up_again(stage.kill(await stage.owner()))
    await stage.send(*scans)


async def publisher_with_another_partitioner(stage: Stage) -> None:
    """A hub puts records of a waybill that is known into another partition, and other bad records on the topics."""
    await stage.send(*faulty_parcel(stage.writer))
    await stage.version(1)
    for _ in range(8):
        await stage.hub.publish_bad(stage.subject)


async def killed_while_a_webhook_is_under_way(stage: Stage) -> None:
    """Notify dies while a receiver has a webhook and has not answered it."""
    stage.destinations.hold()
    await stage.send(*faulty_parcel(stage.writer))
    await stage.destinations.holds_one()
    killed = stage.kill("notify")
    stage.destinations.release()
    await stage.up_again(killed)


Scenario = Callable[[Stage], Awaitable[None]]
SCENARIOS: Final[Mapping[str, Scenario]] = {
    scenario.__name__: scenario
    for scenario in (
        killed_between_batch_and_offsets,
        database_ends_the_session,
        frozen_while_deciding,
        event_while_deciding,
        killed_while_publishing,
        late_copy_of_an_old_version,
        broker_hangs_while_events_come,
        publisher_with_another_partitioner,
        restarted_worker_has_forgotten,
        killed_while_a_webhook_is_under_way,
    )
}
COPIES: Final[Mapping[str, dict[str, int]]] = {"frozen_while_deciding": {"arbitration": 2}}
"""Copies of services that a scenario needs, where one of each is not enough."""
PARTS: Final = ("intake", "arbitration", "penalties", "notify")
"""The services that scenarios need."""
