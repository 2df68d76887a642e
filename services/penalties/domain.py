"""What a verdict moves in the ledger. Pure double entry: no clock, no storage, no ids of its own making.

The ledger works towards the newest version of a waybill's verdict: what its findings ask for (`target`) less what is
booked (`standing`) is what moves (`difference`). Nothing booked is ever changed; less money is a reversal of the
entries that booked it, newest first.

Sign: a debit means that a site owes more. Over all accounts of a site, frozen ones included, debits less credits on a
waybill are the amounts of its findings there less the awards to it (contract.md §4, penalties).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from shared.events import FINDING_ID_LENGTH_MAX, REFERENCE_LENGTH_MAX
from shared.events.outputs import HEADQUARTERS, Account, Award, Clause, Entry, Finding, VerdictData

MONEY_KINDS = frozenset({"fine", "compensation"})
"""Finding kinds that move money; the others have amount 0 or only entitle, reject or warn."""
CUSTOMERS = frozenset({"sender", "recipient", "beneficiary"})
LARGEST_AMOUNT_FEN = 2**53 - 1
"""Above this, JSON readers that hold numbers as doubles would show another amount."""
ZONE = ZoneInfo("Asia/Shanghai")
"""The networks' zone (rules.md, reading guide): months of the ledger are months there."""

RECEIVABLE, PAYABLE, FROZEN, SETTLED = "receivable", "payable", "frozen", "settled"
HEADQUARTERS_OPEN, HEADQUARTERS_FROZEN = "headquarters", "headquarters_frozen"
COMPENSATION_HELD, COMPENSATION_FROZEN = "compensation_held", "compensation_frozen"
COMPENSATION_PAID = "compensation_paid"
FROZEN_ACCOUNTS = frozenset({FROZEN, HEADQUARTERS_FROZEN}) | {
    f"{COMPENSATION_FROZEN}.{who}" for who in CUSTOMERS
}

EntryKind = Literal["fine", "compensation", "freeze", "release", "settlement", "reversal", "adjustment"]

NO_WAYBILL = "-"
"""Stands for the waybill of an entry that a person booked on none."""
BY_HAND = -1
"""The partition of entries that people booked: no verdict's, with a chain of its own."""

_NETWORK = re.compile(r"[a-z][a-z0-9-]{1,31}")
_WAYBILL = re.compile(r"[A-Z0-9-]{6,32}")
_SITE = re.compile(r"[A-Z0-9-]{2,16}")
_PERIOD = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")
_DIGEST_LENGTH_MAX = 200
_VERSION_MAX = 2**31 - 1
_YEARS = range(2000, 2100)


class Leg(NamedTuple):
    """One movement's two sides: what `debit` owes more, `credit` is owed more."""

    debit: Account
    credit: Account

    def turned(self) -> Leg:
        """The sides exchanged, as a reversal books them."""
        return Leg(self.credit, self.debit)

    @property
    def frozen(self) -> bool:
        """Whether the money stands on frozen accounts: owed, but not settled while an appeal runs."""
        return FROZEN_ACCOUNTS.issuperset((self.debit.account, self.credit.account))

    @property
    def settled(self) -> bool:
        """Whether the site paid this money to the customer itself: it was owed, and is no longer."""
        return SETTLED in (self.debit.account, self.credit.account)


@dataclass(slots=True)
class Target:
    """What one finding's money should stand at: an amount in fen for each leg, none where it moves nothing."""

    rule: str
    kind: EntryKind
    clause: Clause
    settled_privately: bool = False
    legs: dict[Leg, int] = field(default_factory=dict)

    def ask(self, leg: Leg, amount_fen: int) -> None:
        """Ask for `amount_fen` more on `leg`; what would go from an account to itself moves nothing."""
        if amount_fen > 0 and leg.debit != leg.credit:
            self.legs[leg] = self.legs.get(leg, 0) + amount_fen


class Movement(NamedTuple):
    """One entry to be booked, before it has an id, a moment and a period. `reverses` is an earlier entry's id."""

    kind: EntryKind
    finding_id: str
    rule: str
    leg: Leg
    amount_fen: int
    clause: Clause | None
    reverses: str | None = None


class Standing(NamedTuple):
    """An entry that booked money and what later reversals left of it, in fen (> 0)."""

    entry: Entry
    left_fen: int


