"""What arbitration publishes about deadlines: who has to do or to know what about a waybill, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from shared.events.outputs import Clause, OutputEvent, Text

DutyKind = Literal[
    "complaint",
    "contact",
    "progress",
    "settle",
    "follow_up",
    "major",
    "flagged",
    "return_request",
    "return_answer",
    "return",
    "hold",
    "return_fee",
    "disposal",
    "forward_notice",
    "answer_notice",
    "report_window",
    "fine",
]
"""`complaint`: a complaint for the site to deal with, nobody's while the site is not known (SD-01). `contact`, `progress`, `settle`, `follow_up`: its clocks (SD-02,
SD-07, SD-03, SD-05). `major`, `flagged`: headquarters is told at once (SD-04, SD-08). `return_request`: the site is asked to
return a parcel (TT-09); `return_answer`: origin is asked what to do (TT-10), or can still say it during a hold (TT-11); `return`: a
paid return to be carried out (TT-13); `hold`: the hold period (TT-11); `return_fee`: a fee to be paid (TT-12); `disposal`: the delivery link may dispose of the goods.
`forward_notice`, `answer_notice`: a damage notice to pass on or to answer (TT-24). `report_window`: the last moment for a report
that the site may want to make. `fine`: a finding that time alone will bring, unless the site acts."""

CHANGED: Final = "duties.changed"
COMPLETE: Final = "duties.complete"
ESCALATED: Final[frozenset[DutyKind]] = frozenset({"contact", "progress", "settle", "follow_up"})
"""The kinds of which it is said, by `duties.complete`, that a missed term is not one whose news is still on its way."""
_LAST_SECOND: Final = timedelta(seconds=1)


class Duty(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that somebody has to do or to know about a waybill.

    A duty without `due_at` is only told. One that was done, or has become void, is no longer among a waybill's duties;
    one that was missed stays until it is done. `hold` and `report_window` end with their term.
    """

    duty_id: str
    """Stable among the waybill's duties: the kind and what it is about, as `contact/C1` or `fine/TT-02/BJ02`."""
    kind: DutyKind
    site: str | None
    """Who has to act, or is told; None where it is a desk, or not known yet."""
    desk: str | None = None
    """The desk that has to act (`follow_up`, `progress`), None where it is a site or headquarters' own desks."""
    begun_at: datetime
    """When it came into being: for what is told at once, the event's moment; for what time alone brings, when it is told."""
    due_at: datetime | None = None
    """The last second in which it is done in time."""
    rule: str | None = None
    complaint_id: str | None = None
    finding_id: str | None = None
    """Of a `fine`: the finding that would come."""
    amount_fen: int | None = None
    """Of a `fine`: what it would cost the site; of a `return_fee`: the fee."""
    reason: Text | None = None
    """Of a `fine`: the reason as the finding would give it."""
    clause: Clause | None = None
    note: str | None = None
    """One word of the contract that tells more: a complaint's category, a major complaint's or a flag's ground, the kind of
    the report or notice whose term ends."""


class DutiesData(msgspec.Struct, frozen=True, kw_only=True):
    """`data` of `duties.changed`: all that is to be done or to be known about one waybill; the newest `revision` counts."""

    network: str
    waybill: str
    revision: int
    """From 1, one more at every change."""
    as_of: datetime
    """The moment of the look that found it."""
    origin: str | None = None
    duties: list[Duty]


class CompleteData(msgspec.Struct, frozen=True, kw_only=True):
    """`data` of `duties.complete`, which comes once a term of an escalated kind is over.

    What the input topics held of the waybills of `partition` at `complete_until` is in the lists that stand before this
    record in the same partition.
    """

    partition: int
    complete_until: datetime


def missed_at(due_at: datetime, as_of: datetime) -> datetime:
    """The moment until which duties must be complete for a term in a list found at `as_of` to be called missed."""
    return max(due_at + _LAST_SECOND, as_of)


def decode_duties(value: bytes) -> tuple[OutputEvent, DutiesData | CompleteData]:
    """Decode a record of `arbitration.duties`. Raises msgspec.MsgspecError where it is not one."""
    event = _envelope.decode(value)
    return event, (_complete if event.type == COMPLETE else _duties).decode(event.data)


_envelope = msgspec.json.Decoder(OutputEvent)
_duties = msgspec.json.Decoder(DutiesData)
_complete = msgspec.json.Decoder(CompleteData)
