"""Complaints that come after the internal arbitration window: origin and the liable link share: ZT-08 (000 三)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from services.arbitration.rules.case import ROLE_NAMES, Case, yuan
from services.arbitration.rules.complaints import CATEGORY_NAMES
from services.arbitration.rules.harm import chain_of_loss, damage_statement, normal_signature, reappeared
from services.arbitration.rules.liability import Blame, damage, loss
from services.arbitration.rules.localtime import say_day
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from services.arbitration.rules.value import Worth, worth
from services.arbitration.rules.zto.complained import transfers
from shared.events import CompensationSettledPrivately, ComplaintOpened, ScanDeparted
from shared.events.outputs import SENDER, Award, Finding, FindingRole

_CLAIMS: Final = frozenset({"damage", "shortage", "loss"})
_PERCENT: Final = 100


class Share(NamedTuple):
    """What one site bears; `text` names the sentence, `other` the site that bears the rest."""

    site: str
    role: FindingRole
    amount_fen: int
    text: str
    other: str


class Window(NamedTuple):
    """The first claim and the last day of the window, which it missed."""

    complaint: Known[ComplaintOpened]
    start: Known[Any]
    last: int


def zt_08(case: Case, rule: Rule) -> Iterable[Finding]:
    """The first claim is later than the window: origin bears all, or shares with a transit or delivery link that is liable."""
    complaint = _first_claim(case)
    terms = rule.on(complaint.day) if complaint is not None else None
    origin = case.custody.origin
    if complaint is None or terms is None or origin is None or origin.collected is None:
        return ()
    departures = [known for known in case.of(ScanDeparted) if known.event.data.site == origin.site]
    start: Known[Any] = departures[0] if departures else origin.collected
    window = Window(complaint, start, start.day + terms["window_days"])
    if complaint.day <= window.last:
        return ()
    blame = _clearly_liable(case, complaint)
    goods = worth(case, complaint.day)
    shares = _shares(origin.site, blame, goods, terms)
    return [_finding(case, rule, terms, window, blame, goods, share) for share in shares]


def _first_claim(case: Case) -> Known[ComplaintOpened] | None:
    """The first complaint of damage, shortage or loss; a loss that turned up again counts as a delay (rules.md §7)."""
    for known in case.of(ComplaintOpened):
        category = known.event.data.category
        if category == "loss" and reappeared(case, known):
            continue
        if category in _CLAIMS:
            return known
    return None


def _clearly_liable(case: Case, complaint: Known[ComplaintOpened]) -> Blame | None:
    """The link that answers by rules.md §1.2; None where the parcel was signed for normally, or nobody is found."""
    is_loss = complaint.event.data.category == "loss"
    custody = chain_of_loss(case, complaint) if is_loss else case.custody
    if normal_signature(custody, complaint.at) is not None and (
        is_loss or damage_statement(case, custody) is None
    ):
        return None
    return loss(case, custody) if is_loss else damage(case, complaint.at, custody)


def _shares(origin: str, blame: Blame | None, goods: Worth, terms: Terms) -> list[Share]:
    """Who bears how much; while no proof is known, every share is open (0)."""
    whole = goods.amount_fen
    if blame is None or blame.link.site == origin:
        shares = [Share(origin, "origin", whole or 0, "unclear" if blame is None else "origin", origin)]
    else:
        link = blame.link
        borne = 0 if whole is None else min(_half(whole, terms), _half(terms["internal_standard_fen"], terms))
        shares = [
            Share(link.site, link.role, borne, "liable", origin),
            Share(origin, "origin", (whole or 0) - borne, "rest", link.site),
        ]
    return shares if whole is None else [share for share in shares if share.amount_fen]


def _half(amount_fen: int, terms: Terms) -> int:
    """The share of an amount, half up to the fen."""
    return (amount_fen * terms["share_percent"] + _PERCENT // 2) // _PERCENT


def _finding(
    case: Case, rule: Rule, terms: Terms, window: Window, blame: Blame | None, goods: Worth, share: Share
) -> Finding:
    complaint = window.complaint
    paid = [known for known in transfers(case) if known.event.data.site == case.custody.origin_site]
    settled = case.of(CompensationSettledPrivately)
    pending = goods.amount_fen is None
    amount_fen = 0 if settled else share.amount_fen
    to = _recipient(case, complaint, share, reimbursed=bool(paid))
    calculation: dict[str, Any] = {
        **goods.calculation,
        "days_after_start": complaint.day - window.start.day,
        "window_days": terms["window_days"],
        "share_fen": share.amount_fen,
    }
    if share.text in ("liable", "rest"):
        calculation |= {
            "share_percent": terms["share_percent"],
            "internal_standard_fen": terms["internal_standard_fen"],
        }
    if settled:
        calculation["settled_privately"] = True
    finding = case.finding(
        rule,
        terms,
        kind="liability" if pending else "compensation",
        site=share.site,
        role=share.role,
        trigger=complaint.at,
        amount_fen=amount_fen,
        awards=[Award(to, amount_fen)] if amount_fen else [],
        evidence=[
            window.start,
            complaint,
            *(blame.evidence if blame is not None else [case.custody.signature]),
            goods.proof,
            *(paid if share.site != case.custody.origin_site else ()),
            *settled,
        ],
        text=f"{share.text}_pending" if pending else share.text,
        values={
            "category": CATEGORY_NAMES[complaint.event.data.category],
            "opened": say_day(complaint.day),
            "last": say_day(window.last),
            "role": ROLE_NAMES[share.role],
            "other": share.other,
            "whole": yuan(goods.amount_fen or 0),
            "amount": yuan(amount_fen),
        },
        uses=("window_days", "internal_standard_fen")
        if share.text in ("liable", "rest")
        else ("window_days",),
        assumed=goods.assumed,
        calculation=calculation,
        suffix=complaint.event.data.complaint_id,
    )
    case.memo.setdefault("payees", {})[finding.finding_id] = to
    return finding


def _recipient(case: Case, complaint: Known[ComplaintOpened], share: Share, *, reimbursed: bool) -> str:
    """The customer; or origin, for another site's share, where it has already paid the customer."""
    origin = case.custody.origin_site
    if reimbursed and origin is not None and share.site != origin:
        return origin
    return "beneficiary" if complaint.event.data.claimant == "beneficiary" else SENDER
