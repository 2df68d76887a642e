"""What intake decides about an event: who may send it, what is stamped on it, whether it is known already. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from shared.events import Event, FieldError, check_time, content_digest

STATUS_INVALID: Final = 422
STATUS_FORBIDDEN: Final = 403
STATUS_CONFLICT: Final = 409
STATUS_TOO_LARGE: Final = 413

T = TypeVar("T")


class Caller(NamedTuple):
    """On whose behalf events are sent. `network` None: any; `any_source`: an operator, who may load for everybody."""

    owner: str
    network: str | None
    any_source: bool
    may_backfill: bool


class Refusal(msgspec.Struct, frozen=True):
    """One event that was not taken. `index` counts the request's events from 0; `id` is None where it cannot be read."""

    index: int
    id: str | None
    status: int
    errors: list[FieldError]


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """What the window keeps of an event: the digest of its content, and the earliest `recordedtime` it came with."""

    digest: bytes
    recordedtime: datetime


class Claim(NamedTuple, Generic[T]):
    """What the window says to an event. `kind` is one of NEW, COPY, CONFLICT.

    `ticket` is set where the first of that id is still on its way: copy or conflict holds once that one is taken.
    """

    kind: str
    ticket: T | None = None


NEW: Final = "new"
COPY: Final = "copy"
CONFLICT: Final = "conflict"
_NEW: Final[Claim[Any]] = Claim(NEW)
_COPY: Final[Claim[Any]] = Claim(COPY)


class IdWindow(Generic[T]):
    """The ids of recent events: at least the last `size` / 2, at most `size`, and those on their way.

    An id is known only once `settle` said that the broker has it; until then it belongs to the ticket that claimed it.
    """

    def __init__(self, size: int) -> None:
        self._half = max(1, size // 2)
        self._newer: dict[str, Recorded] = {}
        self._older: dict[str, Recorded] = {}
        self._on_the_way: dict[str, tuple[Recorded, T]] = {}

    def __len__(self) -> int:
        """The number of ids known, not counting those on their way."""
        return len(self._newer) + len(self._older)

    def claim(self, key: str, recorded: Recorded, ticket: T, *, backfill: bool = False) -> Claim[T]:
        """Ask for `key`. NEW: it is this ticket's, to be given back by `settle` or `release`.

        With `backfill`, a copy with an earlier `recordedtime` is NEW too: it is passed on (contract.md §1).
        """
        pending = self._on_the_way.get(key)
        if pending is not None:
            first, holder = pending
            if first.digest != recorded.digest:
                return Claim(CONFLICT, holder)
            if backfill and recorded.recordedtime < first.recordedtime:
                return _NEW
            return Claim(COPY, holder)
        known = self._newer.get(key) or self._older.get(key)
        if known is not None:
            if known.digest != recorded.digest:
                return Claim(CONFLICT)
            if not (backfill and recorded.recordedtime < known.recordedtime):
                return _COPY
        self._on_the_way[key] = (recorded, ticket)
        return _NEW

    def settle(self, taken: Iterable[tuple[str, Recorded]], ticket: T) -> None:
        """Know these ids from now on: the broker has acknowledged the events that `ticket` claimed."""
        for key, recorded in taken:
            self._forget_claim(key, ticket)
            known = self._newer.get(key) or self._older.get(key)
            if known is not None and known.recordedtime <= recorded.recordedtime:
                continue
            if len(self._newer) >= self._half:
                self._older, self._newer = self._newer, {}
            self._newer[key] = recorded

    def release(self, keys: Iterable[str], ticket: T) -> None:
        """Give back what `ticket` claimed: the broker did not acknowledge it, so it may come again."""
        for key in keys:
            self._forget_claim(key, ticket)

    def _forget_claim(self, key: str, ticket: T) -> None:
        pending = self._on_the_way.get(key)
        if pending is not None and pending[1] is ticket:
            del self._on_the_way[key]


def window_key(event: Event) -> str:
    """The deduplication key of contract.md §1. No part of it can hold the separator."""
    return f"{event.subject}\n{event.source}\n{event.id}"


def refuse(event: Event, caller: Caller, now: datetime) -> tuple[int, list[FieldError]] | None:
    """Why this caller's well-formed event is not taken, with the status of its item; None where it is."""
    if not caller.any_source and event.source != caller.owner:
        return STATUS_FORBIDDEN, [
            FieldError("/source", f"The key belongs to {caller.owner}: it speaks for nobody else")
        ]
    if caller.network is not None and event.network != caller.network:
        message = (
            f"The key belongs to the network {caller.network}: it sends nothing about parcels of another"
        )
        return STATUS_FORBIDDEN, [FieldError("/subject", message)]
    if event.recordedtime is not None and not caller.may_backfill:
        message = "Intake stamps it: leave it out, or use a key with the scope backfill"
        return STATUS_INVALID, [FieldError("/recordedtime", message)]
    error = check_time(event, now)
    return None if error is None else (STATUS_INVALID, [error])


def recorded(event: Event, value: bytes, now: datetime) -> Recorded:
    """What the window keeps of an event that is taken at `now`."""
    return Recorded(content_digest(value), event.recordedtime or now)


class Stamp:
    """Writes one `recordedtime` on events that have none."""

    def __init__(self, now: datetime) -> None:
        text = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._tail = b',"recordedtime":"%b"}' % text.encode()

    def on(self, value: bytes) -> bytes:
        """The event's bytes with the stamp as their last member, all else unchanged."""
        if b'"recordedtime"' in value or b"\\u" in value:
            value = _without_recordedtime(value)
        return value.rstrip()[:-1] + self._tail


def _without_recordedtime(value: bytes) -> bytes:
    """The same event without an empty `recordedtime`: a member must not stand there twice."""
    members = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    if members.pop("recordedtime", None) is None:
        return value
    return msgspec.json.encode(members)