def target(findings: Iterable[Finding]) -> dict[str, Target]:
    """What the findings of a verdict ask the ledger to hold, by finding id.

    Only fines and compensations that are not revoked ask for money; a frozen one asks for it on frozen accounts.
    """
    targets: dict[str, Target] = {}
    for finding in findings:
        if finding.kind not in MONEY_KINDS or finding.state == "revoked" or finding.site is None:
            continue
        kind: EntryKind = "compensation" if finding.kind == "compensation" else "fine"
        privately = finding.calculation.get("settled_privately") is True
        wanted = targets[finding.finding_id] = Target(finding.rule, kind, finding.clause, privately)
        frozen = finding.state == "frozen"
        debit = Account(FROZEN if frozen else RECEIVABLE, finding.site)
        paid_fen = 0 if frozen else paid_fen_of(finding)
        for award in finding.awards:
            met_fen = min(paid_fen, award.amount_fen) if award.to in CUSTOMERS else 0
            paid_fen -= met_fen
            met = Leg(Account(SETTLED, finding.site), Account(f"{COMPENSATION_PAID}.{award.to}"))
            wanted.ask(met, met_fen)
            owed = Leg(debit, recipient_account(award.to, frozen=frozen))
            wanted.ask(owed, award.amount_fen - met_fen)
    return targets


def paid_fen_of(finding: Finding) -> int:
    """What the liable site has paid of a compensation to the customer itself, in fen; 0 for what is not such a number."""
    paid_fen = finding.calculation.get("paid_fen", 0)
    return paid_fen if type(paid_fen) is int and paid_fen > 0 and finding.kind == "compensation" else 0


def recipient_account(to: str, *, frozen: bool) -> Account:
    """The account that an award's `to` is credited on: a site's, headquarters', or what is held for a customer."""
    if to == HEADQUARTERS:
        return Account(HEADQUARTERS_FROZEN if frozen else HEADQUARTERS_OPEN)
    if to in CUSTOMERS:
        return Account(f"{COMPENSATION_FROZEN if frozen else COMPENSATION_HELD}.{to}")
    return Account(FROZEN if frozen else PAYABLE, to)


def standing(booked: Iterable[Entry]) -> dict[str, list[Standing]]:
    """What is left of the entries booked on a waybill, by finding id, oldest first. `booked` is in booking order."""
    left_fen: dict[str, int] = {}
    charges: dict[str, Entry] = {}
    for entry in booked:
        if entry.reverses is None:
            charges[entry.entry_id] = entry
            left_fen[entry.entry_id] = entry.amount_fen
        else:
            left_fen[entry.reverses] -= entry.amount_fen
    stands: dict[str, list[Standing]] = {}
    for entry_id, entry in charges.items():
        if left_fen[entry_id] > 0:
            stands.setdefault(entry.finding_id, []).append(Standing(entry, left_fen[entry_id]))
    return stands


def difference(findings: Iterable[Finding], booked: Sequence[Entry]) -> list[Movement]:
    """What must be booked so that the ledger holds exactly what `findings` ask for; empty where it does already.

    For each finding first what falls away, then what is added. A finding that was booked and is no longer there is
    treated as revoked.
    """
    targets = target(findings)
    stands = standing(booked)
    movements: list[Movement] = []
    for finding_id in dict.fromkeys((*stands, *targets)):
        movements += _of_finding(finding_id, targets.get(finding_id), stands.get(finding_id, []))
    return movements


def _of_finding(finding_id: str, wanted: Target | None, stands: Sequence[Standing]) -> list[Movement]:
    legs = wanted.legs if wanted else {}
    kept_fen: dict[Leg, int] = {}
    for stand in stands:
        kept_fen[leg_of(stand.entry)] = kept_fen.get(leg_of(stand.entry), 0) + stand.left_fen
    shift = _shift(wanted, kept_fen)

    movements = []
    surplus_fen = {leg: kept - legs.get(leg, 0) for leg, kept in kept_fen.items()}
    for entry, left_fen in reversed(stands):
        leg = leg_of(entry)
        amount_fen = min(left_fen, surplus_fen[leg])
        if amount_fen > 0:
            surplus_fen[leg] -= amount_fen
            kind = shift or "reversal"
            clause = wanted.clause if wanted else entry.clause
            movements.append(
                Movement(kind, finding_id, entry.rule, leg.turned(), amount_fen, clause, entry.entry_id)
            )
    if wanted is not None:
        for leg, wanted_fen in legs.items():
            missing_fen = wanted_fen - kept_fen.get(leg, 0)
            if missing_fen > 0:
                kind = "freeze" if leg.frozen else shift or wanted.kind
                movements.append(Movement(kind, finding_id, wanted.rule, leg, missing_fen, wanted.clause))
    return movements


