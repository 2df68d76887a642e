"""The metrics of the sender."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.notify.store.deliveries import Backlog, Told
from shared import metrics

CHANNELS = ("webhook", "email")
_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 28_800.0, 86_400.0)

attempts = metrics.counter(
    "delivery_attempts",
    "Attempts to deliver a notice, by what they came to.",
    "notices",
    ["channel", "outcome"],
)
_delay = metrics.histogram(
    "delivery_delay_seconds",
    "Time from the moment a notice was made, or was due where that is later, to its delivery.",
    "seconds",
    ["channel"],
    buckets=_BUCKETS_S,
)
_queued = metrics.gauge("delivery_queued", "Notices that wait to be sent.", "notices", ["channel"])
_oldest = metrics.gauge(
    "delivery_oldest_seconds",
    "How long the oldest notice that is due has been waiting.",
    "seconds",
    ["channel"],
)
_destinations = metrics.gauge(
    "delivery_destinations", "Destinations by state: open, broken or ended.", "count", ["channel", "state"]
)


def told(delivered: Sequence[Told], now: datetime) -> None:
    """Note how long deliveries took."""
    for one in delivered:
        if one.notice.state == "delivered":
            _delay.labels(one.notice.channel).observe(max(0.0, (now - one.due).total_seconds()))


def waiting(backlogs: Iterable[Backlog], now: datetime) -> None:
    """Note what waits."""
    found = {one.channel: one for one in backlogs}
    for channel in CHANNELS:
        one = found.get(channel)
        _queued.labels(channel).set(one.queued if one else 0)
        _oldest.labels(channel).set((now - one.oldest).total_seconds() if one and one.oldest else 0)


def destinations(states: Iterable[tuple[str, str, int]]) -> None:
    """Note how destinations fare."""
    found = {(channel, state): count for channel, state, count in states}
    for channel in CHANNELS:
        for state in ("open", "broken", "ended"):
            _destinations.labels(channel, state).set(found.get((channel, state), 0))
