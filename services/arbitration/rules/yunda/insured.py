"""Insured parcels: the insurer's track YD-05 and the premium YD-06."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from services.arbitration.rules.case import ROLE_NAMES, Case, yuan
from services.arbitration.rules.harm import chain_of_loss, normal_signature, reappeared, why_liable
from services.arbitration.rules.liability import Blame, damage, loss
from services.arbitration.rules.localtime import say_moment
from services.arbitration.rules.rulebook import Rule
from services.arbitration.rules.stream import Known
from shared.events import ComplaintOpened, ReportFiled
from shared.events.outputs import Finding

_MATTERS: Final = {
    "outer_damage": ("外包装破损", "outer damage"),
    "inner_damage": ("内物破损", "inner damage"),
    "damage": ("破损", "damage"),
    "shortage": ("短少", "shortage"),
    "loss": ("遗失", "loss"),
}


class Claim(NamedTuple):
    """Damage, shortage or loss that was reported or complained of, and who answers for it."""

    known: Known[Any]
    matter: str
    reporter: str | None
    blame: Blame


def yd_05(case: Case, rule: Rule) -> Iterable[Finding]:
    """Insured and damaged, short or lost (001, 客户服务规范): liability on the liable site, the insurer pays."""
    parcel = case.parcel
    if parcel is None or not parcel.insured:
        return
    sites: dict[str, list[Claim]] = {}
    for claim in _claims(case):
        if rule.on(claim.known.day) is not None:
            sites.setdefault(claim.blame.link.site, []).append(claim)
    for site, claims in sites.items():
        first = claims[0]
        link = first.blame.link
        how = ("上报", "was reported") if first.reporter is not None else ("被投诉", "was complained of")
        matters = sorted({claim.matter for claim in claims})
        finding = case.finding(
            rule,
            rule.at(first.known.day),
            kind="liability",
            site=site,
            role=link.role,
            trigger=first.known.at,
            evidence=[known for claim in claims for known in (claim.known, *claim.blame.evidence)],
            values={
                "role": ROLE_NAMES[link.role],
                "matter": _MATTERS[first.matter],
                "how": how,
                "at": say_moment(first.known.at),
                "why": why_liable(first.blame, lost=first.matter == "loss"),
            },
            calculation={
                "track": "insurer",
                "matters": matters,
                "declared_value_fen": parcel.declared_value_fen,
            },
        )
        if first.reporter is not None:
            case.memo.setdefault("payees", {})[finding.finding_id] = first.reporter
        yield finding


def yd_06(case: Case, rule: Rule) -> Iterable[Finding]:
    """Premium too low (001, 客户服务规范): under 3 % of the declared value."""
    origin, parcel = case.custody.origin, case.parcel
    if parcel is None or not parcel.insured or origin is None or origin.collected is None:
        return ()
    declared_fen, premium_fen = parcel.declared_value_fen, parcel.premium_fen
    terms = rule.on(origin.collected.day)
    if declared_fen is None or premium_fen is None or terms is None:
        return ()
    percent = terms["premium_percent"]
    if premium_fen * 100 >= declared_fen * percent:
        return ()
    due_fen = -(-declared_fen * percent // 100)
    return [
        case.finding(
            rule,
            terms,
            kind="alert",
            site=origin.site,
            role="origin",
            trigger=origin.collected.at,
            evidence=[origin.collected],
            values={
                "premium": yuan(premium_fen),
                "declared": yuan(declared_fen),
                "percent": percent,
                "due": yuan(due_fen),
            },
            calculation={
                "premium_fen": premium_fen,
                "declared_value_fen": declared_fen,
                "premium_percent": percent,
                "due_fen": due_fen,
            },
        )
    ]


def _claims(case: Case) -> Iterator[Claim]:
    """Reports and complaints of damage, shortage and loss, in order, as far as somebody answers for them."""
    stated: list[tuple[Known[Any], str, str | None]] = []
    for filed in case.of(ReportFiled):
        stated.append((filed, filed.event.data.kind, filed.event.data.site))
    for opened in case.of(ComplaintOpened):
        stated.append((opened, opened.event.data.category, None))
    stated.sort(key=lambda claim: claim[0].at)
    for known, matter, reporter in stated:
        if matter in _MATTERS:
            blame = _lost(case, known) if matter == "loss" else damage(case, known.at)
            if blame is not None:
                yield Claim(known, matter, reporter, blame)


def _lost(case: Case, claim: Known[Any]) -> Blame | None:
    """Who answers for a loss; nobody where the parcel had been signed for normally, or has turned up since."""
    if normal_signature(case.custody, claim.at) is not None or reappeared(case, claim):
        return None
    return loss(case, chain_of_loss(case, claim))
