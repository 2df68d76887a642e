"""Geometry of the charts, and the sums and ranks that they show."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.console.drawing.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    column_chart,
    line_chart,
    scale_top,
    share,
    short,
)
from services.console.pages.daybooks import counted, grouped, period
from services.console.pages.scorecards import span_of
from services.console.scores import by_network, daily, ranked, tops, total

NUMBERS = st.floats(0, 1e9)


@given(st.lists(st.tuples(st.floats(0, 600), NUMBERS), min_size=1, max_size=40))
def test_lines_stay_in_their_box(points: list[tuple[float, float]]) -> None:
    chart = line_chart({"a": points, "b": []}, span_s=300, width=620, height=240)
    places = [
        (float(x), float(y)) for x, y in re.findall(r"[ML]([\d.e+-]+) ([\d.e+-]+)", chart.lines[0].path)
    ]
    assert len(places) == len(points)
    assert all(LEFT <= x <= 620 - RIGHT and TOP - 0.1 <= y <= 240 - BOTTOM + 0.1 for x, y in places)
    assert chart.lines[1].last is None


@given(st.lists(st.tuples(st.just("03-04"), NUMBERS, NUMBERS), max_size=60))
def test_columns_stand_on_the_base_and_do_not_overlap(days: list[tuple[str, float, float]]) -> None:
    chart = column_chart(days, width=1120, height=240)
    for column in chart.columns:
        assert abs(column.y + column.height - chart.base) < 0.2
        assert column.part_height <= column.height
    starts = [column.x for column in chart.columns]
    assert all(b - a >= chart.columns[0].width - 0.2 for a, b in pairwise(starts))
    assert len(chart.days) <= 9


@given(st.floats(0.001, 1e12))
def test_an_axis_ends_at_a_round_number_not_far_above(most: float) -> None:
    assert most * 0.999 <= scale_top(most) <= most * 2.51


def test_small_things() -> None:
    assert [short(value) for value in (0, 0.25, 20, 1500, 2_000_000)] == ["0", "0.25", "20", "1.5k", "2M"]
    assert (share(None, 5, 100), share(0.0001, 5, 100), share(5, 5, 100)) == (0.0, 2.0, 100.0)
    assert scale_top(0) == 1.0


def score(site: str | None, network: str = "tt", **sums: Any) -> dict[str, Any]:
    given = {"late_rate": 0.0, "losses": 0, "complaints_per_million": None, "parcels": 0, "late_parcels": 0}
    return {"network": network, "site": site, "amount_fen": 0, "silent_parcels": 0, **given, **sums}


def test_sites_are_ranked_the_worst_first_and_the_unknown_last() -> None:
    rows = [
        score("A", late_rate=None),
        score("B", late_rate=0.1),
        score("C", late_rate=0.5),
        score(None, late_rate=9),
    ]
    assert [row["site"] for row in ranked(rows, "late_rate")] == ["C", "B", "A"]
    assert tops(rows[:3])["late_rate"] == 0.5
    assert tops([])["losses"] == 0.0


def test_a_rate_of_nothing_is_not_nought() -> None:
    assert total([]).late_rate is None
    found = by_network([score("A", parcels=4, late_parcels=1), score("B", "zto", parcels=0)])
    assert (found["tt"].late_rate, found["zto"].late_rate) == (0.25, None)


def test_days_without_parcels_are_drawn_as_gaps() -> None:
    rows = [{"day": "2026-03-02", "parcels": 5, "late_parcels": 1}]
    shown = daily(rows, date(2026, 3, 1), date(2026, 3, 3))
    assert shown == [("03-01", 0.0, 0.0), ("03-02", 5.0, 1.0), ("03-03", 0.0, 0.0)]


def test_spans_of_forms() -> None:
    today = date(2026, 3, 4)
    assert period("day", "", today) == (today, today)
    assert period("week", "2026-03-04", today) == (date(2026, 3, 2), date(2026, 3, 8))
    assert period("month", "2026-02-10", today) == (date(2026, 2, 1), date(2026, 2, 28))
    assert period("month", "9999-12-31", today) == (date(2026, 3, 1), date(2026, 3, 31))
    assert span_of("2026-03-01", "2026-03-03", today) == (date(2026, 3, 1), date(2026, 3, 3))
    assert span_of("2026-03-03", "2026-03-01", today)[1] == date(2026, 3, 1)
    assert span_of("x", "y", today) == (date(2026, 2, 5), today)


def test_lines_are_grouped_and_counted() -> None:
    rows: list[dict[str, Any]] = [
        {"courier": "B", "state": "missing"},
        {"courier": None, "state": "missing"},
        {"courier": "A", "state": "problem"},
    ]
    assert [name for name, _ in grouped(rows, "courier")] == ["A", "B", None]
    assert counted(rows, "state") == [("missing", 2), ("problem", 1)]
    assert grouped([], None) == [] == counted([], None)
