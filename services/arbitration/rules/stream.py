"""A waybill's events as the rules see them: each once, in the order in which they happened (rules.md §0, design.md §4.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Generic, TypeVar

import msgspec

from services.arbitration.rules.localtime import DAY_S, OFFSET_S, seconds, since_epoch
from shared.events import Event, content_digest

E_co = TypeVar("E_co", bound=Event, covariant=True)
_Key = tuple[str, str]


class Known(msgspec.Struct, Generic[E_co], frozen=True, gc=False):
    """An event that is known: when it happened, to the second, and on which local day."""

    event: E_co
    at: int
    """Seconds since the epoch of its `time`."""
    day: int
    """Local day number of its `time`."""

    @property
    def recorded(self) -> int:
        """Seconds since the epoch of its `recordedtime`."""
        return seconds(self.event.recordedtime or self.event.time)


class Conflict(msgspec.Struct, frozen=True):
    """A second content under a key that is taken: it is not judged, only counted and shown."""

    source: str
    id: str
    kept_digest: str
    refused_digest: str


def distinct(
    events: Sequence[Event], bodies: Sequence[bytes] | None = None
) -> tuple[list[Known[Event]], list[Conflict]]:
    """Each event of one waybill once, in the order of the walk, and what conflicts with them.

    Identity is (source, id). Identical copies count with the earliest `recordedtime`; of conflicting contents the one
    recorded earliest wins, then the smaller content digest. `bodies` are the events' bytes, in the same order: with them
    unknown members count as content too. Any order and repetition of the same events gives the same answer.
    """
    keyed = {(event.source, event.id): event for event in events}
    conflicts: list[Conflict] = []
    if len(keyed) != len(events):
        keyed, conflicts = _resolve(events, bodies)
    rows = [(since_epoch(event.time), *key, event) for key, event in keyed.items()]
    # Source and id tell every two rows apart, so events themselves are never compared.
    rows.sort()
    if _has_ties(rows):
        rows.sort(key=_whole_order)
    return [_known(event, delta) for delta, _, _, event in rows], conflicts


_Row = tuple[timedelta, str, str, Event]


def _known(event: Event, delta: timedelta) -> Known[Event]:
    at = delta.days * DAY_S + delta.seconds
    return Known(event, at, (at + OFFSET_S) // DAY_S)


def _has_ties(rows: Sequence[_Row]) -> bool:
    previous = None
    for row in rows:
        if row[0] == previous:
            return True
        previous = row[0]
    return False


def _whole_order(row: _Row) -> tuple[timedelta, timedelta, str, str]:
    delta, source, event_id, event = row
    return delta, since_epoch(event.recordedtime or event.time), source, event_id


def _resolve(
    events: Sequence[Event], bodies: Sequence[bytes] | None
) -> tuple[dict[_Key, Event], list[Conflict]]:
    """What stands under each key where some keys occur more than once."""
    copies: dict[_Key, list[int]] = {}
    for index, event in enumerate(events):
        copies.setdefault((event.source, event.id), []).append(index)
    keyed: dict[_Key, Event] = {}
    conflicts: list[Conflict] = []
    for key, indexes in copies.items():
        if len(indexes) == 1:
            keyed[key] = events[indexes[0]]
            continue
        ranked = sorted(
            (
                (since_epoch(events[i].recordedtime or events[i].time), _digest(i, events, bodies), i)
                for i in indexes
            ),
            key=lambda copy: copy[:2],
        )
        _, kept, index = ranked[0]
        keyed[key] = events[index]
        refused = sorted({digest for _, digest, _ in ranked} - {kept})
        conflicts += [Conflict(*key, kept.hex(), digest.hex()) for digest in refused]
    return keyed, sorted(
        conflicts, key=lambda conflict: (conflict.source, conflict.id, conflict.refused_digest)
    )


def _digest(index: int, events: Sequence[Event], bodies: Sequence[bytes] | None) -> bytes:
    return content_digest(bodies[index] if bodies is not None else _encode(events[index]))


_encode: Callable[[Event], bytes] = msgspec.json.Encoder().encode
