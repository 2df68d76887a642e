"""Sites beside each other: the scorecards' sums added up for the network, and ranked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

MEASURES: Final = ("late_rate", "losses", "complaints_per_million")
ORDERS: Final = (*MEASURES, "amount_fen", "silent_parcels", "parcels")
_ADDED: Final = ("parcels", "late_parcels", "losses", "complaints", "escalations", "findings", "amount_fen")
_MILLION: Final = 1_000_000
Row = Mapping[str, Any]


class Total(NamedTuple):
    """Rows added up: the sums, and the rates that follow from them; a rate of nothing is None."""

    sums: dict[str, int]
    late_rate: float | None
    complaints_per_million: float | None


def total(rows: Iterable[Row]) -> Total:
    """Rows of any group added up."""
    sums = dict.fromkeys((*_ADDED, "silent_parcels"), 0)
    for row in rows:
        for name in sums:
            sums[name] += int(row.get(name) or 0)
    parcels = sums["parcels"]
    if not parcels:
        return Total(sums, None, None)
    return Total(sums, sums["late_parcels"] / parcels, sums["complaints"] * _MILLION / parcels)


def by_network(rows: Iterable[Row]) -> dict[str, Total]:
    """Totals of each network, by its code."""
    networks: dict[str, list[Row]] = {}
    for row in rows:
        networks.setdefault(row["network"], []).append(row)
    return {network: total(found) for network, found in sorted(networks.items())}


def ranked(rows: Iterable[Row], order: str) -> list[Row]:
    """Sites, the worst first by `order`; those of which it is not known last. What stands on no site is none."""
    sites = [row for row in rows if row["site"] is not None]
    return sorted(
        sites, key=lambda row: (row[order] is None, -(row[order] or 0), row["network"], row["site"])
    )


def tops(rows: Sequence[Row], names: Iterable[str] = MEASURES) -> dict[str, float]:
    """The largest of each measure: the length of a whole bar."""
    return {name: max((float(row[name] or 0) for row in rows), default=0.0) for name in names}


def daily(rows: Iterable[Row], first: date, last: date) -> list[tuple[str, float, float]]:
    """`(day as MM-DD, parcels, late parcels)` of every day from `first` to `last`, those without any included."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row["day"]), []).append(row)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    sums = [(day, total(found.get(day.isoformat(), ())).sums) for day in days]
    return [(f"{day:%m-%d}", float(one["parcels"]), float(one["late_parcels"])) for day, one in sums]
