"""Receipts that are lost, abnormal or of no use: LR-02, LR-03, LR-05. They cost once for each event; a site's add up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from services.arbitration.rules.case import Case, yuan
from services.arbitration.rules.localtime import say_moment
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from shared.events import ReceiptAudited, ReceiptLost
from shared.events.outputs import HEADQUARTERS, Award, Finding

WHOLE = 100


def lr_02(case: Case, rule: Rule) -> Iterable[Finding]:
    """Receipt lost (004, 4-7): the keeper bears half of the direct loss, the company the other half."""
    for known, terms in _by_site(rule, case.of(ReceiptLost)):
        yield _compensation(case, rule, known, terms, terms["keeper_percent"])


def lr_03(case: Case, rule: Rule) -> Iterable[Finding]:
    """Abnormal receipt not noticed or not dealt with (004, 4-8): 100 for each."""
    abnormal = [known for known in case.of(ReceiptAudited) if known.event.data.abnormal is True]
    for known, terms in _by_site(rule, abnormal):
        first = known[0]
        amount_fen = terms["fine_fen"] * len(known)
        yield case.finding(
            rule,
            terms,
            kind="fine",
            site=first.event.data.site,
            role=case.role_of(first.event.data.site),
            trigger=first.at,
            amount_fen=amount_fen,
            awards=[Award(HEADQUARTERS, amount_fen)],
            evidence=known,
            values={"at": say_moment(first.at), "count": len(known), "amount": yuan(amount_fen)},
            calculation={"receipts": len(known), "fine_fen": terms["fine_fen"]},
            person=_person(known),
        )


def lr_05(case: Case, rule: Rule) -> Iterable[Finding]:
    """A receipt that cannot be returned for its defect (004, 4-4): the loss is on the site of whoever handled it."""
    useless = [known for known in case.of(ReceiptAudited) if known.event.data.returnable is False]
    for known, terms in _by_site(rule, useless):
        signature = case.custody.signature
        handler = None
        if signature is not None and signature.event.data.site == known[0].event.data.site:
            handler = signature.event.data.handler
        yield _compensation(case, rule, known, terms, WHOLE, handler)


def _by_site(rule: Rule, events: Iterable[Known[Any]]) -> Iterator[tuple[list[Known[Any]], Terms]]:
    """The events of each site that were recorded while the rule was in force, with the terms of the first."""
    sites: dict[str, list[Known[Any]]] = {}
    for known in events:
        if rule.on(known.day) is not None:
            sites.setdefault(known.event.data.site, []).append(known)
    return ((known, rule.at(known[0].day)) for known in sites.values())


def _compensation(
    case: Case, rule: Rule, events: list[Known[Any]], terms: Terms, percent: int, handler: str | None = None
) -> Finding:
    """A share of the direct loss, for headquarters; a liability while no event names the loss."""
    first = events[0]
    losses = [known.event.data.loss_fen for known in events if known.event.data.loss_fen is not None]
    amount_fen = sum(half_up(loss_fen, percent) for loss_fen in losses)
    # The share is rounded for each loss: who redoes the sum needs them one by one.
    loss: dict[str, Any] = (
        {"loss_fen": sum(losses), "losses_fen": losses} if losses else {"amount": "pending"}
    )
    return case.finding(
        rule,
        terms,
        kind="compensation" if losses else "liability",
        site=first.event.data.site,
        role=case.role_of(first.event.data.site),
        trigger=first.at,
        amount_fen=amount_fen,
        awards=[Award(HEADQUARTERS, amount_fen)] if losses else [],
        evidence=events,
        text="main" if losses else "pending",
        values={
            "at": say_moment(first.at),
            "loss": yuan(sum(losses)),
            "percent": percent,
            "amount": yuan(amount_fen),
        },
        calculation={**loss, "percent": percent},
        person=_person(events) or handler,
    )


def half_up(amount_fen: int, percent: int) -> int:
    """A percentage of an amount, half a fen rounded up."""
    return (amount_fen * percent + 50) // 100


def _person(events: list[Known[Any]]) -> str | None:
    """Whom the events name, the first of them that does."""
    return next((known.event.data.person for known in events if known.event.data.person is not None), None)
