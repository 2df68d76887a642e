"""Complete delay: GB-01, and the term that GB-03 looks at too."""

from __future__ import annotations

from collections.abc import Iterable

from services.arbitration.rules.case import EXEMPT_DAYS_MAX, Case
from services.arbitration.rules.localtime import day_of, say_day, seconds, start_of
from services.arbitration.rules.national.exemption import accepted_exemptions
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from shared.events import EvidenceSubmitted, ScanCollected, SignatureRecorded
from shared.events.outputs import SENDER, Finding


def delivered_at(signatures: Iterable[Known[SignatureRecorded]]) -> int | None:
    """When the first of `signatures` was given: the moment of signing where it is said, else of the entry."""
    return min(
        (
            known.at if known.event.data.signed_at is None else seconds(known.event.data.signed_at)
            for known in signatures
        ),
        default=None,
    )


def complete_delay_day(case: Case, terms: Terms, collected: Known[ScanCollected], touched: set[str]) -> int:
    """The last local day on which delivery is no complete delay; days on which the parcel lay at an exempt site do not count."""
    days = terms[f"complete_delay_{collected.event.data.scope}_days"]
    if case.exempt is None:
        return collected.day + days
    day, limit = collected.day, collected.day + days + EXEMPT_DAYS_MAX
    while days and day < limit:
        day += 1
        ids = {one for site in _holders(case, day) for one in case.exempt.on(day, site)}
        case.touch(ids, touched)
        days -= not ids
    return day


def _holders(case: Case, day: int) -> set[str]:
    """The sites that held the parcel on a local day; after the last event, the last holder."""
    held = set()
    for link in case.custody.links:
        until = link.next_first.day if link.next_first is not None else None
        if link.first.day <= day and (until is None or day <= until):
            held.add(link.site)
    return held


def gb_01(case: Case, rule: Rule) -> Iterable[Finding]:
    """Complete delay (000 (六)): not delivered by the day that the scope allows. Liability of origin, amount open."""
    origin = case.custody.origin
    if origin is None or origin.collected is None:
        return ()
    collected = origin.collected
    terms = rule.on(collected.day)
    if terms is None:
        return ()
    if EvidenceSubmitted in case.by_type and accepted_exemptions(case):
        return ()
    delivered = delivered_at(case.custody.signatures)
    days = terms[f"complete_delay_{collected.event.data.scope}_days"]
    if delivered is not None and day_of(delivered) <= collected.day + days:
        return ()
    touched: set[str] = set()
    last = complete_delay_day(case, terms, collected, touched)
    over = start_of(last + 1)
    returned = case.custody.returned
    if (delivered is not None and delivered < over) or (returned is not None and returned.at <= over):
        return ()
    if not case.review(over):
        return ()
    finding = case.finding(
        rule,
        terms,
        kind="liability",
        site=origin.site,
        role="origin",
        trigger=over,
        evidence=[collected, *case.custody.signatures[:1]],
        values={
            "collected": say_day(collected.day),
            "days": days,
            "last": say_day(last),
        },
        uses=("complete_delay_from_collection",),
        calculation={
            "scope": collected.event.data.scope,
            "days": days,
            "last_day": say_day(last),
        },
        exemptions=touched,
    )
    case.memo.setdefault("payees", {})[finding.finding_id] = SENDER
    return [finding]
