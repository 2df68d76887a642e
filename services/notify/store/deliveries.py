"""Every statement of the sender: what is to be sent, and what became of it.

A destination that is claimed belongs to one copy until its lease runs out; a notice in hand that becomes void is marked, and
withdrawn when it is given back unsent. Leases go by the time of the database: they are about processes, which a moved clock
must not declare dead.

A statement that locks several notices does so in the order of their ids, or skips those that are locked. Where a batch's
statements still meet a sender's in the other order, the database ends one of the two, and it is done again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Boolean, DateTime, Integer, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.delivery.policy import State
from services.notify.store.tables import array_of
from shared.events.outputs import NoticeData

NOT_IN_HAND = "(in_hand_until IS NULL OR in_hand_until < now())"
"""The condition under which a queued notice may be withdrawn at once: no sender is at it."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A notice to be sent: attempts and rounds as before this one, and the moment it was due."""

    notice: NoticeData
    tries: int
    rounds: int
    due: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A destination in hand with its next notices, in the order they are to be sent. `secrets`: the newest first."""

    network: str
    site: str
    channel: str
    address: str | None
    state: State
    failures: int
    slow: bool
    notices: list[Queued]
    secrets: list[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempted:
    """One notice's attempt: the state it leaves the notice in."""

    notice_id: UUID
    state: str
    at: datetime
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a claim: its attempts, what was not tried, and the destination as it stands now."""

    claim: Claim
    attempts: list[Attempted]
    untried: list[UUID]
    address: str | None
    state: str
    failures: int
    next_attempt_at: datetime | None
    slow: bool
    error: str | None = None
    error_at: datetime | None = None
    success_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A notice whose delivery is over, delivered or failed."""

    notice: NoticeData
    rounds: int
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """How much a claim may take: `good` destinations, of which `slow` may be slow, and notices of each of the two kinds."""

    good: int
    slow: int
    notices: int
    trial_notices: int


async def claim(
    connection: AsyncConnection, channel: str, now: datetime, *, places: Places, holder: UUID, lease_ms: int
) -> tuple[list[Claim], bool]:
    """Take destinations that have something to send, those first that wait longest; True where there may be more."""
    values = {
        "channel": channel,
        "now": now,
        "good": places.good,
        "slow": places.slow,
        "notices": places.notices,
        "trial_notices": places.trial_notices,
        "holder": holder,
        "lease": timedelta(milliseconds=lease_ms),
    }
    claims: dict[tuple[str, str], Claim] = {}
    added = 0
    for row in await connection.execute(_CLAIM, values):
        added = row.added
        if row.notice_id is None:
            continue
        held = claims.get((row.network, row.site))
        if held is None:
            held = Claim(
                row.network,
                row.site,
                channel,
                row.address,
                row.destination_state,
                row.failures,
                row.was_slow,
                [],
                row.secrets or [],
            )
            claims[row.network, row.site] = held
        held.notices.append(Queued(_notice(row), row.tries, row.rounds, row.due))
    return list(claims.values()), added > 0


async def record(
    connection: AsyncConnection, outcomes: Sequence[Outcome], *, holder: UUID, attempts_kept: int
) -> list[Told]:
    """Store what became of claims and give them back; returns the notices that are done with.

    What became void meanwhile and was not delivered is withdrawn.
    """
    attempts = [attempt for outcome in outcomes for attempt in outcome.attempts]
    untried = [notice_id for outcome in outcomes for notice_id in outcome.untried]
    await connection.execute(_LOCK, {"notice_ids": [*(one.notice_id for one in attempts), *untried]})
    told = await _store_attempts(connection, attempts, attempts_kept)
    if untried:
        await connection.execute(_RELEASE, {"notice_ids": untried})
    columns: dict[str, Any] = {
        "network": [one.claim.network for one in outcomes],
        "site": [one.claim.site for one in outcomes],
        "channel": [one.claim.channel for one in outcomes],
    }
    columns |= {name: [getattr(one, name) for one in outcomes] for name in _DESTINATION}
    await connection.execute(_RETURN, {**columns, "holder": holder})
    return told


