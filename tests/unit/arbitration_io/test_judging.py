"""From the journal's bytes to verdict versions: streams, copies, what makes a new version and what does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.arbitration.casefile import issued_by
from services.arbitration.domain import Facts, load_rulebooks
from services.arbitration.judging import NOTHING_FOUND, Judgement, Judging, digest_of
from services.arbitration.projections.duties import Ahead
from services.arbitration.store.cases import Head
from services.arbitration.store.journal import Stored
from services.arbitration.stream import Stream, StreamTooLong, read_bodies, read_stream
from tests.support.line import event, parcel

SUBJECT = "tiantian/560000000001"
START = datetime(2026, 3, 4, 2, tzinfo=UTC)
NOW = START + timedelta(days=5)
LIMIT = 1_000
Json = dict[str, Any]

WHOLE = parcel(SUBJECT, START)
UNSCANNED = parcel(SUBJECT, START, unscanned="HBJ1")
AHEAD = Ahead(fines=timedelta(hours=3), windows=timedelta(hours=2))
judging = Judging(load_rulebooks(), "test", AHEAD)


def stored(*batches: Sequence[Json], broker_at: datetime | None = None) -> list[Stored]:
    """Journal rows, one for each batch."""
    return [Stored(broker_at, b",".join(json.dumps(one).encode() for one in batch)) for batch in batches]


def judge(
    events: Sequence[Json] | Stream, head: Head | None = None, now: datetime = NOW, *, asked_for: bool = False
) -> Judgement:
    stream = events if isinstance(events, Stream) else read_stream(stored(events), LIMIT)
    return judging.judge(SUBJECT, 3, stream, head, Facts(), now, asked_for=asked_for)


def head_of(judgement: Judgement) -> Head:
    assert judgement.issued is not None
    return judgement.issued.head


def test_a_stream_is_read_in_pieces_with_the_times_of_its_recording() -> None:
    unstamped = [{name: value for name, value in WHOLE[-1].items() if name != "recordedtime"}]
    stream = read_stream([*stored(WHOLE[:3], WHOLE[3:-1]), *stored(unstamped, broker_at=NOW)], LIMIT)
    assert [event.id for event in stream.events] == [one["id"] for one in WHOLE]
    assert stream.events[-1].recordedtime == NOW
    assert stream.bodies is None


def test_bodies_are_read_where_an_id_occurs_twice() -> None:
    pieces = stored(WHOLE, [WHOLE[2]])
    stream = read_stream(pieces, LIMIT)
    assert stream.bodies == read_bodies(pieces)
    assert [json.loads(body) for body in stream.bodies or ()] == [*WHOLE, WHOLE[2]]


def test_too_long_a_stream_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(StreamTooLong, match=f"holds {len(WHOLE)} events"):
        read_stream(stored(WHOLE), len(WHOLE) - 1)
    assert len(read_stream(stored(WHOLE), len(WHOLE)).events) == len(WHOLE)


def test_text_inside_an_event_does_not_count_as_one() -> None:
    spoken = event(
        SUBJECT, "/desks/hq", "complaint.reopened", START, "c", complaint_id="C", text='"specversion"' * 9
    )
    assert len(read_stream(stored([spoken]), 1).events) == 1


def test_what_cannot_be_read_raises() -> None:
    with pytest.raises(msgspec.MsgspecError):
        read_stream([Stored(None, b'{"specversion": "1.0"}')], LIMIT)


def test_the_first_version_is_issued_when_there_is_something_to_say() -> None:
    issued = judge(UNSCANNED).issued
    assert issued is not None
    assert (issued.head.version, issued.head.events, issued.head.decided_at) == (1, len(UNSCANNED), NOW)
    record = json.loads(issued.record)
    assert (record["type"], record["subject"]) == ("verdict.issued", SUBJECT)
    assert record["data"]["digest"] == digest_of(issued.findings) == issued.head.digest
    assert record["data"] == json.loads(issued.head.verdict)


def test_nothing_is_issued_while_there_is_nothing_to_say() -> None:
    unsigned = judge(WHOLE[:5], now=START + timedelta(hours=43))
    assert (unsigned.issued, unsigned.refreshed, unsigned.has_case) == (None, None, False)
    assert unsigned.next_review_at is not None
    assert [e.id for e in unsigned.events] == [one["id"] for one in WHOLE[:5]]
    assert head_of(judge(WHOLE[:5], now=START + timedelta(hours=43), asked_for=True)).version == 1
    assert head_of(judge(WHOLE)).digest == NOTHING_FOUND


def test_the_same_findings_are_the_same_version_however_often_it_is_looked_at() -> None:
    head = head_of(judge(UNSCANNED))
    later = judge([*UNSCANNED, *UNSCANNED[:3]], head, NOW + timedelta(days=1), asked_for=True)
    assert later.issued is None
    assert later.refreshed == head
    more = event(
        SUBJECT,
        "/sites/GZ01",
        "notice.posted",
        START,
        "n",
        notice_id="N",
        site="GZ01",
        to_site="BJ02",
        kind="urge",
    )
    refreshed = judge([*UNSCANNED, more], head).refreshed
    assert refreshed is not None
    assert (refreshed.version, refreshed.events, refreshed.verdict) == (1, head.events + 1, head.verdict)


@given(st.permutations(range(len(UNSCANNED))), st.integers(0, len(UNSCANNED)))
def test_order_and_batches_change_nothing(order: list[int], cut: int) -> None:
    events = [UNSCANNED[i] for i in order]
    pieces = [piece for piece in stored(events[:cut], events[cut:]) if piece.events]
    assert head_of(judge(read_stream(pieces, LIMIT))) == head_of(judge(UNSCANNED))


def test_a_finding_that_falls_away_is_revoked_and_comes_back_as_the_next_version() -> None:
    first = head_of(judge(UNSCANNED))
    second = judge(WHOLE, first)
    assert second.issued is not None
    assert [(f.finding_id, f.state) for f in second.issued.findings] == [("TT-01/HBJ1", "revoked")]
    third = judge(UNSCANNED, second.issued.head)
    assert third.issued is not None
    assert [head.version for head in (first, second.issued.head, third.issued.head)] == [1, 2, 3]
    assert third.issued.head.digest == first.digest
    assert judge(WHOLE, second.issued.head).issued is None


def test_first_issues_follow_the_versions() -> None:
    """As the table of findings has it: what was revoked and came back is issued anew."""
    moments = [NOW, NOW + timedelta(days=1), NOW + timedelta(days=3)]
    first = head_of(judge(UNSCANNED, None, moments[0]))
    second = head_of(judge(WHOLE, first, moments[1]))
    third = head_of(judge(UNSCANNED, second, moments[2]))
    versions = [head.verdict for head in (first, second, third)]
    asked = NOW + timedelta(days=9)
    assert issued_by([], asked) == (0, {})
    assert issued_by(versions[:1], asked) == (1, {"TT-01/HBJ1": moments[0]})
    assert issued_by(versions[:2], asked) == (2, {"TT-01/HBJ1": asked})
    assert issued_by(versions, asked) == (3, {"TT-01/HBJ1": moments[2]})


def test_conflicting_copies_are_told_with_their_own_type_and_bytes() -> None:
    late = (START + timedelta(days=2)).isoformat()
    other = {**WHOLE[2], "recordedtime": late, "data": {**WHOLE[2]["data"], "bag": "B1"}}
    report = event(
        SUBJECT,
        WHOLE[2]["source"],
        "report.filed",
        START,
        WHOLE[2]["id"],
        report_id="R",
        site="HGZ1",
        kind="loss",
    )
    report["recordedtime"] = late
    judgement = judge([*WHOLE, other, other, report])
    assert head_of(judgement).conflicts == 2
    assert head_of(judgement).events == len(WHOLE)
    told = {copy.type: json.loads(copy.value) for copy in judgement.conflicts}
    assert told == {"scan.arrived": other, "report.filed": report}


def test_an_event_ahead_of_the_clock_waits_for_its_moment() -> None:
    soon = NOW + timedelta(minutes=4, milliseconds=300)
    signed = {**WHOLE[-1], "time": soon.isoformat()}
    before = judge([*WHOLE[:-1], signed])
    assert before.next_review_at is not None
    assert soon < before.next_review_at <= soon + timedelta(seconds=1)
    assert head_of(before).events == len(WHOLE)
    assert head_of(before).digest == head_of(judge(WHOLE[:-1])).digest
