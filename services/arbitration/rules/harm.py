"""Whether damage, shortage or loss is established towards the customer, and who answers for it (rules.md §1.2, ZT-03, ZT-08)."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from services.arbitration.rules.case import Case
from services.arbitration.rules.custody import Custody
from services.arbitration.rules.liability import Blame, damage, loss
from services.arbitration.rules.stream import Known
from shared.events import (
    CompensationSettledPrivately,
    ComplaintOpened,
    EvidenceSubmitted,
    ReportFiled,
    ScanArrived,
    ScanCollected,
    ScanDeparted,
    ScanOutForDelivery,
    ScanProblem,
    ScanReturned,
    SignatureRecorded,
)

SCANS: Final[tuple[type, ...]] = (
    ScanCollected,
    ScanDeparted,
    ScanArrived,
    ScanOutForDelivery,
    ScanProblem,
    ScanReturned,
)


class Harm(NamedTuple):
    """Harm that is established: what kind, who answers for it, and what shows it."""

    kind: Literal["damage", "loss"]
    blame: Blame | None
    shown: tuple[Known[Any], ...]


def damage_or_loss(case: Case, trigger: Known[Any]) -> Harm | None:
    """The harm that is established when a complaint is made: damage noted at signing, the delivery site's own statement
    of outer damage, or a loss that was reported or complained of.

    What happens after the complaint does not undo it: the chain is the one of its moment.
    """
    custody = case.custody_until(trigger.at)
    shown = _damage_noted(custody) or damage_statement(case, custody)
    if shown is not None:
        return Harm("damage", damage(case, trigger.at, custody), (shown,))
    for claim in _loss_claims(case):
        stands = claim.at <= trigger.at and normal_signature(custody, claim.at) is None
        if stands and not turned_up(case, claim, custody, trigger.at):
            return Harm("loss", loss(case, custody), (claim,))
    return None


def damage_statement(case: Case, custody: Custody) -> Known[EvidenceSubmitted] | None:
    """The delivery site's own statement of outer damage."""
    if custody.delivery_site is None:
        return None
    for known in case.of(EvidenceSubmitted):
        data = known.event.data
        if data.kind == "outer_damage_statement" and known.event.site == custody.delivery_site:
            return known
    return None


def normal_signature(custody: Custody, until: int) -> Known[SignatureRecorded] | None:
    """The recipient's signature up to a moment, where it notes no outer damage and is not struck out."""
    signature = custody.signature
    if signature is None or signature.at > until:
        return None
    data = signature.event.data
    return None if data.outer_damage_noted or data.struck_out else signature


def turned_up(case: Case, claim: Known[Any], custody: Custody, until: int) -> bool:
    """Whether the parcel was scanned, or signed for, after it was said to be lost and up to a moment."""
    scanned = any(claim.at < known.at <= until for kind in SCANS for known in case.by_type.get(kind, ()))
    return scanned or any(claim.at < known.at <= until for link in custody.links for known in link.signatures)


def reappeared(case: Case, claim: Known[Any]) -> bool:
    """Whether what was said to be lost has turned up, and nobody settled it privately (rules.md §7)."""
    return not case.of(CompensationSettledPrivately) and turned_up(case, claim, case.custody, case.now)


def chain_of_loss(case: Case, claim: Known[Any]) -> Custody:
    """The chain that a loss is judged by: after a private settlement what turned up changes nobody's liability."""
    return case.custody_until(claim.at) if case.of(CompensationSettledPrivately) else case.custody


def why_liable(blame: Blame, *, lost: bool) -> tuple[str, str]:
    """How the liability for loss or damage came to the link, in words."""
    if blame.excused:
        sites = ", ".join(excuse.link.site for excuse in blame.excused)
        return f"{sites} 已按时公告免责，责任上移", f"{sites} reported in time, so liability moves upstream"
    if blame.link.role == "origin":
        return "该件最后由它揽收持有，谁揽收谁负责", "it held the parcel last, and who collects answers"
    if lost and blame.link.out and not blame.link.signatures:
        return "它已派件，此后无人签收", "it took the parcel out and nobody signed for it"
    return "它最后持有该件且未在规定时间内公告", "it held the parcel last and did not report in time"


def _damage_noted(custody: Custody) -> Known[SignatureRecorded] | None:
    signatures = custody.delivery.signatures if custody.delivery is not None else ()
    return next((known for known in signatures if known.event.data.outer_damage_noted), None)


def _loss_claims(case: Case) -> list[Known[Any]]:
    """Reports and complaints of loss, in order."""
    reported = [known for known in case.of(ReportFiled) if known.event.data.kind == "loss"]
    complained = [known for known in case.of(ComplaintOpened) if known.event.data.category == "loss"]
    return sorted((*reported, *complained), key=lambda known: known.at)
