"""Arbitration fed by trusted hubs that publish straight to its topics: every kind of bad record, and what stays right."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from shared.bus.partitioner import partition_of
from shared.events import EVENT_BYTES_MAX
from tests.support.arbitration import (
    PARTITIONS,
    START,
    Arbitration,
    Json,
    arrival,
    at,
    new_subject,
    published_dead_letter,
    record_of,
)
from tests.support.bus import until
from tests.support.line import event, parcel, scan

pytestmark = pytest.mark.stack


async def refused(hub: Arbitration, subject: str, value: bytes, reason: str = "contract") -> Json:
    """Publish a value among good ones; only it is dead-lettered, bytes unchanged."""
    good = new_subject()
    bad = record_of(arrival(subject), value=value)
    await hub.send(record_of(arrival(good, "before")), bad, record_of(arrival(good, "after")))
    (letter,) = await hub.dead_letters(subject)
    assert letter["reason"] == reason
    assert letter["errors"]
    assert (await hub.rows("SELECT value FROM dead_letters WHERE id = :id", id=letter["id"]))[
        0
    ].value == value
    await hub.known(good, 2)
    assert await hub.case(subject) is None
    return letter


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"\x00\xff\xfe garbage \x80", id="garbage"),
        pytest.param(b"", id="empty"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"{", id="cut"),
        pytest.param(b'{"specversion": "1.0", "type": "scan.teleported"}', id="unknown type"),
        pytest.param(b'{"source": "/sites/\\u0000", "\\udc00": 1, "id": "\\ud800"}', id="surrogate names"),
        pytest.param("null".encode("utf-16"), id="utf-16"),
    ],
)
async def test_what_is_no_event_is_dead_lettered(hub: Arbitration, value: bytes) -> None:
    await refused(hub, new_subject(), value)


@pytest.mark.parametrize("inside", ["\\u0000", "\\ud800", "\\udfff\\ud800"])
async def test_text_that_cannot_be_kept_is_dead_lettered(hub: Arbitration, inside: str) -> None:
    subject = new_subject()
    value = json.dumps(arrival(subject, bag="BAG")).replace("BAG", inside).encode()
    letter = await refused(hub, subject, value)
    assert letter["errors"][0]["pointer"] == "/data/bag"
    name = json.dumps(arrival(new_subject())).replace("previous_site", inside).encode()
    await refused(hub, new_subject(), name)


async def test_a_raw_nul_and_broken_utf8_are_dead_lettered(hub: Arbitration) -> None:
    for bad in (b"\x00", b"\xed\xa0\x80", b"\xff"):
        subject = new_subject()
        await refused(hub, subject, json.dumps(arrival(subject, bag="BAG")).encode().replace(b"BAG", bad))


async def test_too_large_an_event_is_dead_lettered(hub: Arbitration) -> None:
    subject = new_subject()
    large = arrival(subject, note="x" * (65 * 1024))
    letter = await refused(hub, subject, json.dumps(large).encode())
    assert str(EVENT_BYTES_MAX) in letter["detail"]


async def test_a_record_as_large_as_its_topic_takes_passes_to_the_dead_letters(hub: Arbitration) -> None:
    subject = new_subject()
    value = b"x" * (1024 * 1024)
    await refused(hub, subject, value)
    await published_dead_letter(hub, "parcel.scans", subject, value)


async def test_a_dead_letter_says_where_from_why_and_when(hub: Arbitration) -> None:
    subject = new_subject()
    await hub.send(record_of(arrival(subject), value=b"{}"))
    (letter,) = await hub.dead_letters(subject)
    headers = await published_dead_letter(hub, "parcel.scans", subject, b"{}")
    assert headers["faultline-topic"] == b"parcel.scans"
    assert headers["faultline-partition"] == str(partition_of(subject.encode(), PARTITIONS)).encode()
    assert headers["faultline-offset"] == str(letter["offset"]).encode()
    assert headers["faultline-reason"] == b"contract"
    assert datetime.fromisoformat(headers["faultline-at"].decode()) == datetime.fromisoformat(letter["at"])


async def test_a_tombstone_and_a_record_without_key_are_dead_lettered(hub: Arbitration) -> None:
    subject = new_subject()
    await hub.send(record_of(arrival(subject), value=None))
    (letter,) = await hub.dead_letters(subject)
    assert letter["value"] == ""
    keyless = arrival(new_subject())
    await hub.send(record_of(keyless, key=None))

    async def there() -> bool:
        letters = (await hub.get("/v1/dead-letters", limit=500))["items"]
        return any(one["key"] is None and keyless["subject"] in one["value"] for one in letters)

    await until(there, "the record without key is dead-lettered")


async def test_a_key_that_is_not_the_subject_is_dead_lettered(hub: Arbitration) -> None:
    subject, other = new_subject(), new_subject()
    record = record_of(
        arrival(subject), key=other.encode(), partition=partition_of(other.encode(), PARTITIONS)
    )
    await hub.send(record)
    (letter,) = await hub.dead_letters(other)
    assert (letter["reason"], letter["errors"][0]["pointer"]) == ("contract", "/subject")


async def test_the_wrong_topic_is_dead_lettered(hub: Arbitration) -> None:
    subject = new_subject()
    await hub.send(record_of(arrival(subject), topic="parcel.complaints"))
    (letter,) = await hub.dead_letters(subject)
    assert (letter["reason"], letter["topic"]) == ("wrong_topic", "parcel.complaints")


async def test_the_wrong_partition_is_dead_lettered_also_for_a_known_waybill(hub: Arbitration) -> None:
    """Another client's default partitioner is not murmur2: two workers would decide the waybill."""
    subject = new_subject()
    right = partition_of(subject.encode(), PARTITIONS)
    await hub.send(record_of(arrival(subject, "first")))
    await hub.known(subject, 1)
    wrong = record_of(arrival(subject, "second"), partition=(right + 1) % PARTITIONS)
    await hub.send(wrong)
    (letter,) = await hub.dead_letters(subject)
    assert letter["reason"] == "wrong_partition"
    # Replayed, it goes where its key belongs.
    answer = await hub.http.post(f"/v1/dead-letters/{letter['id']}/replay")
    assert answer.status_code == 202
    assert answer.json()["replayed_by"].startswith("/operators/")
    assert (await hub.known(subject, 2))["events"] == 2
    await hub.dead_letters(subject, 1)


