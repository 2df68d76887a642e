"""Intake while its broker hangs or is gone: it says so, holds nothing, and goes on by itself."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.bus import until
from tests.support.intake import BATCH, STREAM, IntakeProcess, arrival, new_subject, stored
from tests.support.parts import engine_answers
from tests.support.stack import Stack, running_stack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(engine_answers(), reason="a broker in a container is not this test's to stop"),
]

DELIVERY_TIMEOUT_MS = 1_500


@pytest.fixture(scope="module")
def broker() -> AsyncIterator[Stack]:
    """A broker of this file's own, to be stopped at will."""
    with running_stack(parts=("broker",)) as stack:
        yield stack


@pytest.fixture
async def intake(broker: Stack) -> AsyncIterator[IntakeProcess]:
    """An intake that does not wait long for its broker."""
    process = IntakeProcess(
        broker.bootstrap_servers, delivery_timeout_ms=DELIVERY_TIMEOUT_MS, log_level="CRITICAL"
    )
    await process.start()
    yield process
    broker.kill("broker", signal.SIGCONT)
    await process.close()


async def taken(
    intake: IntakeProcess, body: list[dict[str, object]] | bytes, media_type: str = BATCH
) -> httpx.Response:
    """Send the same ids again, as the answer asks, until they are taken."""
    answers: list[httpx.Response] = []

    async def is_taken() -> bool:
        answers[:] = [await intake.post(body, media_type)]
        return answers[0].status_code != 503

    await until(is_taken, "intake goes on by itself")
    assert answers[0].status_code == 202, answers[0].text
    return answers[0]


async def ids_of(intake: IntakeProcess, subject: str) -> set[str]:
    records = await stored(intake.bootstrap_servers, "parcel.scans", subject)
    return {json.loads(record.value)["id"] for record in records}


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["hangs", "is killed"])
async def test_what_was_answered_503_can_be_sent_again(
    broker: Stack, intake: IntakeProcess, number: signal.Signals
) -> None:
    subject = new_subject()
    first, later = arrival(subject), [arrival(subject) for _ in range(50)]
    await taken(intake, [first])
    pid = broker.kill("broker", number)
    answer = await intake.post(later, BATCH)
    while answer.status_code == 202:  # a killed broker may have been replaced already
        pid = broker.kill("broker", number)
        later = [arrival(subject) for _ in range(50)]
        answer = await intake.post(later, BATCH)
    assert (answer.status_code, answer.json()["title"]) == (503, "Broker away")
    assert int(answer.headers["retry-after"]) >= 1
    broker.kill("broker", signal.SIGCONT) if number is signal.SIGSTOP else broker.wait_up(
        "broker", other_than_pid=pid
    )
    answer = await taken(intake, later)
    assert answer.json()["accepted"] + answer.json()["duplicates"] == 50
    assert (await taken(intake, [first, *later])).json()["duplicates"] == 51
    assert await ids_of(intake, subject) >= {first["id"], *(event["id"] for event in later)}


async def test_a_hanging_broker_is_named_and_costs_no_memory(broker: Stack, intake: IntakeProcess) -> None:
    await taken(intake, [arrival()])
    broker.kill("broker", signal.SIGSTOP)
    not_ready = await intake.wait_answers("/readyz", 503)
    assert not not_ready.json()["checks"]["broker"]["ok"]
    assert (await intake.client.get("/healthz")).status_code == 200
    batch = json.dumps([arrival(note="x" * 2_000) for _ in range(500)]).encode()
    await asyncio.gather(*(intake.post(batch, BATCH) for _ in range(4)))
    before_bytes = intake.rss_bytes()
    answers = [
        answer
        for _ in range(3)
        for answer in await asyncio.gather(*(intake.post(batch, BATCH) for _ in range(8)))
    ]
    assert {answer.status_code for answer in answers} <= {503, 429}
    assert intake.rss_bytes() - before_bytes < 60_000_000
    broker.kill("broker", signal.SIGCONT)
    await intake.wait_answers("/readyz", 200)
    await taken(intake, [arrival()])


async def test_copies_of_what_was_not_acknowledged_get_its_outcome(
    broker: Stack, intake: IntakeProcess
) -> None:
    await taken(intake, [arrival()])
    event = arrival()
    broker.kill("broker", signal.SIGSTOP)
    answers = await asyncio.gather(*(intake.post(event) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {503}
    broker.kill("broker", signal.SIGCONT)
    answer = await taken(intake, [event])
    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (1, 0)
    assert event["id"] in await ids_of(intake, event["subject"])


async def test_a_stream_says_when_the_broker_went_away(broker: Stack, intake: IntakeProcess) -> None:
    subject = new_subject()
    events = [arrival(subject) for _ in range(12_000)]
    broker.kill("broker", signal.SIGSTOP)
    body = b"\n".join(json.dumps(event).encode() for event in events)
    assert (await intake.post(body, STREAM)).status_code == 503
    broker.kill("broker", signal.SIGCONT)
    answer = await taken(intake, body, STREAM)
    assert answer.json()["accepted"] + answer.json()["duplicates"] == 12_000
    assert await ids_of(intake, subject) == {event["id"] for event in events}


async def test_intake_starts_without_its_broker_and_stops_cleanly(broker: Stack) -> None:
    broker.kill("broker", signal.SIGSTOP)
    process = IntakeProcess(broker.bootstrap_servers, delivery_timeout_ms=500, log_level="CRITICAL")
    try:
        await process.start(ready=False)
        assert (await process.client.get("/readyz")).status_code == 503
        assert (await process.post(arrival())).status_code == 503
        process.signal(signal.SIGTERM)
        assert await process.wait_ended() == 0
    finally:
        broker.kill("broker", signal.SIGCONT)
        await process.close()
