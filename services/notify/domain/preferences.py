"""How a site wants to be told: by which channels, and when not to be disturbed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, Literal

from services.notify.domain.occasions import GATHERED, OCCASIONS, Group, Occasion

Channel = Literal["in_app", "webhook", "email"]


@dataclass(frozen=True, slots=True)
class Quiet:
    """Local times between which nothing is sent that can wait; `begins` after `ends` spans midnight."""

    begins: time
    ends: time


@dataclass(frozen=True, slots=True)
class Digest:
    """When gathered e-mails leave: every `minutes`, or daily at a local time. With neither each leaves by itself."""

    minutes: int | None = None
    daily_at: time | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a site has chosen. A group that is not named comes by every channel; `digest` None is the usual one."""

    channels: Mapping[Group, tuple[Channel, ...]] = field(default_factory=dict)
    quiet: Quiet | None = None
    digest: Digest | None = None

    def channels_for(self, occasion: str) -> tuple[Channel, ...]:
        """The channels wanted besides the application's list."""
        return self.channels.get(OCCASIONS[occasion].group, ("webhook", "email"))


USUAL: Final = Wishes()


def ways(
    occasion: str,
    wishes: Wishes,
    reachable: Iterable[Channel],
    *,
    now: datetime,
    due_at: datetime | None,
    usual: Digest,
    zone: tzinfo,
) -> list[tuple[Channel, datetime | None]]:
    """The channels for a notice, each with the moment before which it is not sent; None: at once.

    In the application always and at once. Nothing waits beyond a `due_at` that is still to come.
    """
    kind = OCCASIONS[occasion]
    wanted = wishes.channels_for(occasion)
    chosen: list[tuple[Channel, datetime | None]] = []
    for channel in reachable:
        if channel == "in_app":
            chosen.append((channel, None))
        elif channel in wanted:
            at = now if kind.pressing else _send_at(channel, kind, wishes, now, usual, zone)
            waits = at > now and (due_at is None or due_at <= now or at < due_at)
            chosen.append((channel, at if waits else None))
    return chosen


def _send_at(
    channel: Channel, kind: Occasion, wishes: Wishes, now: datetime, usual: Digest, zone: tzinfo
) -> datetime:
    at = now
    if channel == "email" and kind.group in GATHERED:
        at = _gathered_until(now, wishes.digest or usual, zone)
    return _after_quiet(at, wishes.quiet, zone) if wishes.quiet else at


def _gathered_until(now: datetime, digest: Digest, zone: tzinfo) -> datetime:
    """The next moment at which the digest leaves: the same one for all that is gathered, so that it goes together."""
    if digest.daily_at is not None:
        today = datetime.combine(now.astimezone(zone).date(), digest.daily_at, zone)
        return today if today > now else today + timedelta(days=1)
    if digest.minutes:
        step = timedelta(minutes=digest.minutes)
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return now - (now - epoch) % step + step
    return now


def _after_quiet(at: datetime, quiet: Quiet, zone: tzinfo) -> datetime:
    """`at`, or the end of the quiet hours that it lies in."""
    local = at.astimezone(zone)
    begins = datetime.combine(local.date(), quiet.begins, zone)
    if quiet.begins > quiet.ends and local.time() < quiet.ends:
        begins -= timedelta(days=1)
    ends = datetime.combine(begins.date(), quiet.ends, zone)
    if ends <= begins:
        ends += timedelta(days=1)
    return ends if begins <= at < ends else at