async def test_a_dead_letter_that_is_replayed_unchanged_is_dead_lettered_again(hub: Arbitration) -> None:
    subject = new_subject()
    await hub.send(record_of(arrival(subject), value=b"{}"))
    (letter,) = await hub.dead_letters(subject)
    assert (await hub.http.post(f"/v1/dead-letters/{letter['id']}/replay")).status_code == 202
    letters = await hub.dead_letters(subject, 2)
    assert len({one["offset"] for one in letters}) == 2
    missing = await hub.http.post("/v1/dead-letters/00000000-0000-0000-0000-000000000000/replay")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


async def test_times_too_far_ahead_are_dead_lettered(hub: Arbitration) -> None:
    ahead = at(hub.clock.now() + timedelta(minutes=11))
    for name in ("time", "recordedtime"):
        subject = new_subject()
        await hub.publish({**arrival(subject), name: ahead})
        (letter,) = await hub.dead_letters(subject)
        assert (letter["reason"], letter["errors"][0]["pointer"]) == ("future", f"/{name}")


async def test_an_event_whose_clock_is_a_little_ahead_waits_for_its_moment(hub: Arbitration) -> None:
    subject = new_subject("ahead")
    soon = hub.clock.now() + timedelta(seconds=2)
    complaint = {"complaint_id": "C1", "channel": "phone", "category": "delay", "claimant": "sender"}
    await hub.publish(event(subject, "/desks/hq", "complaint.opened", soon, "c1", **complaint))
    await hub.decided(subject)

    async def is_open() -> bool:
        (item,) = (await hub.get("/v1/cases", network="ahead"))["items"]
        assert item["status"] in ("clear", "open")
        return bool(item["status"] == "open")

    await until(is_open, "the complaint counts")
    assert hub.clock.now() >= soon


async def test_an_event_without_recordedtime_takes_the_brokers_time(hub: Arbitration) -> None:
    subject = new_subject()
    unstamped = arrival(subject)
    del unstamped["recordedtime"]
    before = hub.clock.now()
    await hub.publish(unstamped)
    await hub.known(subject, 1)
    (shown,) = (await hub.get(f"/v1/cases/{subject}/events"))["items"]
    recorded = datetime.fromisoformat(shown["recordedtime"])
    assert before - timedelta(milliseconds=5) <= recorded <= hub.clock.now()
    too_early = await hub.case(subject, as_of=at(before - timedelta(seconds=1)))
    assert too_early is not None
    assert too_early["events"] == 0


async def test_conflicting_copies_are_dead_lettered_once_and_counted(hub: Arbitration) -> None:
    subject = new_subject()
    events = parcel(subject, START)
    other = {**events[2], "recordedtime": at(START + timedelta(days=2))}
    other["data"] = {**other["data"], "bag": "B1"}
    third = {**other, "data": {**other["data"], "bag": "B2"}}
    moved = event(
        subject,
        events[2]["source"],
        "report.filed",
        START,
        events[2]["id"],
        report_id="R",
        site="HGZ1",
        kind="loss",
    )
    moved["recordedtime"] = other["recordedtime"]
    await hub.publish(*events, other, other, third)
    case = await hub.decided(subject)
    assert (case["events"], case["conflicts"]) == (len(events), 2)
    letters = await hub.dead_letters(subject, 2, reason="id_conflict")
    assert {json.loads(letter["value"])["data"]["bag"] for letter in letters} == {"B1", "B2"}
    await hub.publish(other, moved, scan(subject, "GZ01", "scan.problem", START, reason="other"))
    case = await hub.known(subject, len(events) + 1)
    letters = await hub.dead_letters(subject, 3, reason="id_conflict")
    assert {letter["topic"] for letter in letters} == {"parcel.scans", "parcel.complaints"}
    assert (await hub.case(subject) or {})["conflicts"] == 3
    headers = await published_dead_letter(hub, "parcel.complaints", subject, record_of(moved).value or b"")
    assert headers["faultline-reason"] == b"id_conflict"


async def test_one_publishers_bad_records_stop_nobody(hub: Arbitration) -> None:
    bad = [record_of(arrival(new_subject()), value=b'{"source": "/sites/BAD1"}') for _ in range(600)]
    good = new_subject()
    await hub.send(*bad, record_of(arrival(good)))
    await hub.known(good, 1)

    async def ready() -> bool:
        return (await hub.http.get("/readyz")).status_code == 200

    await until(ready, "arbitration is ready")
