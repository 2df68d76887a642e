"""Scorecards: what one waybill adds to the sums of the sites that it concerns. Sums move by difference, as money does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from services.arbitration.projections.looked import Looked
from services.arbitration.rules.complaints import complaints, responsible_site
from services.arbitration.rules.localtime import date_of, day_of, seconds
from services.arbitration.rules.zto.escalation import FLAT, about_site
from shared.events import ComplaintEscalated, ComplaintOpened

PARCELS: Final = "parcels"
"""Parcels that a site held, each once, on the local day of the site's first scan or signature."""
LATE: Final = "late"
"""Those of them for whose delay the site answers, on the same day."""
COMPLAINTS: Final = "complaints"
"""Complaints by the responsible site (SD-06) and the day of their opening."""
ESCALATIONS: Final = "escalations"
"""Escalations by the site that they are about and their day."""
TICKETS: Final = "tickets"
"""Those of them that count in the monthly rate of ZT-10."""
FINDINGS: Final = "findings"
"""Standing findings by site, rule and the day of what triggered them."""
AMOUNT: Final = "amount_fen"
"""Their money."""

LATE_RULES: Final = frozenset({"TT-04", "GB-01", "ZT-02", "LR-06"})
"""Rules whose findings say that a site delayed a parcel."""
LOSS_RULES: Final = frozenset({"TT-07"})
"""Rules whose findings say that a site lost a parcel."""
NO_SITE: Final = ""
_COMPLAINED: Final = frozenset({ComplaintOpened, ComplaintEscalated})

Score = tuple[str, int, str, str]
"""`(site, local day number, rule or empty, measure)`."""
Exchange = tuple[str, int, str, int]
"""`(origin, first day number of the month collected, delivery, first day number of the month delivered)`."""


class Tally(NamedTuple):
    """What a waybill adds: amounts by score, and who collected and delivered it when, if anybody has."""

    scores: list[tuple[Score, int]]
    exchange: Exchange | None


def tally(looked: Looked) -> Tally:
    """What the waybill adds to the sums as the look found it."""
    handled: dict[str, int] = {}
    for link in looked.custody.links:
        handled.setdefault(link.site, link.first.day)
    sums: dict[Score, int] = {(site, day, "", PARCELS): 1 for site, day in handled.items()}
    if looked.findings:
        _add_findings(looked, handled, sums)
    if not _COMPLAINED.isdisjoint([item.event.__class__ for item in looked.known]):
        _add_complaints(looked, sums)
    return Tally(list(sums.items()), _exchange(looked))


def _add_findings(looked: Looked, handled: dict[str, int], sums: dict[Score, int]) -> None:
    for finding in looked.standing:
        site, day = finding.site or NO_SITE, day_of(seconds(finding.triggered_at))
        _add(sums, (site, day, finding.rule, FINDINGS), 1)
        _add(sums, (site, day, finding.rule, AMOUNT), finding.amount_fen)
        if finding.rule in LATE_RULES and site in handled:
            sums[site, handled[site], "", LATE] = 1


def _add_complaints(looked: Looked, sums: dict[Score, int]) -> None:
    case = looked.case()
    for complaint in complaints(case):
        site = responsible_site(case, complaint.opened) or NO_SITE
        _add(sums, (site, complaint.opened.day, "", COMPLAINTS), 1)
    escalations = {known.event.data.escalation_id: known for known in reversed(case.of(ComplaintEscalated))}
    for known in escalations.values():
        site = about_site(case, known) or NO_SITE
        _add(sums, (site, known.day, "", ESCALATIONS), 1)
        if known.event.data.category not in FLAT:
            _add(sums, (site, known.day, "", TICKETS), 1)


def _add(sums: dict[Score, int], score: Score, amount: int) -> None:
    if amount:
        sums[score] = sums.get(score, 0) + amount


def _exchange(looked: Looked) -> Exchange | None:
    origin, signature = looked.custody.origin, looked.custody.signature
    collected = _month(origin.first.day) if origin is not None else None
    if signature is None:
        return (origin.site, collected, NO_SITE, collected) if origin and collected is not None else None
    at = signature.event.data.signed_at
    delivered = _month(day_of(seconds(at)) if at is not None else signature.day)
    if origin is None or collected is None:
        return NO_SITE, delivered, signature.event.data.site, delivered
    return origin.site, collected, signature.event.data.site, delivered


@lru_cache(maxsize=4_096)
def _month(day: int) -> int:
    """The day number of the first day of a day's month."""
    return day - date_of(day).day + 1


class Sums:
    """Differences of many waybills, added up."""

    def __init__(self) -> None:
        self._scores: dict[tuple[str, Score], int] = {}
        self._exchanges: dict[tuple[str, Exchange], int] = {}

    def replace(self, network: str, before: Tally | None, after: Tally) -> None:
        """A waybill's tally has changed."""
        if before is not None:
            self._add(network, before, -1)
        self._add(network, after, 1)

    def scores(self) -> Iterator[tuple[str, str, date, str, str, int]]:
        """`(network, site, day, rule, measure, difference)`, no difference zero."""
        for (network, (site, day, rule, measure)), amount in self._scores.items():
            if amount:
                yield network, site, date_of(day), rule, measure, amount

    def exchanges(self) -> Iterator[tuple[str, str, date, str, date, int]]:
        """`(network, origin, month collected, delivery, month delivered, difference)`, no difference zero."""
        for (network, (origin, collected, delivery, delivered)), amount in self._exchanges.items():
            if amount:
                yield network, origin, date_of(collected), delivery, date_of(delivered), amount

    def _add(self, network: str, tally: Tally, sign: int) -> None:
        scores = self._scores
        for score, amount in tally.scores:
            key = network, score
            scores[key] = scores.get(key, 0) + sign * amount
        if tally.exchange is not None:
            exchange = network, tally.exchange
            self._exchanges[exchange] = self._exchanges.get(exchange, 0) + sign


pack = msgspec.msgpack.Encoder().encode
"""A tally as it is stored: the same tally gives the same bytes."""
unpack = msgspec.msgpack.Decoder(Tally).decode
