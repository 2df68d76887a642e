"""The drawing of custody: nothing overlaps, nothing leaves its frame, what is late, missing or due is where it belongs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.drawing.scale import STEP_MIN, Scale, in_rows, spread, text_width
from services.console.drawing.terms import late_of, moment_of, terms_of
from services.console.drawing.timeline import NAMES_WIDTH, TEXT_SIZE, Moment, Timeline, draw

ZONE = ZoneInfo("Asia/Shanghai")
BEGIN = datetime(2026, 3, 1, 2, tzinfo=UTC)
moments = st.integers(0, 31_536_000).map(lambda seconds: BEGIN + timedelta(seconds=seconds))


def event(kind: str, site: str, at: datetime, number: int = 0, **data: Any) -> dict[str, Any]:
    source = site if site.startswith("/") else f"/sites/{site}"
    return {
        "id": f"{kind}-{number}",
        "source": source,
        "type": kind,
        "time": at.isoformat(),
        "data": {"site": site, **data},
    }


def link(
    site: str, role: str, received: datetime | None, released: datetime | None, by: str
) -> dict[str, Any]:
    return {
        "site": site,
        "role": role,
        "leg": "forward",
        "received_at": received and received.isoformat(),
        "released_at": released and released.isoformat(),
        "received_by": by,
    }


def finding(rule: str, site: str | None, state: str = "active", **calculation: Any) -> dict[str, Any]:
    return {"rule": rule, "site": site, "kind": "fine", "state": state, "calculation": calculation}


def hours(count: float) -> datetime:
    return BEGIN + timedelta(hours=count)


def late_parcel() -> Timeline:
    """A parcel that its hub kept two days too long, and that the last outlet never scanned on arrival."""
    events = [
        event("scan.collected", "GZ01", hours(0)),
        event("scan.departed", "GZ01", hours(8)),
        event("scan.arrived", "HUB-A", hours(20), via="bag"),
        event("scan.departed", "HUB-A", hours(100)),
        event("signature.recorded", "BJ02", hours(130)),
        event("complaint.opened", "/desks/care", hours(131)),
    ]
    custody = [
        link("GZ01", "origin", hours(0), hours(8), "collection"),
        link("HUB-A", "transit", hours(20), hours(100), "bag"),
        link("BJ02", "delivery", None, hours(130), "none"),
    ]
    stages = [{"stage": "transit", "due": "2026-03-02", "until": "2026-03-05", "days": 3}]
    findings = [
        finding("TT-04", "HUB-A", stages=stages),
        finding("TT-01", "BJ02"),
        finding("TT-02", "GZ01", "revoked"),
    ]
    drawn = draw(custody, findings, events, [Moment(hours(200), "review", "下次复核")], ZONE)
    assert drawn is not None
    return drawn


def test_lanes_are_the_chain_and_then_who_else_spoke() -> None:
    lanes = late_parcel().lanes
    assert [(lane.name, lane.role, lane.rules) for lane in lanes] == [
        ("GZ01", "origin", ()),
        ("HUB-A", "transit", ("TT-04",)),
        ("BJ02", "delivery", ("TT-01",)),
        ("/desks/care", "", ()),
    ]


def test_what_was_late_and_what_is_missing() -> None:
    drawn = late_parcel()
    y = {lane.name: lane.y for lane in drawn.lanes}
    late = next(bar for bar in drawn.bars if bar.kind == "late")
    held = next(bar for bar in drawn.bars if bar.kind == "held" and bar.y == y["HUB-A"])
    assert (late.y, late.rule) == (y["HUB-A"], "TT-04")
    assert held.x < late.x
    assert late.x + late.width == pytest.approx(held.x + held.width, abs=0.2), "it was late until it let go"
    assert [bar.y for bar in drawn.bars if bar.kind == "gap"] == [y["BJ02"]]
    assert [way.sure for way in drawn.ways] == [True, False]
    assert [mark.shape for mark in drawn.marks][2] == "arrived_bag"
    assert {line.kind: line.label.text for line in drawn.lines} == {
        "term": "TT-04 HUB-A",
        "review": "下次复核",
    }


def test_nothing_to_draw() -> None:
    assert draw([], [], [], [], ZONE) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("scan.arrived", "scan.departed", "report.filed", "unknown.type")),
            st.sampled_from(("GZ01", "HUB-A", "BJ02", "/desks/care")),
            moments,
        ),
        min_size=1,
        max_size=60,
    ),
    st.lists(moments, max_size=6),
)
def test_marks_of_a_lane_and_labels_of_a_row_never_overlap(
    told: list[tuple[str, str, datetime]], due: list[datetime]
) -> None:
    events = [
        event(kind, site, at, number)
        for number, (kind, site, at) in enumerate(sorted(told, key=lambda one: one[2]))
    ]
    drawn = draw([], [], events, [Moment(at, "review", "下次复核 GZ01") for at in due], ZONE)
    assert drawn is not None
    assert len(drawn.marks) == len(events)
    assert all(NAMES_WIDTH < mark.x < drawn.width for mark in drawn.marks)
    assert all(drawn.head < mark.y < drawn.height for mark in drawn.marks)
    for lane in drawn.lanes:
        places = sorted(mark.x for mark in drawn.marks if mark.y == lane.y)
        assert all(b - a >= STEP_MIN - 0.11 for a, b in pairwise(places))
    spans = sorted((line.label.row, *span(line.label)) for line in drawn.lines)
    assert all(a[0] != b[0] or a[2] <= b[1] for a, b in pairwise(spans))
    assert all(begin >= 0 and end <= drawn.width for _, begin, end in spans)
    assert all(b.x - a.x >= 44 - 0.01 for a, b in pairwise(drawn.days))
    assert all(day.x + text_width(day.text, 11) <= drawn.width for day in drawn.days)


def span(label: Any) -> tuple[float, float]:
    width = text_width(label.text, TEXT_SIZE)
    return (label.x, label.x + width) if label.anchor == "start" else (label.x - width, label.x)


@given(st.lists(moments, min_size=1, max_size=40), moments)
def test_a_scale_keeps_the_order(at: list[datetime], other: datetime) -> None:
    scale = Scale(at, 100, 1_000)
    placed = [scale(one) for one in sorted(set(at))]
    assert placed[0] == 100
    assert placed[-1] == pytest.approx(scale.end)
    assert all(b - a >= STEP_MIN - 0.11 for a, b in pairwise(placed))
    assert 100 <= scale(other) <= scale.end
    assert all((scale(one) <= scale(other)) == (one <= other) or scale(one) == scale(other) for one in at)


def test_events_of_one_lane_at_one_moment_are_set_apart() -> None:
    at = [(BEGIN, "A"), (BEGIN, "A"), (BEGIN, "B")]
    first, second, other = spread(at)
    assert first < second
    assert other == first


def test_labels_end_at_the_frame() -> None:
    labels = in_rows([(90, "long label"), (10, "a"), (12, "b")], 10, 100)
    assert [(label.row, label.anchor) for label in labels] == [(0, "start"), (1, "start"), (0, "end")]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02", "2026-03-03T00:00:00+08:00"),
        ("2026-03-02 12:00", "2026-03-02T12:00:00+08:00"),
        ("2026-03-02 12:00:05", "2026-03-02T12:00:05+08:00"),
        ("2026-13-02", None),
        ("9999-12-31", None),
        ("GZ01", None),
        (5, None),
    ],
)
def test_days_and_moments_of_calculations(text: object, moment: str | None) -> None:
    found = moment_of(text, ZONE)
    assert (found and found.isoformat()) == moment


def test_terms_are_found_wherever_a_calculation_names_them() -> None:
    findings = [
        finding("TT-02", "BJ02", entry_due="2026-03-02 12:00"),
        finding("GB-03", "BJ02", missing=[{"party": "recipient", "by": "2026-03-04 11:51:07"}]),
        finding("TT-08", "BJ02", by="GZ01"),
        finding("GB-01", None, last_day="2026-03-08"),
    ]
    assert [(term.rule, term.at.isoformat()) for term in terms_of(findings, ZONE)] == [
        ("TT-02", "2026-03-02T12:00:00+08:00"),
        ("GB-03", "2026-03-04T11:51:07+08:00"),
        ("GB-01", "2026-03-09T00:00:00+08:00"),
    ]
    assert late_of([finding("X", None, stages=[{"due": "2026-03-01", "until": "2026-03-02"}])], ZONE) == []
