"""The kinds of value that event data is made of (contract.md §1 and §3).

Patterns stand in the JSON Schema only: while decoding they would cost a regular expression per member. The forms they
state are checked by `shared.events.checks` against what has been seen before.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias, TypeVar

from msgspec import Meta

SITE_PATTERN = r"[A-Z0-9-]{2,16}"
SUBJECT_PATTERN = r"[a-z][a-z0-9-]{1,31}/[A-Z0-9-]{6,32}"
SOURCE_PATTERN = rf"/(?:sites/{SITE_PATTERN}|desks/[A-Za-z0-9][A-Za-z0-9._-]{{0,63}}|regulators/[A-Za-z0-9][A-Za-z0-9._-]{{0,63}})"
ID_LENGTH_MAX = 64
REFERENCE_LENGTH_MAX = 200
FINDING_ID_LENGTH_MAX = 2 * REFERENCE_LENGTH_MAX + 32
"""A finding's id is its rule, its site and often the id of a complaint, a report, a ruling and the like."""
FEN_MAX = 2**53

T = TypeVar("T")

PERSONAL = "personal"
Personal = Annotated[T, Meta(extra={PERSONAL: True}, extra_json_schema={"x-personal": True})]
"""Marks what tells about a person: never in reasons, logs, metrics or ids, so that it can be erased."""

EventId = Annotated[str, Meta(min_length=1, max_length=ID_LENGTH_MAX)]
Source = Annotated[str, Meta(extra_json_schema={"pattern": f"^{SOURCE_PATTERN}$"})]
Subject = Annotated[str, Meta(extra_json_schema={"pattern": f"^{SUBJECT_PATTERN}$"})]

SITE = "site"
Site = Annotated[str, Meta(extra={SITE: True}, extra_json_schema={"pattern": f"^{SITE_PATTERN}$"})]
"""A site's code within its network."""

Payee = Annotated[str, Meta(pattern=rf"^(?:{SITE_PATTERN}|hq|sender|recipient|beneficiary)(?!\n)$")]
"""Who receives money: a site, headquarters or a customer's role. Checked while decoding: rulings are rare."""

Moment = Annotated[datetime, Meta(tz=True)]
"""A moment with its offset."""

Day: TypeAlias = date

Fen = Annotated[int, Meta(ge=0, le=FEN_MAX)]
"""Money in integer fen, not negative, exact also for programs that count in doubles."""

Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Ordinal = Annotated[int, Meta(ge=1, le=1_000_000)]
Reference = Annotated[str, Meta(min_length=1, max_length=REFERENCE_LENGTH_MAX)]
"""The id of a complaint, report, notice, finding and the like."""
FindingId = Annotated[str, Meta(min_length=1, max_length=FINDING_ID_LENGTH_MAX)]

ComplaintCategory = Literal[
    "signed_not_received",
    "false_signature",
    "dispatch_delay",
    "delay",
    "loss",
    "damage",
    "shortage",
    "misdelivery",
    "untimely_compensation",
    "attitude",
    "no_invoice",
    "no_door_delivery",
    "overcharge",
    "other",
]
Claimant = Literal["sender", "recipient", "beneficiary"]
