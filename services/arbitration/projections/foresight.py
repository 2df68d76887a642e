"""What time alone will bring: findings that a site can still avert, and when to look for them. Pure.

A decision is a function of its moment, so it is made for the next one as if nothing more happened: what is found there
and does not stand yet is told beforehand.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.arbitration.domain.decision import judged
from services.arbitration.projections.looked import Looked
from services.arbitration.rules.case import Case
from services.arbitration.rules.localtime import moment_of
from services.arbitration.rules.tiantian.delay import delay_begins, delay_finding
from shared.events.duties import Duty
from shared.events.outputs import Finding

_STEPS_MAX: Final = 16
"""Moments that are judged ahead at one look at most: those beyond are seen at the next."""
_BURDENS: Final = frozenset({"fine", "compensation", "liability", "alert"})
_SECOND: Final = timedelta(seconds=1)


class Ahead(NamedTuple):
    """How long before its last moment something is told that nobody has done or asked for: a finding that time alone
    will bring, and the end of a term for a notice."""

    fines: timedelta
    windows: timedelta


class Foresight(NamedTuple):
    """The findings that come within the time looked ahead, as duties, and when more could be seen."""

    duties: list[Duty]
    next_look_at: datetime | None


def foresee(looked: Looked, review_at: datetime | None, ahead: timedelta) -> Foresight:
    """Judge the moments at which the verdict could differ up to `ahead` from now. `review_at`: the first of them."""
    stands = {finding.finding_id for finding in looked.standing}
    duties: list[Duty] = []
    moment = review_at
    for _ in range(_STEPS_MAX):
        if moment is None or moment - ahead > looked.now:
            break
        decision, _ = judged(looked.known, looked.facts, looked.rules, moment)
        for finding in decision.findings:
            if finding.finding_id not in stands and finding.site is not None and finding.kind in _BURDENS:
                stands.add(finding.finding_id)
                duties.append(_averting(finding, moment, ahead))
        moment = decision.next_review_at
    looks = [review_at, moment - ahead if moment is not None else None]
    delay, look_at = _delay(looked, stands, ahead)
    duties += delay
    looks.append(look_at)
    return Foresight(duties, min((at for at in looks if at is not None and at > looked.now), default=None))


def _delay(looked: Looked, stands: set[str], ahead: timedelta) -> tuple[list[Duty], datetime | None]:
    """The delay that begins for the delivery link (TT-04), though nobody has reported it yet.

    It stays until the parcel is delivered: from then on every report of it is a fine.
    """
    rule, link = looked.rules.by_id.get("TT-04"), looked.custody.delivery
    if rule is None or link is None or link.signatures or link.gone:
        return [], None
    if f"TT-04/{link.site}" in stands or f"TT-07/{link.site}" in stands:
        return [], None
    begins = delay_begins(looked.case(), rule)
    if begins is None:
        return [], None
    moment = moment_of(begins)
    if moment - ahead > looked.now:
        return [], moment - ahead
    finding = delay_finding(Case(looked.known, looked.facts, looked.rules, begins), rule)
    return ([_averting(finding, moment, ahead)] if finding is not None else []), None


def _averting(finding: Finding, moment: datetime, ahead: timedelta) -> Duty:
    return Duty(
        duty_id=f"fine/{finding.finding_id}",
        kind="fine",
        site=finding.site,
        begun_at=moment - ahead,
        due_at=moment - _SECOND,
        rule=finding.rule,
        finding_id=finding.finding_id,
        amount_fen=finding.amount_fen,
        reason=finding.reason,
        clause=finding.clause,
    )
