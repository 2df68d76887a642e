"""`POST /v1/events` on a real broker: what is taken, what is refused, and what the topics hold afterwards."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.bus.partitioner import partition_of
from shared.events import decode
from tests.support.bus import until
from tests.support.intake import (
    BATCH,
    OPERATOR,
    STREAM,
    IntakeProcess,
    OpenRequest,
    arrival,
    new_subject,
    now_text,
    stored,
)
from tests.support.parts import Parts

pytestmark = pytest.mark.stack

WINDOW_IDS = 2_000


@pytest.fixture(scope="module")
async def intake(parts: Parts) -> AsyncIterator[IntakeProcess]:
    """One intake for the tests of this file."""
    process = IntakeProcess(parts.bootstrap_servers, id_window_size=WINDOW_IDS)
    await process.start()
    yield process
    await process.close()


def result(accepted: int = 0, duplicates: int = 0, refused: int = 0) -> tuple[int, int, int]:
    return accepted, duplicates, refused


def counts(body: dict[str, Any]) -> tuple[int, int, int]:
    return body["accepted"], body["duplicates"], len(body["refused"])


def lines(events: list[dict[str, Any]]) -> bytes:
    return b"\n".join(json.dumps(event).encode() for event in events)


async def test_an_accepted_event_is_on_its_topic_as_the_contract_says(intake: IntakeProcess) -> None:
    event = arrival(unknown={"kept": [1, "路"]})
    value = json.dumps(event, indent=1, ensure_ascii=False).encode()
    answer = await intake.post(value)
    assert (answer.status_code, counts(answer.json())) == (202, result(accepted=1))
    (record,) = await stored(intake.bootstrap_servers, "parcel.scans", event["subject"])
    assert record.value.startswith(value[:-1].rstrip())
    assert json.loads(record.value)["unknown"] == event["unknown"]
    assert decode(record.value, record.key).recordedtime is not None
    assert dict(record.headers) == {"content-type": b"application/cloudevents+json; charset=UTF-8"}
    assert record.partition == partition_of(record.key, 12)


@pytest.mark.parametrize(
    ("event_type", "topic"),
    [("signature.voided", "parcel.signatures"), ("goods.found", "parcel.complaints")],
)
async def test_each_type_goes_to_its_topic(intake: IntakeProcess, event_type: str, topic: str) -> None:
    event = arrival(type=event_type, data={"site": "GZ01", "signature_id": "s", "reason": "r"})
    assert (await intake.post(event)).status_code == 202
    assert len(await stored(intake.bootstrap_servers, topic, event["subject"])) == 1


async def test_a_batch_is_taken_in_part(intake: IntakeProcess) -> None:
    subject = new_subject()
    good = [arrival(subject) for _ in range(3)]
    batch = [
        good[0],
        arrival(subject, data={"site": "GZ01", "previous_site": "x"}),
        good[1],
        good[1],
        5,
        good[2],
    ]
    answer = await intake.post(batch, BATCH)
    assert (answer.status_code, counts(answer.json())) == (207, result(3, 1, 2))
    first, second = answer.json()["refused"]
    assert (first["index"], first["id"], first["status"]) == (1, batch[1]["id"], 422)
    assert [error["pointer"] for error in first["errors"]] == ["/data/previous_site"]
    assert (second["index"], second["id"]) == (4, None)
    records = await stored(intake.bootstrap_servers, "parcel.scans", subject)
    assert [json.loads(record.value)["id"] for record in records] == [event["id"] for event in good]


async def test_batches_and_streams_of_nothing_are_taken(intake: IntakeProcess) -> None:
    for body, media_type in (([], BATCH), (b"", STREAM), (b"\n\r\n", STREAM)):
        answer = await intake.post(body, media_type)
        assert (answer.status_code, counts(answer.json())) == (202, result())


async def test_a_compressed_stream_is_taken(intake: IntakeProcess) -> None:
    subject = new_subject()
    events = [arrival(subject) for _ in range(2_500)]
    body = gzip.compress(b"\n\n" + lines(events) + b"\r\n")
    answer = await intake.post(body, STREAM, **{"Content-Encoding": "gzip"})
    assert (answer.status_code, counts(answer.json())) == (202, result(accepted=2_500))
    records = await stored(intake.bootstrap_servers, "parcel.scans", subject)
    assert [json.loads(record.value)["id"] for record in records] == [event["id"] for event in events]


async def test_a_stream_names_each_bad_line(intake: IntakeProcess) -> None:
    subject = new_subject()
    body = b"\n".join(
        [
            lines([arrival(subject)]),
            b"{",
            b"",
            b"x" * 70_000,
            lines([arrival(subject)]),
            b'{"id":"a-7"}',
            b"\xff",
        ]
    )
    answer = await intake.post(body, STREAM)
    assert (answer.status_code, counts(answer.json())) == (207, result(2, 0, 4))
    refused = [(item["index"], item["id"], item["status"]) for item in answer.json()["refused"]]
    assert refused == [(1, None, 422), (2, None, 413), (4, "a-7", 422), (5, None, 422)]


async def test_a_long_stream_needs_bounded_memory(intake: IntakeProcess) -> None:
    subject, total = new_subject(), 60_000
    template = json.dumps(arrival(subject, id="@"))

    async def body() -> AsyncIterator[bytes]:
        for number in range(0, total, 500):
            yield "".join(
                template.replace("@", f"{subject}-{n}") + "\n" for n in range(number, number + 500)
            ).encode()

    before_bytes = intake.rss_bytes()
    answer = await intake.client.post(
        "/v1/events", content=body(), headers={**OPERATOR, "Content-Type": STREAM}
    )
    assert (answer.status_code, counts(answer.json())) == (202, result(accepted=total))
    assert intake.rss_bytes() - before_bytes < 60_000_000


async def test_copies_and_conflicts(intake: IntakeProcess) -> None:
    event = arrival()
    assert counts((await intake.post(event)).json()) == result(accepted=1)
    reordered = dict(reversed(event.items()))
    answer = await intake.post(reordered)
    assert (answer.status_code, counts(answer.json())) == (202, result(duplicates=1))
    other = event | {"time": "2026-03-05T09:00:00+08:00"}
    answer = await intake.post(other)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    (item,) = answer.json()["refused"]
    assert (item["status"], item["id"], item["errors"][0]["pointer"]) == (409, event["id"], "/id")
    answer = await intake.post([other, event, arrival()], BATCH)
    assert (answer.status_code, counts(answer.json())) == (207, result(1, 1, 1))
    assert len(await stored(intake.bootstrap_servers, "parcel.scans", event["subject"])) == 1


async def test_the_same_id_of_another_source_or_subject_is_another_event(intake: IntakeProcess) -> None:
    event = arrival()
    same_id = [event, arrival(event["subject"], "BJ02", id=event["id"]), arrival(id=event["id"])]
    assert counts((await intake.post(same_id, BATCH)).json()) == result(accepted=3)


async def test_concurrent_copies_are_taken_once(intake: IntakeProcess) -> None:
    event = arrival()
    answers = await asyncio.gather(*(intake.post(event) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert sum(answer.json()["accepted"] for answer in answers) == 1
    assert sum(answer.json()["duplicates"] for answer in answers) == 19
    assert len(await stored(intake.bootstrap_servers, "parcel.scans", event["subject"])) == 1


async def test_the_window_is_bounded(intake: IntakeProcess) -> None:
    event = arrival()
    await intake.post(event)
    await intake.post([arrival() for _ in range(WINDOW_IDS)], BATCH)
    assert counts((await intake.post(event)).json()) == result(accepted=1)


async def test_recordedtime_needs_backfill(intake: IntakeProcess) -> None:
    event = arrival(recordedtime="2026-03-05T08:00:01+08:00")
    _, publisher = await intake.new_key("/sites/GZ01", "publish", network="tiantian")
    answer = await intake.post(event, key=publisher)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/recordedtime"
    _, loader = await intake.new_key("/sites/GZ01", "publish", "backfill", network="tiantian")
    assert counts((await intake.post(event, key=loader)).json()) == result(accepted=1)
    assert counts((await intake.post(event, key=loader)).json()) == result(duplicates=1)
    earlier = event | {"recordedtime": "2026-03-05T08:00:00+08:00"}
    assert counts((await intake.post(earlier, key=loader)).json()) == result(accepted=1)
    records = await stored(intake.bootstrap_servers, "parcel.scans", event["subject"])
    assert [json.loads(record.value)["recordedtime"] for record in records] == [
        event["recordedtime"],
        earlier["recordedtime"],
    ]


@pytest.mark.parametrize(
    ("owner", "network", "pointer"),
    [
        ("/sites/BJ02", "tiantian", "/source"),
        ("/desks/hq", None, "/source"),
        ("/sites/GZ01", "zto", "/subject"),
    ],
    ids=["a site for another", "a desk for a site", "a foreign network"],
)
async def test_a_key_speaks_for_its_owner_in_its_network(
    intake: IntakeProcess, owner: str, network: str | None, pointer: str
) -> None:
    _, key = await intake.new_key(owner, "publish", network=network)
    answer = await intake.post(arrival(), key=key)
    assert answer.status_code == 422
    (item,) = answer.json()["refused"]
    assert (item["status"], item["errors"][0]["pointer"]) == (403, pointer)


async def test_a_site_cannot_tell_what_another_site_scanned(intake: IntakeProcess) -> None:
    _, key = await intake.new_key("/sites/GZ01", "publish", network="tiantian")
    answer = await intake.post(arrival(data={"site": "BJ02"}), key=key)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/data/site")


async def test_keys_that_may_not_publish(intake: IntakeProcess) -> None:
    assert (await intake.post(arrival(), key="wrong")).status_code == 401
    assert (await intake.client.post("/v1/events", content=b"{}")).status_code == 401
    _, reader = await intake.new_key("/sites/GZ01", "read", network="tiantian")
    assert (await intake.post(arrival(), key=reader)).status_code == 403


async def test_a_revoked_key_ends_a_running_stream(intake: IntakeProcess) -> None:
    key_id, key = await intake.new_key("/sites/GZ01", "publish", network="tiantian")
    assert (await intake.post(arrival(), key=key)).status_code == 202
    stream = await OpenRequest.begin(intake.client.base_url, STREAM, key)
    await stream.send(lines([arrival()]) + b"\n")
    assert (await intake.client.delete(f"/v1/keys/{key_id}", headers=OPERATOR)).status_code == 204
    status, _ = await stream.answer_while_sending(lines([arrival()]) + b"\n")
    assert status == 401
    assert (await intake.post(arrival(), key=key)).status_code == 401


BAD_SINGLES: dict[str, tuple[bytes, int, str]] = {
    "malformed JSON": (b'{"id": "a",', 422, ""),
    "no object": (b"[1]", 422, ""),
    "wrong type": (json.dumps(arrival(data={"site": 5})).encode(), 422, "/data/site"),
    "missing member": (json.dumps(arrival(data={})).encode(), 422, "/data/site"),
    "unknown type": (json.dumps(arrival(type="scan.lost")).encode(), 422, "/type"),
    "future time": (json.dumps(arrival(time=now_text(minutes=600))).encode(), 422, "/time"),
    "no offset": (json.dumps(arrival(time="2026-03-05T08:00:00")).encode(), 422, "/time"),
    "NUL": (json.dumps(arrival(data={"site": "GZ01", "bag": "a\0"})).encode(), 422, "/data/bag"),
    "a raw NUL": (json.dumps(arrival()).encode().replace(b"HUB1", b"HUB\0"), 422, ""),
    "a lone surrogate": (
        json.dumps(arrival(data={"site": "GZ01", "bag": "\ud800"})).encode(),
        422,
        "/data/bag",
    ),
    "no UTF-8": (json.dumps(arrival()).encode().replace(b"HUB1", b"HUB\xff"), 422, ""),
    "65 KiB": (json.dumps(arrival(note="x" * 65 * 1024)).encode(), 413, ""),
    "65 KiB of space": (b" " * 65 * 1024 + json.dumps(arrival()).encode(), 413, ""),
    "depth": (b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}", 422, ""),
}


@pytest.mark.parametrize("name", BAD_SINGLES)
async def test_bad_single_events(intake: IntakeProcess, name: str) -> None:
    body, status, pointer = BAD_SINGLES[name]
    answer = await intake.post(body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    if status == 422:
        assert answer.json()["refused"][0]["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("name", [name for name in BAD_SINGLES if name != "65 KiB of space"])
async def test_bad_events_cost_a_stream_nothing_else(intake: IntakeProcess, name: str) -> None:
    bad, status, _ = BAD_SINGLES[name]
    subject = new_subject()
    body = lines([arrival(subject)]) + b"\n" + bad + b"\n" + lines([arrival(subject)])
    answer = await intake.post(body, STREAM)
    assert (answer.status_code, counts(answer.json())) == (207, result(2, 0, 1))
    assert [(item["index"], item["status"]) for item in answer.json()["refused"]] == [(1, status)]
    assert len(await stored(intake.bootstrap_servers, "parcel.scans", subject)) == 2


@pytest.mark.parametrize(
    "name", [name for name in BAD_SINGLES if name not in ("malformed JSON", "65 KiB of space")]
)
async def test_bad_events_cost_a_batch_nothing_else(intake: IntakeProcess, name: str) -> None:
    bad, status, _ = BAD_SINGLES[name]
    subject = new_subject()
    good = [json.dumps(arrival(subject)).encode() for _ in range(2)]
    answer = await intake.post(b"[%b,%b,%b]" % (good[0], bad, good[1]), BATCH)
    assert (answer.status_code, counts(answer.json())) == (207, result(2, 0, 1))
    assert [(item["index"], item["status"]) for item in answer.json()["refused"]] == [(1, status)]
    assert len(await stored(intake.bootstrap_servers, "parcel.scans", subject)) == 2


@pytest.mark.parametrize(
    ("body", "media_type", "headers", "status"),
    [
        ([arrival() for _ in range(6_000)], BATCH, {}, 413),
        (b"[" + b'{"id":"x"},' * 3, BATCH, {}, 422),
        (b'[{"id":"x"},{"id":"a",]', BATCH, {}, 422),
        (b"[" + b"1," * 16_000_000 + b"1]", BATCH, {}, 413),
        (b'{"id":"x"}', BATCH, {}, 422),
        (b"{}", "application/json", {}, 415),
        (b"{}", "application/cloudevents+json; charset=gbk", {}, 415),
        (b"{}", STREAM, {"Content-Encoding": "br"}, 415),
        (b"no gzip", STREAM, {"Content-Encoding": "gzip"}, 422),
        (gzip.compress(b"\n" * 50_000_000), STREAM, {"Content-Encoding": "gzip"}, 413),
    ],
    ids=[
        "6000 events",
        "cut array",
        "malformed",
        "millions of elements",
        "no array",
        "media type",
        "charset",
        "encoding",
        "no gzip",
        "gzip bomb",
    ],
)
async def test_bad_bodies(
    intake: IntakeProcess, body: Any, media_type: str, headers: dict[str, str], status: int
) -> None:
    answer = await intake.post(body, media_type, **headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


async def test_more_than_fits_is_asked_to_come_later(parts: Parts) -> None:
    intake = IntakeProcess(parts.bootstrap_servers, in_flight_bytes_max=50_000)
    await intake.start()
    try:
        batch = [arrival(note="x" * 1_000) for _ in range(30)]
        first = await OpenRequest.begin(intake.client.base_url, BATCH)
        await first.send(b"[" + b" " * 40_000)

        async def counted() -> bool:
            return await intake.metric("faultline_intake_in_flight_bytes") >= 40_000

        # A second request that came before the first is counted would itself be why the first is sent away.
        await until(counted, "the first request is counted")
        answer = await intake.post(batch, BATCH)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        await first.send(b"]")
        await first.end()
        assert (await first.answer())[0] == 202
        assert (await intake.post(batch, BATCH)).status_code == 202
    finally:
        await intake.close()


async def test_a_stop_answers_what_is_in_hand(parts: Parts) -> None:
    intake = IntakeProcess(parts.bootstrap_servers)
    await intake.start()
    try:
        batch, stream = [await OpenRequest.begin(intake.client.base_url, kind) for kind in (BATCH, STREAM)]
        subject = new_subject()
        await batch.send(json.dumps([arrival(subject) for _ in range(500)])[:-1].encode())
        await stream.send(lines([arrival(subject)]) + b"\n")
        # What has only reached the machine, not the process, would find nobody.
        await intake.requests_in_hand(2)
        intake.signal(signal.SIGTERM)
        status, body = await stream.answer_while_sending(lines([arrival()]) + b"\n")
        assert (status, body["title"]) == (503, "Service stopping")
        await batch.send(b"]")
        await batch.end()
        status, body = await batch.answer()
        assert (status, body["accepted"]) == (202, 500)
        assert await intake.wait_ended() == 0
        assert len(await stored(parts.bootstrap_servers, "parcel.scans", subject)) >= 500
    finally:
        await intake.close()