async def give_up(
    connection: AsyncConnection, before: datetime, now: datetime, *, limit: int, attempts_kept: int
) -> list[Told]:
    """Fail up to `limit` notices that wait for broken destinations and were due `before`."""
    rows = await connection.execute(_OVERDUE, {"before": before, "limit": limit})
    attempts = [
        Attempted(
            row.notice_id,
            "failed",
            now,
            f"Given up unsent: the destination has failed {row.failures} times in a row, the last time: {row.last_error}",
        )
        for row in rows
    ]
    return await _store_attempts(connection, attempts, attempts_kept)


async def withdraw_abandoned(connection: AsyncConnection) -> None:
    """Withdraw what became void in the hands of a copy that never gave it back."""
    await connection.execute(_WITHDRAW_ABANDONED)


async def resend(connection: AsyncConnection, notice_id: UUID, now: datetime) -> int | None:
    """Queue a failed notice again; how often it was queued then, None where it is not failed."""
    result = await connection.execute(_RESEND, {"notice_id": notice_id, "now": now})
    return result.scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a channel. `oldest` is the moment at which the first of those due was due."""

    channel: str
    queued: int
    oldest: datetime | None


async def backlog(connection: AsyncConnection, now: datetime) -> list[Backlog]:
    """What waits, by channel."""
    rows = await connection.execute(_BACKLOG, {"now": now})
    return [Backlog(row.channel, row.queued, row.oldest) for row in rows]


async def _store_attempts(
    connection: AsyncConnection, attempts: Sequence[Attempted], attempts_kept: int
) -> list[Told]:
    if not attempts:
        return []
    columns = {
        "notice_id": [one.notice_id for one in attempts],
        "state": [one.state for one in attempts],
        "attempt": [_attempt(one) for one in attempts],
    }
    rows = await connection.execute(_ATTEMPTED, {**columns, "kept": attempts_kept})
    return [
        Told(_notice(row), row.rounds, row.due) for row in rows if row.is_changed and row.state == row.told
    ]


def _attempt(one: Attempted) -> str:
    shown: dict[str, Any] = {"at": one.at, "outcome": "delivered" if one.state == "delivered" else "failed"}
    if one.detail is not None:
        shown["detail"] = one.detail
    return _encoder.encode(shown).decode()


def _notice(row: Any) -> NoticeData:
    values = {name: getattr(row, name) for name in NoticeData.__struct_fields__}
    return NoticeData(**{**values, "notice_id": str(row.notice_id)})


_encoder = msgspec.json.Encoder()
_NOTICE = ", ".join(f"n.{name}" for name in NoticeData.__struct_fields__)
_DUE = "coalesce(n.send_after, n.created_at)"
_TO_SEND = "n.state = 'queued' AND n.channel <> 'in_app' AND NOT n.void"
_FREE = """(d.held_until IS NULL OR d.held_until < now())
           AND (d.next_attempt_at IS NULL OR d.next_attempt_at <= :now)"""
_TIME = DateTime(timezone=True)

# `waiting` jumps from destination to destination through the index: what waits behind a destination's first notice costs
# nothing. New destinations get their row here and are claimed by the next call.
_CLAIM = text(
    f"""
    WITH RECURSIVE waiting (network, site, due) AS (
        (SELECT n.network, n.site, {_DUE} FROM notices n
         WHERE {_TO_SEND} AND n.channel = CAST(:channel AS text)
         ORDER BY n.channel, n.network, n.site, {_DUE} LIMIT 1)
      UNION ALL
        SELECT further.network, further.site, further.due FROM waiting, LATERAL (
            SELECT n.network, n.site, {_DUE} AS due FROM notices n
            WHERE {_TO_SEND} AND n.channel = CAST(:channel AS text)
              AND (n.network, n.site) > (waiting.network, waiting.site)
            ORDER BY n.channel, n.network, n.site, {_DUE} LIMIT 1) further
    ), added AS (
        INSERT INTO destinations (network, site, channel)
        SELECT w.network, w.site, CAST(:channel AS text) FROM waiting w
        WHERE w.due <= :now AND NOT EXISTS (
            SELECT FROM destinations d
            WHERE d.network = w.network AND d.site = w.site AND d.channel = CAST(:channel AS text))
        ON CONFLICT DO NOTHING RETURNING 1
    ), ready AS (
        SELECT d.network, d.site, d.failures > 0 OR d.slow AS is_slow, w.due,
               row_number() OVER (PARTITION BY d.failures > 0 OR d.slow ORDER BY w.due) AS place
        FROM waiting w JOIN destinations d ON d.network = w.network AND d.site = w.site
        WHERE d.channel = CAST(:channel AS text) AND w.due <= :now AND {_FREE}
    ), held AS (
        SELECT d.* FROM destinations d JOIN ready r ON d.network = r.network AND d.site = r.site
        WHERE d.channel = CAST(:channel AS text) AND {_FREE}
          AND (NOT r.is_slow OR r.place <= CAST(:slow AS integer))
        ORDER BY r.place LIMIT CAST(:good AS integer)
        FOR UPDATE OF d SKIP LOCKED
    ), heads AS MATERIALIZED (
        SELECT next.*, h.address, h.state AS destination_state, h.failures, h.slow AS was_slow
        FROM held h, LATERAL (
            SELECT {_NOTICE}, n.tries, n.rounds, {_DUE} AS due FROM notices n
            WHERE {_TO_SEND} AND n.channel = CAST(:channel AS text)
              AND n.network = h.network AND n.site = h.site AND {_DUE} <= :now
            ORDER BY {_DUE}, n.created_at, n.notice_id
            LIMIT CASE WHEN h.failures > 0 THEN CAST(:trial_notices AS integer) ELSE CAST(:notices AS integer) END
            FOR UPDATE SKIP LOCKED) next
    ), leased AS (
        UPDATE destinations d SET holder = :holder, held_until = now() + CAST(:lease AS interval)
        WHERE d.channel = CAST(:channel AS text) AND (d.network, d.site) IN (SELECT network, site FROM heads)
    ), taken AS (
        UPDATE notices SET in_hand_until = now() + CAST(:lease AS interval)
        WHERE notice_id = ANY (ARRAY(SELECT notice_id FROM heads))
    )
    SELECT heads.*, (SELECT count(*) FROM added) AS added,
           (SELECT array_agg(s.secret ORDER BY s.created_at DESC) FROM webhook_secrets s
            WHERE s.network = heads.network AND s.site = heads.site
              AND (s.expires_at IS NULL OR s.expires_at > :now)) AS secrets
    FROM (VALUES (1)) AS always LEFT JOIN heads ON true
    ORDER BY heads.due, heads.created_at, heads.notice_id
    """
).bindparams(bindparam("now", type_=_TIME), bindparam("holder", type_=Uuid))

_LOCK = text(
    "SELECT FROM notices WHERE notice_id = ANY (:notice_ids) ORDER BY notice_id FOR NO KEY UPDATE"
).bindparams(array_of("notice_ids", Uuid))

_ATTEMPTED = text(
    f"""
    UPDATE notices n
    SET state = CASE WHEN n.state <> 'queued' THEN n.state
                     WHEN n.void AND r.state <> 'delivered' THEN 'withdrawn' ELSE r.state END,
        tries = n.tries + 1,
        attempts = (CASE WHEN jsonb_array_length(n.attempts) >= CAST(:kept AS integer)
                         THEN n.attempts - 0 ELSE n.attempts END) || CAST(r.attempt AS jsonb),
        in_hand_until = NULL,
        changed_xid = CASE WHEN n.state = 'queued' AND (n.void OR r.state <> 'queued')
                           THEN pg_current_xact_id() ELSE n.changed_xid END
    FROM unnest(:notice_id, :state, :attempt) AS r (notice_id, state, attempt)
    WHERE n.notice_id = r.notice_id
    RETURNING {_NOTICE}, n.rounds, {_DUE} AS due, r.state AS told, n.changed_xid = pg_current_xact_id() AS is_changed
    """
).bindparams(array_of("notice_id", Uuid), array_of("state", Text), array_of("attempt", Text))

_RELEASE = text(
    """
    UPDATE notices
    SET in_hand_until = NULL,
        state = CASE WHEN void AND state = 'queued' THEN 'withdrawn' ELSE state END,
        changed_xid = CASE WHEN void AND state = 'queued' THEN pg_current_xact_id() ELSE changed_xid END
    WHERE notice_id = ANY (:notice_ids)
    """
).bindparams(array_of("notice_ids", Uuid))

_DESTINATION: dict[str, Any] = {
    **dict.fromkeys(("address", "state"), Text),
    "failures": Integer,
    "slow": Boolean,
    "next_attempt_at": _TIME,
    "error": Text,
    "error_at": _TIME,
    "success_at": _TIME,
}
_RETURNED = {"network": Text, "site": Text, "channel": Text, **_DESTINATION}
_RETURN = text(
    f"""
    UPDATE destinations d
    SET address = r.address, state = r.state, failures = r.failures, slow = r.slow,
        next_attempt_at = r.next_attempt_at,
        last_error = coalesce(r.error, d.last_error), last_error_at = coalesce(r.error_at, d.last_error_at),
        last_success_at = coalesce(r.success_at, d.last_success_at),
        holder = NULL, held_until = NULL
    FROM unnest({", ".join(f":{name}" for name in _RETURNED)}) AS r ({", ".join(_RETURNED)})
    WHERE d.network = r.network AND d.site = r.site AND d.channel = r.channel AND d.holder = :holder
    """
).bindparams(bindparam("holder", type_=Uuid), *(array_of(name, kind) for name, kind in _RETURNED.items()))

_OVERDUE = text(
    f"""
    SELECT old.notice_id, d.failures, d.last_error FROM destinations d, LATERAL (
        SELECT n.notice_id FROM notices n
        WHERE {_TO_SEND} AND n.channel = d.channel AND n.network = d.network AND n.site = d.site
          AND {_DUE} < :before AND {NOT_IN_HAND}
        ORDER BY {_DUE}, n.created_at, n.notice_id LIMIT CAST(:limit AS integer)
        FOR UPDATE SKIP LOCKED) old
    WHERE d.state = 'broken' LIMIT CAST(:limit AS integer)
    """
).bindparams(bindparam("before", type_=_TIME))

_WITHDRAW_ABANDONED = text(
    f"""
    UPDATE notices SET state = 'withdrawn', in_hand_until = NULL, changed_xid = pg_current_xact_id()
    WHERE notice_id IN (
        SELECT notice_id FROM notices WHERE void AND state = 'queued' AND {NOT_IN_HAND} FOR UPDATE SKIP LOCKED)
    """
)

_RESEND = text(
    """
    UPDATE notices
    SET state = 'queued', tries = 0, rounds = rounds + 1, send_after = :now, in_hand_until = NULL,
        changed_xid = pg_current_xact_id()
    WHERE notice_id = :notice_id AND state = 'failed' AND channel <> 'in_app'
    RETURNING rounds
    """
).bindparams(bindparam("now", type_=_TIME), bindparam("notice_id", type_=Uuid))

_BACKLOG = text(
    f"""SELECT n.channel, count(*) AS queued, min({_DUE}) FILTER (WHERE {_DUE} <= :now) AS oldest
        FROM notices n WHERE {_TO_SEND} GROUP BY n.channel"""
).bindparams(bindparam("now", type_=_TIME))
