"""Scans and signature entries that are missing or mistaken: TT-01, TT-02, TT-03."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.arbitration.rules.case import ROLE_NAMES, Case, yuan
from services.arbitration.rules.custody import Departure, Link
from services.arbitration.rules.localtime import say_moment
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from services.arbitration.rules.tiantian.due import open_attempt, own_entry_due
from shared.events import Event, SignatureRecorded
from shared.events.outputs import HEADQUARTERS, Award, Finding


def tt_01(case: Case, rule: Rule) -> Iterable[Finding]:
    """Missing arrival scan (002 二(三)1): a middle or delivery link shows the parcel, but not its arrival."""
    missing: dict[str, list[tuple[Known[Event], Departure | None]]] = {}
    for link in case.custody.links:
        if link.arrived is None and link.collected is None and link.role != "origin":
            missing.setdefault(link.site, []).append((link.first, None))
    for skipped in case.custody.skipped:
        missing.setdefault(skipped.site, []).append((skipped.seen, skipped.departure))
    return [found for site, seen in missing.items() for found in _missing_arrival(case, rule, site, seen)]


def _missing_arrival(
    case: Case, rule: Rule, site: str, seen: list[tuple[Known[Event], Departure | None]]
) -> Iterator[Finding]:
    first, departure = seen[0]
    terms = rule.on(first.day)
    if terms is None:
        return
    amount_fen = terms["fine_fen"] * len(seen)
    role = case.role_of(site)
    role = "transit" if role == "other" else role
    yield case.finding(
        rule,
        terms,
        kind="fine",
        site=site,
        role=role,
        trigger=first.at,
        amount_fen=amount_fen,
        awards=[Award(HEADQUARTERS, amount_fen)],
        evidence=[known for pair in seen for known in pair],
        text="own_scan" if departure is None else "passed_over",
        values={
            "role": ROLE_NAMES[role],
            "scan": first.event.type,
            "at": say_moment(first.at),
            "by": first.event.source_site or site,
            "amount": yuan(amount_fen),
        },
        uses=("fine_fen",),
        calculation={"missing_scans": len(seen), "fine_fen": terms["fine_fen"]},
    )


def tt_02(case: Case, rule: Rule) -> Iterable[Finding]:
    """Missing signature entry (002 二(三)1): out for delivery and nothing entered by the deadline."""
    link = case.custody.delivery
    if link is None or not link.out or link.signatures or case.custody.mistaken:
        return ()
    attempt = open_attempt(case, link)
    terms = rule.on(attempt.day) if attempt is not None else None
    if attempt is None or terms is None:
        return ()
    touched: set[str] = set()
    due = own_entry_due(case, link, attempt, terms, touched)
    if not case.review(due + 1):
        return ()
    return [
        case.finding(
            rule,
            terms,
            kind="fine",
            site=link.site,
            role="delivery",
            trigger=due + 1,
            amount_fen=terms["fine_fen"],
            awards=[Award(HEADQUARTERS, terms["fine_fen"])],
            evidence=[link.received, attempt],
            values={"out": say_moment(attempt.at), "due": say_moment(due), "amount": yuan(terms["fine_fen"])},
            uses=("fine_fen", "arrival_cutoff_hour", "entry_hour"),
            calculation={"fine_fen": terms["fine_fen"], "entry_due": say_moment(due)},
            exemptions=touched,
        )
    ]


def tt_03(case: Case, rule: Rule) -> Iterable[Finding]:
    """Mistaken signature entry (002 二(三)2): another site's entry stood when the delivery link's own was due."""
    custody = case.custody
    link = custody.delivery
    if link is None or not (custody.mistaken or custody.voids):
        return ()
    terms = rule.on(link.first.day)
    if terms is None:
        return ()
    touched: set[str] = set()
    due = own_entry_due(case, link, next(iter(link.out), None), terms, touched)
    standing: dict[str, list[Known[SignatureRecorded]]] = {}
    for entry in case.of(SignatureRecorded):
        if entry.event.data.site != link.site and _stood(case, entry, due):
            standing.setdefault(entry.event.data.site, []).append(entry)
    found = []
    for site, entries in standing.items():
        # An entry made after that moment is a fault from the moment it is made.
        arises = max(due + 1, min(entry.at for entry in entries))
        if case.review(arises):
            found.append(_mistaken_entry(case, rule, terms, site, entries, due, link, touched))
    return found


def _stood(case: Case, entry: Known[SignatureRecorded], due: int) -> bool:
    returned = case.custody.returned
    if returned is not None and entry.at >= returned.at:
        return False
    void = case.custody.voids.get(id(entry.event))
    return void is None or void.at > due


def _mistaken_entry(
    case: Case,
    rule: Rule,
    terms: Terms,
    site: str,
    entries: list[Known[SignatureRecorded]],
    due: int,
    delivery: Link,
    touched: set[str],
) -> Finding:
    amount_fen = terms["fine_fen"] * len(entries)
    role = case.role_of(site)
    uses = ("fine_fen", "arrival_cutoff_hour", "entry_hour")
    return case.finding(
        rule,
        terms,
        kind="fine",
        site=site,
        role=role,
        trigger=max(due + 1, entries[0].at),
        amount_fen=amount_fen,
        awards=[Award(HEADQUARTERS, amount_fen)],
        evidence=[*entries, *(case.custody.voids.get(id(entry.event)) for entry in entries)],
        values={
            "at": say_moment(entries[0].at),
            "delivery": delivery.site,
            "due": say_moment(due),
            "amount": yuan(amount_fen),
        },
        uses=uses if role == "origin" else (*uses, "any_site"),
        calculation={"entries": len(entries), "fine_fen": terms["fine_fen"], "entry_due": say_moment(due)},
        exemptions=touched,
    )
