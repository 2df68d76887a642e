"""Every event type is decoded, checked and refused as contract.md says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import events
from shared.events import EventRefused, FieldError, decode, decode_many
from tests.support.events import ONE_OF_EACH, event, raw

DESK_ONLY = (
    "complaint.opened",
    "complaint.reopened",
    "complaint.flagged",
    "complaint.handled",
    "complaint.closed",
    "reply.audited",
    "appeal.decided",
    "ruling.made",
)


def refused(value: bytes, key: bytes | None = None) -> list[FieldError]:
    """The errors of a value that must be refused, the same one by one and among good ones."""
    with pytest.raises(EventRefused) as caught:
        decode(value, key)
    good = raw(event())
    many = decode_many([good, value, good], [None, key, None])
    assert [isinstance(item, EventRefused) for item in many] == [False, True, False]
    assert isinstance(many[1], EventRefused)
    assert many[1].errors == caught.value.errors
    return caught.value.errors


def pointers(value: bytes) -> list[str]:
    return [error.pointer for error in refused(value)]


def test_each_type_of_the_contract_has_an_example() -> None:
    assert set(ONE_OF_EACH) == set(events.EVENT_TYPES)


@pytest.mark.parametrize("event_type", ONE_OF_EACH)
def test_each_type_is_decoded(event_type: str) -> None:
    decoded = decode(raw(event(event_type, recordedtime="2026-03-05T00:00:01Z")))
    assert type(decoded) is events.EVENT_TYPES[event_type]
    assert decoded.type == event_type
    assert decoded.recordedtime == datetime(2026, 3, 5, 0, 0, 1, tzinfo=UTC)
    assert decode(events.encode(decoded)) == decoded
    assert decode_many([raw(event(event_type))]) == [decode(raw(event(event_type)))]


@pytest.mark.parametrize("event_type", ONE_OF_EACH)
def test_unknown_members_are_ignored(event_type: str) -> None:
    known = event(event_type)
    more = event(event_type, traceparent="00-1", data__new_member={"deep": [1, 1e400]})
    assert decode(raw(more).replace(b"Infinity", b"1e400")) == decode(raw(known))


def test_defaults_are_those_of_the_contract() -> None:
    arrived = decode(raw(event("scan.arrived")))
    assert isinstance(arrived, events.ScanArrived)
    assert arrived.data.via == "piece"
    posted = decode(raw(event("notice.posted")))
    assert isinstance(posted, events.NoticePosted)
    assert (posted.data.channel, posted.data.names_waybill) == ("system", True)
    returned = decode(raw(event("return.requested")))
    assert isinstance(returned, events.ReturnRequested)
    assert returned.data.written is True
    closed = decode(raw(event("complaint.closed")))
    assert isinstance(closed, events.ComplaintClosed)
    assert closed.data.class_ == "operations"


def test_a_desks_evidence_is_audited_unless_it_says_otherwise() -> None:
    def audited(source: str, value: object) -> bool:
        decoded = decode(raw(event("evidence.submitted", source=source, data__audited=value)))
        assert isinstance(decoded, events.EvidenceSubmitted)
        return decoded.audited

    assert audited("/desks/hq", None)
    assert not audited("/desks/hq", False)
    assert not audited("/sites/GZ01", None)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"specversion": "0.3"}, "/specversion"),
        ({"specversion": ...}, "/specversion"),
        ({"id": ""}, "/id"),
        ({"id": "x" * 65}, "/id"),
        ({"id": 5}, "/id"),
        ({"id": "a\tb"}, "/id"),
        ({"id": ...}, "/id"),
        ({"source": "GZ01"}, "/source"),
        ({"source": "/sites/gz01"}, "/source"),
        ({"source": "/services/intake"}, "/source"),
        ({"type": "scan.lost"}, "/type"),
        ({"type": ...}, "/type"),
        ({"type": 1}, "/type"),
        ({"subject": "560000000001"}, "/subject"),
        ({"subject": "Tiantian/560000000001"}, "/subject"),
        ({"subject": "tiantian/56"}, "/subject"),
        ({"subject": "tiantian/560000000001\n"}, "/subject"),
        ({"time": "2026-03-05T08:00:00"}, "/time"),
        ({"time": "yesterday"}, "/time"),
        ({"time": "0001-01-01T00:00:00+08:00"}, "/time"),
        ({"time": "9999-12-31T23:59:59-08:00"}, "/time"),
        ({"recordedtime": "2026-03-05T08:00:00"}, "/recordedtime"),
        ({"recordedtime": "1999-12-31T08:00:00Z"}, "/recordedtime"),
        ({"data": ...}, "/data"),
        ({"data": []}, "/data"),
        ({"data__site": "BJ02"}, "/data/site"),
        ({"data__next_site": "bj"}, "/data/next_site"),
        ({"data__next_site": None}, "/data/next_site"),
        ({"data": {"site": "GZ01"}}, "/data/next_site"),
        ({"data__bag": 7}, "/data/bag"),
    ],
)
def test_refusals_point_at_the_member(members: dict[str, Any], pointer: str) -> None:
    assert pointers(raw(event(**members))) == [pointer]


@pytest.mark.parametrize(
    ("event_type", "members", "pointer"),
    [
        ("scan.collected", {"data__freight_fen": -1}, "/data/freight_fen"),
        ("scan.collected", {"data__freight_fen": 2**53 + 1}, "/data/freight_fen"),
        ("scan.collected", {"data__freight_fen": 12.5}, "/data/freight_fen"),
        ("scan.collected", {"data__freight_fen": "12"}, "/data/freight_fen"),
        ("scan.collected", {"data__insured": None}, "/data/insured"),
        ("scan.collected", {"data__scope": "lunar"}, "/data/scope"),
        ("scan.collected", {"data__label_site": "?"}, "/data/label_site"),
        ("scan.collected", {"data__cod_due_on": "5 March"}, "/data/cod_due_on"),
        ("scan.collected", {"data__cod_due_on": "9999-12-31"}, "/data/cod_due_on"),
        ("scan.collected", {"data__order_placed_at": "2026-03-05T08:00:00"}, "/data/order_placed_at"),
        ("signature.recorded", {"data__photo": {"legible": True}}, "/data/photo/shows_name"),
        ("complaint.closed", {"data__class": "x"}, "/data/class"),
        ("complaint.opened", {"data__against_site": "x"}, "/data/against_site"),
        ("return.fee_notified", {"data__round": 3}, "/data/round"),
        ("redirect.requested", {"data__by": "recipient"}, "/data/by"),
        ("redirect.requested", {"data__new_recipient": "王"}, "/data/new_recipient"),
    ],
)
def test_refusals_point_at_the_member_of_the_data(
    event_type: str, members: dict[str, Any], pointer: str
) -> None:
    assert pointers(raw(event(event_type, **members))) == [pointer]


@pytest.mark.parametrize("event_type", DESK_ONLY)
@pytest.mark.parametrize("source", ["/sites/GZ01", "/regulators/bj"])
def test_what_only_a_desk_may_say(event_type: str, source: str) -> None:
    assert pointers(raw(event(event_type, source=source))) == ["/source"]


def test_who_may_escalate_and_who_has_received() -> None:
    decode(raw(event("complaint.escalated", source="/desks/hq")))
    assert pointers(raw(event("complaint.escalated", source="/sites/GZ01"))) == ["/source"]
    decode(raw(event("complaint.received", source="/desks/hq")))
    assert pointers(raw(event("complaint.received", source="/sites/BJ02"))) == ["/source"]


def test_a_site_submits_no_audited_evidence() -> None:
    decode(raw(event("evidence.submitted", source="/sites/GZ01", data__audited=False)))
    assert pointers(raw(event("evidence.submitted", source="/sites/GZ01", data__audited=True))) == [
        "/data/audited"
    ]


@pytest.mark.parametrize(
    "event_type", ["signature.recorded", "report.filed", "notice.posted", "appeal.filed"]
)
def test_a_site_speaks_for_itself_only(event_type: str) -> None:
    assert pointers(raw(event(event_type, source="/sites/BJ02"))) == ["/data/site"]


def test_a_scan_is_told_by_its_site() -> None:
    assert pointers(raw(event("scan.arrived", source="/desks/hq"))) == ["/data/site"]


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b"null", b"5", b'"x"', b"\xff\xfe", b"{}{}", b"not json at all", b"{}"],
)
def test_what_is_no_event_at_all(value: bytes) -> None:
    assert len(refused(value)) == 1


def test_text_that_cannot_be_kept() -> None:
    nul, half = event(data__bag="a\0b"), event(data__bag="a\ud800")
    for value in (json.dumps(nul).encode(), json.dumps(half).encode()):
        assert pointers(value) == ["/data/bag"]
    assert pointers(raw(half)) == [""]
    assert pointers(raw(event()).replace(b"BJ02", b"BJ\xff")) == [""]
    in_unknown = event(data__extra=["fine", "a\0"])
    assert pointers(json.dumps(in_unknown).encode()) == ["/data/extra/1"]
    assert pointers(raw(event(data__extra="x")).replace(b'"x"', b'"\xff"')) == [""]


def test_escapes_that_only_look_bad_are_taken() -> None:
    for bag in ("a\\u0000b", "\U0001f4e6", "\\\\ud800", "路"):
        decoded = decode(json.dumps(event(data__bag=bag)).encode())
        assert isinstance(decoded, events.ScanDeparted)
        assert decoded.data.bag == bag
        assert decode_many([json.dumps(event(data__bag=bag)).encode()]) == [decoded]


def test_size_is_bounded_with_room_for_the_stamp() -> None:
    def sized(size: int, **members: Any) -> bytes:
        empty = len(raw(event("scan.problem", data__note="", **members)))
        return raw(event("scan.problem", data__note="x" * (size - empty), **members))

    decode(sized(events.EVENT_BYTES_MAX))
    assert pointers(sized(events.EVENT_BYTES_MAX + 1)) == [""]
    decode(sized(events.EVENT_BYTES_MAX + 40, recordedtime="2026-03-05T00:00:01Z"))
    assert pointers(sized(events.EVENT_BYTES_MAX + 65, recordedtime="2026-03-05T00:00:01Z")) == [""]


@pytest.mark.parametrize("depth", [100, 30_000])
def test_depth_is_bounded(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    assert pointers(raw(event(data__extra="?")).replace(b'"?"', deep)) == [""]
    wide = b"[" + b"{}," * 200 + b"{}]"
    decode(raw(event(data__extra="?")).replace(b'"?"', wide))


def test_the_key_must_be_the_subject() -> None:
    value = raw(event())
    decode(value, b"tiantian/560000000001")
    assert [error.pointer for error in refused(value, b"tiantian/560000000002")] == ["/subject"]


def test_one_bad_record_among_many_costs_nobody_else() -> None:
    values = [raw(event(id=f"e-{n}")) for n in range(1_000)]
    values[300] = b"{"
    values[301] = raw(event(id="e-301", data__next_site="?"))
    decoded = decode_many(values, [b"tiantian/560000000001"] * 1_000)
    assert [n for n, item in enumerate(decoded) if isinstance(item, EventRefused)] == [300, 301]
    assert all(item.id == f"e-{n}" for n, item in enumerate(decoded) if not isinstance(item, EventRefused))


def test_values_that_would_pair_up_are_each_refused() -> None:
    good = raw(event())
    half = len(good) // 2
    decoded = decode_many([good + b"," + good, good[:half], good[half:]])
    assert all(isinstance(item, EventRefused) for item in decoded)


def test_time_is_at_most_ten_minutes_ahead_of_the_receiver() -> None:
    now = datetime(2026, 3, 5, 0, 0, tzinfo=UTC)
    decoded = decode(raw(event()))
    assert events.check_time(decoded, now) is None
    assert events.check_time(decoded, now - timedelta(minutes=10)) is None
    late = events.check_time(decoded, now - timedelta(minutes=10, seconds=1))
    assert late is not None
    assert late.pointer == "/time"
    known = decode(raw(event(recordedtime="2026-03-05T00:20:00Z")))
    ahead = events.check_time(known, now)
    assert ahead is not None
    assert ahead.pointer == "/recordedtime"


def shuffled(value: Any, order: int) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        return {
            k: shuffled(v, order)
            for k, v in (items[order % len(items) :] + items[: order % len(items)] if items else [])
        }
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(extra=json_values, order=st.integers(0, 6))
def test_content_digest_knows_content_only(extra: Any, order: int) -> None:
    members = event(data__extra=extra)
    digest = events.content_digest(json.dumps(members).encode())
    stamped = {"recordedtime": "2026-03-05T00:00:01Z", **members}
    assert events.content_digest(json.dumps(shuffled(stamped, order), indent=2).encode()) == digest
    other = event(data__extra=[extra])
    assert events.content_digest(json.dumps(other).encode()) != digest


def test_content_digest_of_numbers_beyond_doubles() -> None:
    value = raw(event(data__extra="?"))
    huge = value.replace(b'"?"', b"1e400")
    assert events.content_digest(huge) != events.content_digest(value.replace(b'"?"', b"1e401"))
    assert events.content_digest(value.replace(b'"?"', b"9" * 400)) == events.content_digest(
        b" " + value.replace(b'"?"', b"9" * 400)
    )


def test_personal_data_is_marked() -> None:
    assert events.personal_members(events.SignatureRecorded) == ("signer_name", "handler", "operator")
    assert events.personal_members(events.RedirectRequested) == ("new_address", "new_recipient")
    for event_class in events.EVENT_CLASSES:
        data = msgspec.structs.fields(event_class)[-1].type
        names = {field.encode_name for field in msgspec.structs.fields(data)}
        suspects = names & {
            "text",
            "note",
            "courier",
            "operator",
            "signer_name",
            "handler",
            "person",
            "officer",
        }
        assert suspects <= set(events.personal_members(event_class)), event_class


def test_json_schema_names_every_type() -> None:
    schema = events.json_schema()
    tags = {
        part["properties"]["type"]["enum"][0]
        for part in schema["$defs"].values()
        if "type" in part["properties"]
    }
    assert tags == set(events.EVENT_TYPES)
    assert schema["$defs"]["ScanDepartedData"]["properties"]["next_site"]["pattern"] == "^[A-Z0-9-]{2,16}$"


def test_topics() -> None:
    assert events.topic_of("scan.arrived") == "parcel.scans"
    assert events.topic_of("signature.voided") == "parcel.signatures"
    assert {events.topic_of(name) for name in events.EVENT_TYPES if name[:4] not in ("scan", "sign")} == {
        "parcel.complaints"
    }
    with pytest.raises(KeyError):
        events.topic_of("verdict.issued")


CASES = sorted((Path(__file__).parents[2] / "cases").glob("*.json"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_the_worked_cases_are_events_of_the_contract(case: Path) -> None:
    for members in json.loads(case.read_text())["events"]:
        events.decode_members(members)


@pytest.mark.parametrize("to", ["<b>", "bj02", "hq\n", "HQ2026-BJ02-TOO-LONG", ""])
def test_a_ruling_pays_only_who_can_have_an_account(to: str) -> None:
    """An account of that name could neither be read nor settled."""
    source, data = ONE_OF_EACH["ruling.made"]
    made = event("ruling.made", source=source) | {"data": {**data, "to": to}}
    with pytest.raises(EventRefused) as refused:
        decode(raw(made))
    assert [error.pointer for error in refused.value.errors] == ["/data/to"]
