"""Where moments lie on a drawing: in their order, far ones pressed together, near ones kept apart."""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

STEP_MIN = 24.0
"""Least distance of two moments that are drawn with a mark of their own."""
_HOUR_S = 3600.0


class Scale:
    """Positions of moments between `left` and at least `right`.

    A gap grows with the logarithm of its time: minutes stay apart beside weeks. Between two of the moments it was made of
    it is linear. Positions are rounded to a tenth, which no eye can tell and which keeps the drawing short.
    """

    def __init__(self, moments: Iterable[datetime], left: float, right: float) -> None:
        self._at = sorted(set(moments))
        gaps = [math.log2(1 + (b - a).total_seconds() / _HOUR_S) for a, b in pairwise(self._at)]
        spare = right - left - STEP_MIN * len(gaps)
        unit = max(6.0, spare / sum(gaps)) if sum(gaps) else 0.0
        self._x = [left]
        for gap in gaps:
            self._x.append(round(self._x[-1] + STEP_MIN + unit * gap, 1))

    @property
    def end(self) -> float:
        """Where the last moment lies."""
        return self._x[-1]

    def __call__(self, moment: datetime) -> float:
        """The position of `moment`, at one of the ends where it lies outside."""
        after = bisect_right(self._at, moment)
        if after == 0 or after == len(self._at):
            return self._x[min(after, len(self._x)) - 1 if after else 0]
        begin, end = self._at[after - 1], self._at[after]
        share = (moment - begin) / (end - begin)
        return round(self._x[after - 1] + share * (self._x[after] - self._x[after - 1]), 1)


def text_width(text: str, size: float) -> float:
    """How wide `text` is at most in a system font of `size`: Chinese characters are square, others narrower."""
    return sum(size if unicodedata.east_asian_width(c) in "WF" else size * 0.62 for c in text)


class Label(NamedTuple):
    """A text at a place, in one of several rows: `row` counts from 0. `anchor` as in SVG."""

    x: float
    row: int
    text: str
    anchor: str = "start"


def in_rows(texts: Sequence[tuple[float, str]], size: float, right: float, gap: float = 10.0) -> list[Label]:
    """Labels for (x, text), each beginning at its x where it fits before `right`, in as few rows as keep them apart."""
    ends: list[float] = []
    placed = []
    for x, text in sorted(texts):
        width = text_width(text, size)
        anchor = "start" if x + width <= right else "end"
        begin = x if anchor == "start" else x - width
        row = next((i for i, end in enumerate(ends) if end + gap <= begin), len(ends))
        if row == len(ends):
            ends.append(0.0)
        ends[row] = begin + width
        placed.append(Label(x, row, text, anchor))
    return placed


def spread(moments: Sequence[tuple[datetime, str]]) -> list[datetime]:
    """Moments for drawing of (moment, lane) in order: what a lane has at one moment is set apart by a microsecond each."""
    taken: set[tuple[datetime, str]] = set()
    placed = []
    for moment, lane in moments:
        while (moment, lane) in taken:
            moment += timedelta(microseconds=1)
        taken.add((moment, lane))
        placed.append(moment)
    return placed
