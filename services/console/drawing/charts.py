"""Charts: lines over time, columns by day, bars of a ranking. Pure geometry in the units of the SVG's view box."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

LEFT: Final = 52.0
RIGHT: Final = 12.0
TOP: Final = 12.0
BOTTOM: Final = 24.0
SMALLEST: Final = 1e-6
"""What is less is drawn as nothing: powers of ten end before numbers do."""
_TICKS: Final = 4


class Tick(NamedTuple):
    """A mark on an axis: where, and what is written there."""

    at: float
    text: str


class Line(NamedTuple):
    """A series as a path; `last` is where it ends, None where nothing is known."""

    name: str
    path: str
    last: tuple[float, float] | None


class LineChart(NamedTuple):
    """Series over time, now at the right."""

    width: float
    height: float
    lines: list[Line]
    rows: list[Tick]
    columns: list[Tick]


class Column(NamedTuple):
    """One day's column: where it stands, its whole height and how much of it is the part."""

    x: float
    width: float
    y: float
    height: float
    part_y: float
    part_height: float
    text: str
    values: tuple[float, float]


class ColumnChart(NamedTuple):
    """Columns by day, each with the part of it that stands out."""

    width: float
    height: float
    base: float
    columns: list[Column]
    rows: list[Tick]
    days: list[Tick]


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]], *, span_s: float, width: float, height: float
) -> LineChart:
    """The series `(seconds ago, value)`, oldest first; `span_s`: how far back the left edge is."""
    top = scale_top(max((value for points in series.values() for _, value in points), default=0.0))
    inner, base = width - LEFT - RIGHT, height - BOTTOM

    def place(ago: float, value: float) -> tuple[float, float]:
        x = LEFT + inner * (1 - min(1.0, max(0.0, ago / span_s)))
        return round(x, 1), round(base - (base - TOP) * value / top, 1)

    lines = []
    for name, points in series.items():
        placed = [place(*point) for point in points]
        path = " ".join(f"{'L' if n else 'M'}{x:g} {y:g}" for n, (x, y) in enumerate(placed))
        lines.append(Line(name, path, placed[-1] if placed else None))
    minutes = [n * span_s / 5 for n in range(6)]
    columns = [Tick(place(ago, 0)[0], f"{ago / 60:g}") for ago in minutes]
    return LineChart(width, height, lines, _rows(top, base), columns)


def column_chart(
    days: Sequence[tuple[str, float, float]], *, width: float, height: float, labels_max: int = 8
) -> ColumnChart:
    """Columns `(label, whole, part)` beside each other; not every day is labelled where there are many."""
    top = scale_top(max((whole for _, whole, _ in days), default=0.0))
    base = height - BOTTOM
    step = (width - LEFT - RIGHT) / max(1, len(days))
    bar = min(36.0, step * 0.72)

    def tall(value: float) -> float:
        return round((base - TOP) * value / top, 1)

    columns = []
    for number, (text, whole, part) in enumerate(days):
        x = round(LEFT + step * number + (step - bar) / 2, 1)
        high, low = tall(whole), tall(min(part, whole))
        columns.append(Column(x, round(bar, 1), base - high, high, base - low, low, text, (whole, part)))
    every = max(1, math.ceil(len(days) / labels_max))
    marks = [
        Tick(round(column.x + column.width / 2, 1), column.text)
        for number, column in enumerate(columns)
        if number % every == 0
    ]
    return ColumnChart(width, height, base, columns, _rows(top, base), marks)


def share(value: float | None, top: float, width: float) -> float:
    """The length of a bar for `value` where `top` is as long as `width`; something is never drawn as nothing."""
    if not value or top <= 0:
        return 0.0
    return round(max(2.0, width * min(1.0, value / top)), 1)


def scale_top(most: float) -> float:
    """The upper end of an axis: 1, 2, 2.5 or 5 times a power of ten, not below `most`."""
    if most < SMALLEST:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= most * (1 - 1e-9))


def short(value: float) -> str:
    """A number as an axis says it: `1.5k`, `20`, `0.25`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _rows(top: float, base: float) -> list[Tick]:
    return [
        Tick(round(base - (base - TOP) * n / _TICKS, 1), short(round(top * n / _TICKS, 6)))
        for n in range(_TICKS + 1)
    ]
