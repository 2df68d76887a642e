"""A month's rates of escalated tickets, by which ZT-10 is priced: fixed once, from what the scorecards have counted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

from services.arbitration.rules.facts import Facts, Rate
from services.arbitration.rules.library import NetworkRules
from services.arbitration.rules.localtime import day_number, start_of
from services.arbitration.rules.zto.escalation import fixed_day

RULE = "ZT-10"


class Exchanged(NamedTuple):
    """So many parcels were collected by `origin` and delivered by `delivery` in these months (first days).

    A site that is not known is empty.
    """

    origin: str
    collected_in: date
    delivery: str
    delivered_in: date
    parcels: int


def fixed_at(rules: NetworkRules, month: date) -> int | None:
    """The moment, in seconds, from which the rates of `month` (its first day) may be fixed; None where no rule asks for them."""
    rule, day = rules.by_id.get(RULE), day_number(month)
    terms = rule.on(day) if rule is not None else None
    return start_of(fixed_day(day, terms)) if terms is not None else None


def rates_of(
    month: date, tickets: Mapping[str, int], exchanged: Iterable[Exchanged], facts: Facts
) -> dict[str, Rate]:
    """The rate of every first-level outlet with tickets or parcels in `month`.

    `tickets`: those that count, by the site that they are about. A parcel counts once for an outlet whose sites collected
    or delivered it in the month (000 三; assumed).
    """
    counted: Counter[str] = Counter()
    for site, number in tickets.items():
        counted[facts.first_level_outlet(site)] += number
    parcels: Counter[str] = Counter()
    for row in exchanged:
        outlets = set()
        if row.origin and row.collected_in == month:
            outlets.add(facts.first_level_outlet(row.origin))
        if row.delivery and row.delivered_in == month:
            outlets.add(facts.first_level_outlet(row.delivery))
        for outlet in outlets:
            parcels[outlet] += row.parcels
    return {
        outlet: Rate(tickets=counted[outlet], parcels=parcels[outlet])
        for outlet in sorted(counted.keys() | parcels.keys())
        if counted[outlet] or parcels[outlet]
    }
