"""What the services publish: verdicts, postings and notices, and the parts they are made of (contract.md §2 and §4)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

FindingKind = Literal["fine", "compensation", "liability", "entitlement", "rejection", "alert"]
FindingState = Literal["active", "provisional", "frozen", "revoked"]
FindingRole = Literal["origin", "transit", "delivery", "reporter", "other"]
HEADQUARTERS = "hq"
SENDER = "sender"
"""Recipients of money that are no sites: headquarters, and the customer who sent the parcel."""


class Award(msgspec.Struct, frozen=True):
    """Who receives how much of a finding's amount. `to` is a site, `hq`, `sender`, `recipient` or `beneficiary`."""

    to: str
    amount_fen: int


class EvidenceRef(msgspec.Struct, frozen=True):
    """One event that a finding rests on. `late_recorded`: recorded long after it is said to have happened."""

    source: str
    id: str
    late_recorded: bool = False


class Text(msgspec.Struct, frozen=True):
    """One sentence in Chinese and English."""

    zh: str
    en: str


class Clause(msgspec.Struct, frozen=True):
    """The source document (its first three digits, or `officer`) and the words of the clause."""

    source: str
    text: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One decided fault, duty missed, rejection or entitlement (contract.md §4)."""

    finding_id: str
    rule: str
    kind: FindingKind
    site: str | None
    person: str | None = None
    role: FindingRole
    amount_fen: int
    awards: list[Award] = []
    state: FindingState = "active"
    evidence: list[EvidenceRef] = []
    assumed: list[str] = []
    calculation: dict[str, Any] = {}
    reason: Text
    clause: Clause
    ruling: bool = False
    """Whether an officer's ruling or appeal decision stands here instead of the rule's own result."""
    exemptions: list[str] = []
    """Exemptions of many that touched this finding."""
    triggered_at: datetime
    """The event that triggered the finding: complaint, report, escalation, or the duty's own moment."""


class RulebookRef(msgspec.Struct, frozen=True):
    """The rulebook that judged: its id, the date its block is in force from, and the digest of its data."""

    id: str
    in_force_from: str
    digest: str


class VerdictData(msgspec.Struct, frozen=True, kw_only=True):
    """`data` of `verdict.issued`: one version of a waybill's verdict, whole, revoked findings included."""

    network: str
    waybill: str
    version: int
    decided_at: datetime
    rulebook: RulebookRef
    code_version: str
    digest: str
    """`sha256:` of the findings; the same version with another digest is an alarm."""
    status: Literal["clear", "open", "decided", "appealed", "closed"]
    findings: list[Finding]
    origin: str | None = None
    """The collecting site, for those whom a notice concerns."""


class Account(msgspec.Struct, frozen=True, omit_defaults=True):
    """One side of an entry. `site` is absent for headquarters' accounts."""

    account: str
    site: str | None = None


class ChainLink(msgspec.Struct, frozen=True):
    """An entry's place in the chain of its network and partition, from 1, and the hash over everything up to it."""

    partition: int
    position: int
    hash: str


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One balanced ledger entry (contract.md §4, penalties). `amount_fen` > 0."""

    entry_id: str
    kind: str
    posted_at: datetime
    period: str
    network: str
    waybill: str
    finding_id: str
    version: int
    rule: str
    debit: Account
    credit: Account
    amount_fen: int
    reverses: str | None = None
    belongs_to: str | None = None
    """The month of `posted_at`, where that period was closed and the entry stands in a later one."""
    clause: Clause | None = None
    """The clause by which the money moved, as the verdict gave it."""
    note: str | None = None
    """Why a person booked it; none where a verdict did."""
    chain: ChainLink | None = None


class PeriodData(msgspec.Struct, frozen=True, kw_only=True):
    """`data` of `period.closed`: a network's month was made final; its statements stand."""

    network: str
    period: Annotated[str, msgspec.Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
    """`yyyy-mm`"""
    closed_at: datetime
    closed_by: str
    debits_fen: int
    credits_fen: int


class NoticeData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`data` of `notice.*`: the notice as `GET /v1/notices` shows it, without its attempts."""

    notice_id: str
    occasion: str
    network: str
    site: str
    waybill: str | None = None
    finding_id: str | None = None
    version: int | None = None
    channel: Literal["in_app", "webhook", "email"]
    state: Literal["queued", "delivered", "failed", "acknowledged", "withdrawn"]
    language: Literal["zh", "en"]
    title: str
    body: str
    due_at: datetime | None = None
    created_at: datetime


class OutputEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The CloudEvents envelope of what a service publishes. `source` is `/services/<name>`."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: msgspec.Raw


def decode_verdict(value: bytes) -> tuple[OutputEvent, VerdictData]:
    """Decode a record of `arbitration.verdicts`. Raises msgspec.MsgspecError where it is not one."""
    event = _envelope.decode(value)
    return event, _verdict.decode(event.data)


def decode_period(value: bytes) -> tuple[OutputEvent, PeriodData]:
    """Decode a record of `penalties.periods`. Raises msgspec.MsgspecError where it is not one."""
    event = _envelope.decode(value)
    return event, _period.decode(event.data)


_envelope = msgspec.json.Decoder(OutputEvent)
_verdict = msgspec.json.Decoder(VerdictData)
_period = msgspec.json.Decoder(PeriodData)
