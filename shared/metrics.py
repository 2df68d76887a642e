"""The registry of metrics: each is declared once, with its kind, unit and one sentence that says what it means.

A module declares its metrics at import; `declared()` lists them for the reference pages. Label values must be few and
never personal: a route, a topic, a reason; not a waybill or a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

Kind = Literal["counter", "gauge", "histogram"]
Unit = Literal[
    "seconds",
    "bytes",
    "events",
    "records",
    "requests",
    "verdicts",
    "entries",
    "notices",
    "fen",
    "count",
    "state",
]

CONTENT_TYPE = CONTENT_TYPE_LATEST
LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Declared:
    """What is known of one metric: its full name, kind, unit, meaning and label names."""

    name: str
    kind: Kind
    unit: Unit
    sentence: str
    labels: tuple[str, ...]


# A `_created` series beside each other one would only double what is stored.
disable_created_metrics()  # type: ignore[no-untyped-call]

_declared: dict[str, Declared] = {}


def counter(name: str, sentence: str, unit: Unit, labels: Sequence[str] = ()) -> Counter:
    """Declare a number that only grows, shown as `faultline_<name>_total`."""
    declared = _declare(name, "counter", sentence, unit, labels)
    return Counter(declared.name, _help(declared), declared.labels)


def gauge(name: str, sentence: str, unit: Unit, labels: Sequence[str] = ()) -> Gauge:
    """Declare a number that goes up and down, shown as `faultline_<name>`."""
    declared = _declare(name, "gauge", sentence, unit, labels)
    return Gauge(declared.name, _help(declared), declared.labels)


def histogram(
    name: str,
    sentence: str,
    unit: Unit,
    labels: Sequence[str] = (),
    *,
    buckets: Sequence[float] = LATENCY_BUCKETS_S,
) -> Histogram:
    """Declare a distribution with the upper bounds `buckets`, in the metric's unit."""
    declared = _declare(name, "histogram", sentence, unit, labels)
    return Histogram(declared.name, _help(declared), declared.labels, buckets=buckets)


def declared() -> list[Declared]:
    """Every metric that the imported modules have declared, by name."""
    return [_declared[name] for name in sorted(_declared)]


def text() -> bytes:
    """All metrics in Prometheus' text format (`CONTENT_TYPE`)."""
    return generate_latest(REGISTRY)


def _declare(name: str, kind: Kind, sentence: str, unit: Unit, labels: Sequence[str]) -> Declared:
    full = f"faultline_{name}"
    if full in _declared:
        raise ValueError(f"The metric {full} is declared twice: import the first declaration.")
    if not sentence.endswith("."):
        raise ValueError(f"The metric {full} needs a sentence with a full stop that says what it means.")
    _declared[full] = Declared(full, kind, unit, sentence, tuple(labels))
    return _declared[full]


def _help(declared: Declared) -> str:
    return f"{declared.sentence} Unit: {declared.unit}."
