"""Duties at the door: undeliverable parcels, proxies and redirects: GB-03, GB-06, GB-07."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from services.arbitration.rules.case import Case
from services.arbitration.rules.localtime import HOUR_S, say_moment, seconds, start_of
from services.arbitration.rules.national.delay import complete_delay_day, delivered_at
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from shared.events import EvidenceSubmitted, RedirectRequested, ScanProblem
from shared.events.outputs import Finding

_FAILED: Final = frozenset({"unreachable", "refused", "address_unclear"})
_SENDER_DECIDES: Final = frozenset({"unreachable", "refused"})
_ATTEMPTS_WITH_CONTACT: Final = 2


class Contact(NamedTuple):
    """A contact that is to be shown: with whom, for which failed attempt, by when (its last second)."""

    party: str
    attempt: Known[ScanProblem]
    limit: int
    duty: tuple[str, str]


def gb_03(case: Case, rule: Rule) -> Iterable[Finding]:
    """Undeliverable (000 (二)): the delivery link shows that it contacted the recipient, then the sender."""
    site = case.custody.delivery_site
    failed = _failed_attempts(case, site)
    terms = rule.on(failed[0].day) if failed else None
    if site is None or terms is None:
        return ()
    missing: list[Contact] = []
    touched: set[str] = set()
    for contact in _contacts_due(case, failed, terms, touched):
        if not _shown(case, site, contact) and case.review(contact.limit + 1):
            missing.append(contact)
    if not missing:
        return ()
    duties = "；".join(c.duty[0] for c in missing), "; ".join(c.duty[1] for c in missing)
    first = missing[0]
    return [
        case.finding(
            rule,
            terms,
            kind="alert",
            site=site,
            role="delivery",
            trigger=min(contact.limit for contact in missing) + 1,
            evidence=[contact.attempt for contact in missing],
            values={
                "attempt": say_moment(first.attempt.at),
                "duties": duties,
            },
            uses=("contact_hours",),
            calculation={
                "missing": [{"party": c.party, "by": say_moment(c.limit)} for c in missing],
            },
            exemptions=touched,
        )
    ]


def _failed_attempts(case: Case, site: str | None) -> list[Known[ScanProblem]]:
    """The failed attempts of the delivery link, in order."""
    return [
        problem
        for problem in case.of(ScanProblem)
        if problem.event.data.site == site and problem.event.data.reason in _FAILED
    ]


def _contacts_due(
    case: Case, failed: list[Known[ScanProblem]], terms: Terms, touched: set[str]
) -> Iterator[Contact]:
    duties = (
        ("首次投递失败后联系收件人", "contact with the recipient after the first failed attempt"),
        ("复投失败后通知收件人自取", "notice of self pick-up after the second failed attempt"),
    )
    for attempt, duty in zip(failed[:_ATTEMPTS_WITH_CONTACT], duties, strict=False):
        yield Contact("recipient", attempt, attempt.at + terms["contact_hours"] * HOUR_S, duty)
    over = _term_over(case, touched)
    undecided = next((p for p in failed if p.event.data.reason in _SENDER_DECIDES), None)
    if over is None or undecided is None or undecided.at >= over:
        return
    ends = [k.at for k in (case.custody.returned,) if k is not None]
    delivered = delivered_at(case.custody.signatures)
    ends += [delivered] if delivered is not None else []
    if not any(end < over for end in ends):
        duty = ("彻底延误时限前联系寄件人", "contact with the sender before the complete-delay term")
        yield Contact("sender", undecided, over - 1, duty)


def _term_over(case: Case, touched: set[str]) -> int | None:
    """The first second after the complete-delay term (GB-01)."""
    origin, rule = case.custody.origin, case.rules.by_id.get("GB-01")
    if origin is None or origin.collected is None or rule is None:
        return None
    terms = rule.on(origin.collected.day)
    return start_of(complete_delay_day(case, terms, origin.collected, touched) + 1) if terms else None


def _shown(case: Case, site: str, contact: Contact) -> bool:
    """Whether a contact log of the site covers the contact."""
    for known in case.of(EvidenceSubmitted):
        data = known.event.data
        if data.kind != "contact_log" or known.event.site != site or data.party != contact.party:
            continue
        at = seconds(data.contacted_at) if data.contacted_at is not None else known.at
        if contact.attempt.at <= at <= contact.limit:
            return True
    return False


def gb_06(case: Case, rule: Rule) -> Iterable[Finding]:
    """A proxy signs only with consent and checked identity, and the signature says so (000 (四))."""
    signature = case.custody.signature
    if signature is None or signature.event.data.signer != "proxy":
        return ()
    data = signature.event.data
    terms = rule.on(signature.day)
    if terms is None or (data.consent is True and data.proxy_identity is not None):
        return ()
    lacking = [
        None if data.consent is True else ("同意", "consent"),
        None if data.proxy_identity is not None else ("代收人身份", "the proxy's identity"),
    ]
    named = [words for words in lacking if words is not None]
    return [
        case.finding(
            rule,
            terms,
            kind="alert",
            site=data.site,
            role="delivery",
            trigger=signature.at,
            evidence=[signature],
            values={
                "at": say_moment(signature.at),
                "missing": ("、".join(zh for zh, _ in named), " and ".join(en for _, en in named)),
            },
        )
    ]


def gb_07(case: Case, rule: Rule) -> Iterable[Finding]:
    """A redirect is for domestic parcels before delivery, by the sender, and keeps the recipient (000 (五))."""
    refused: dict[str | None, list[tuple[Known[RedirectRequested], tuple[str, str]]]] = {}
    # A mistaken entry delivers nothing (rules.md §0); only GB-01 counts every signature that is not voided.
    mistaken = {id(one) for one in case.custody.mistaken}
    delivered = delivered_at(one for one in case.custody.signatures if id(one) not in mistaken)
    for redirect in case.of(RedirectRequested):
        fault = _redirect_fault(case, redirect, delivered)
        if fault is not None and rule.on(redirect.day) is not None:
            refused.setdefault(redirect.event.source_site, []).append((redirect, fault))
    found = []
    for site, redirects in refused.items():
        first, fault = redirects[0]
        evidence: list[Known[Any]] = [redirect for redirect, _ in redirects]
        found.append(
            case.finding(
                rule,
                rule.at(first.day),
                kind="rejection",
                site=site,
                role="reporter",
                trigger=first.at,
                evidence=evidence,
                values={"at": say_moment(first.at), "fault": fault},
            )
        )
    return found


def _redirect_fault(
    case: Case, redirect: Known[RedirectRequested], delivered: int | None
) -> tuple[str, str] | None:
    """What is wrong with a redirect. Who asks and for whom the event itself shows: such a one is refused as an event."""
    if case.parcel is not None and case.parcel.scope == "international":
        return "国际快件不可改寄", "an international parcel cannot be redirected"
    if delivered is not None and delivered <= redirect.at:
        return "快件已完成投递", "the parcel had been delivered"
    return None