def _shift(wanted: Target | None, kept_fen: Mapping[Leg, int]) -> EntryKind | None:
    """What a finding's booked money undergoes as a whole, None where it only becomes more or less.

    `freeze` where it goes to the frozen accounts, `release` where it comes back, `settlement` where the site has paid the
    customer, or the sites have settled between themselves.
    """
    if wanted is None or not kept_fen:
        return None
    frozen, was_frozen = {leg.frozen for leg in wanted.legs}, any(leg.frozen for leg in kept_fen)
    if True in frozen and not was_frozen:
        return "freeze"
    if frozen == {False} and was_frozen:
        return "release"
    settled_fen = sum(fen for leg, fen in wanted.legs.items() if leg.settled)
    if settled_fen > sum(fen for leg, fen in kept_fen.items() if leg.settled):
        return "settlement"
    return "settlement" if wanted.settled_privately and not wanted.legs else None


def leg_of(entry: Entry) -> Leg:
    """The two sides of an entry."""
    return Leg(entry.debit, entry.credit)


def month_of(moment: datetime) -> str:
    """The month `yyyy-mm` of `moment` in the networks' zone."""
    return moment.astimezone(ZONE).strftime("%Y-%m")


def month_after(month: str) -> str:
    """The month that follows `month`, both `yyyy-mm`."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def is_period(text: str) -> bool:
    """Whether `text` is a month `yyyy-mm` that the ledger can have."""
    return _PERIOD.fullmatch(text) is not None


def open_period(month: str, closed: Collection[str]) -> str:
    """The period in which what belongs to `month` is booked: `month`, or the one after the last of `closed`.

    Closing a month closes those before it too: what was still booked there would change the closed month's opening balance.
    """
    last = max(closed, default="")
    return month if month > last else month_after(last)


def faults(verdict: VerdictData) -> list[tuple[str, str]]:
    """What makes a verdict unfit for the ledger, as (JSON pointer into `data`, message); empty where it is fit.

    Only what the ledger uses is looked at: a mistake in a reason's text must not stop money.
    """
    found = []
    if not _NETWORK.fullmatch(verdict.network):
        found.append(("/network", "is not a network's code"))
    if not _WAYBILL.fullmatch(verdict.waybill):
        found.append(("/waybill", "is not a waybill's number"))
    if not 1 <= verdict.version <= _VERSION_MAX:
        found.append(("/version", f"must be 1 to {_VERSION_MAX}"))
    if not (0 < len(verdict.digest) <= _DIGEST_LENGTH_MAX and verdict.digest.isprintable()):
        found.append(("/digest", "must be printable text"))
    if verdict.decided_at.tzinfo is None or verdict.decided_at.year not in _YEARS:
        found.append(("/decided_at", f"must have an offset and lie in {_YEARS.start} to {_YEARS.stop - 1}"))
    seen: set[str] = set()
    for index, finding in enumerate(verdict.findings):
        if finding.kind in MONEY_KINDS and finding.state != "revoked":
            if finding.finding_id in seen:
                found.append((f"/findings/{index}/finding_id", "stands twice in this verdict"))
            seen.add(finding.finding_id)
            found += [(f"/findings/{index}{at}", message) for at, message in _finding_faults(finding)]
    return found


def _finding_faults(finding: Finding) -> Iterable[tuple[str, str]]:
    for name, text, length_max in (
        ("finding_id", finding.finding_id, FINDING_ID_LENGTH_MAX),
        ("rule", finding.rule, REFERENCE_LENGTH_MAX),
    ):
        if not 0 < len(text) <= length_max or "\x00" in text:
            yield f"/{name}", f"must have 1 to {length_max} characters, none of them NUL"
    if finding.site is None:
        if finding.amount_fen != 0:
            yield "/site", "is missing: an amount needs a site that owes it"
    elif not _SITE.fullmatch(finding.site):
        yield "/site", "is not a site's code"
    if not 0 <= finding.amount_fen <= LARGEST_AMOUNT_FEN:
        yield "/amount_fen", f"must be 0 to {LARGEST_AMOUNT_FEN}"
    for index, award in enumerate(finding.awards):
        yield from ((f"/awards/{index}{at}", message) for at, message in _award_faults(award))
    awarded_fen = sum(award.amount_fen for award in finding.awards)
    if awarded_fen != finding.amount_fen:
        yield "/awards", f"add up to {awarded_fen} fen, the finding's amount is {finding.amount_fen}"


def _award_faults(award: Award) -> Iterable[tuple[str, str]]:
    if award.to != HEADQUARTERS and award.to not in CUSTOMERS and not _SITE.fullmatch(award.to):
        yield "/to", "is neither a site's code nor hq, sender, recipient or beneficiary"
    if not 0 <= award.amount_fen <= LARGEST_AMOUNT_FEN:
        yield "/amount_fen", f"must be 0 to {LARGEST_AMOUNT_FEN}"
