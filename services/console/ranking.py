"""The monthly ranking of sites by complaints per million parcels (百万票申诉率). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_MILLION = 1_000_000
FEW_PARCELS = 1_000
"""Below so many parcels a rate says little: one complaint is a thousand per million."""


class Ranked(NamedTuple):
    """A site's month. `rank` is shared by equal rates; rates are per million parcels."""

    rank: int
    card: Mapping[str, Any]
    complaints_rate: float
    escalations_rate: float

    @property
    def few(self) -> bool:
        """Whether the rate rests on few parcels."""
        return bool(self.card["parcels"] < FEW_PARCELS)


def ranked(cards: Sequence[Mapping[str, Any]], by: str) -> list[Ranked]:
    """Sites with parcels, the worst first, by the rate of `by`: `escalations` (regulators') or `complaints` (all)."""
    rows: list[tuple[float, float, Mapping[str, Any]]] = [
        (_rate(card["complaints"], card), _rate(card["escalations"], card), card)
        for card in cards
        if card["site"] and card["parcels"]
    ]

    def rates(row: tuple[float, float, Mapping[str, Any]]) -> tuple[float, float]:
        return (row[1], row[0]) if by == "escalations" else (row[0], row[1])

    rows.sort(key=lambda row: (*(-rate for rate in rates(row)), row[2]["site"]))
    found: list[Ranked] = []
    for place, row in enumerate(rows, 1):
        same = bool(found) and rates(row)[0] == rates(rows[place - 2])[0]
        found.append(Ranked(found[-1].rank if same else place, row[2], row[0], row[1]))
    return found


def total(cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The network's sums and rates over all its sites."""
    sums = {name: sum(card[name] for card in cards) for name in ("parcels", "complaints", "escalations")}
    rates = {f"{name}_rate": _rate(sums[name], sums) for name in ("complaints", "escalations")}
    return {**sums, **rates}


def _rate(count: int, card: Mapping[str, Any]) -> float:
    return round(count * _MILLION / card["parcels"], 2) if card["parcels"] else 0.0
