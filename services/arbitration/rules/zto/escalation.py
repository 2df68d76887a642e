"""Complaints that reached a regulator or an association: ZT-10 (000 三, 按每月百万票申诉率)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Final, NamedTuple

from services.arbitration.rules.case import Case, yuan
from services.arbitration.rules.complaints import (
    CATEGORY_NAMES,
    complaints,
    liable_site,
    responsible_site,
)
from services.arbitration.rules.facts import Rate
from services.arbitration.rules.localtime import date_of, day_number, say_day, say_moment, start_of
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from shared.events import ComplaintEscalated
from shared.events.outputs import HEADQUARTERS, Award, Finding, FindingState

FLAT: Final = frozenset({"attitude", "false_signature"})
"""Categories with a flat fine, not counted in the rate."""
_MILLION: Final = 1_000_000


class Price(NamedTuple):
    """What a ticket costs: the sentence, the parameter of the amount, the state, what it rests on and is worked out of."""

    text: str
    fine: str
    state: FindingState
    uses: tuple[str, ...]
    calculation: dict[str, Any]


def zt_10(case: Case, rule: Rule) -> Iterable[Finding]:
    """Each escalation, by its own category, on the first-level outlet of the site that it is about."""
    seen: set[str] = set()
    for escalated in case.of(ComplaintEscalated):
        escalation_id = escalated.event.data.escalation_id
        terms = rule.on(escalated.day)
        site = about_site(case, escalated)
        if escalation_id in seen or terms is None or site is None:
            continue
        seen.add(escalation_id)
        yield _ticket(case, rule, terms, escalated, site)


def _ticket(case: Case, rule: Rule, terms: Terms, escalated: Known[ComplaintEscalated], site: str) -> Finding:
    outlet = case.facts.first_level_outlet(site)
    price = _price(case, escalated, outlet, terms)
    amount_fen = terms[price.fine]
    data = escalated.event.data
    opened = [one.opened for one in complaints(case) if one.id == data.complaint_id]
    return case.finding(
        rule,
        terms,
        kind="fine",
        site=outlet,
        role=case.role_of(outlet),
        trigger=escalated.at,
        amount_fen=amount_fen,
        awards=[Award(HEADQUARTERS, amount_fen)],
        evidence=[*opened, escalated],
        text=price.text,
        values={
            "category": CATEGORY_NAMES[data.category],
            "escalated": say_moment(escalated.at),
            "about": site,
            "month": _month(escalated.day),
            "fixed": say_day(fixed_day(escalated.day, terms)),
            "tickets": price.calculation.get("tickets", 0),
            "parcels": price.calculation.get("parcels", 0),
            "amount": yuan(amount_fen),
        },
        uses=price.uses,
        calculation={"about_site": site, "fine_fen": amount_fen, **price.calculation},
        suffix=data.escalation_id,
        state=price.state,
    )


def about_site(case: Case, escalated: Known[ComplaintEscalated]) -> str | None:
    """The site that the escalation names, else the liable one, else the one responsible for its complaint."""
    data = escalated.event.data
    named = data.against_site or liable_site(case, data.category, escalated, data.complaint_id)
    if named is not None:
        return named
    complaint = next((one for one in complaints(case) if one.id == data.complaint_id), None)
    responsible = responsible_site(case, complaint.opened) if complaint is not None else None
    return responsible or case.custody.delivery_site or case.custody.origin_site


def _price(case: Case, escalated: Known[ComplaintEscalated], outlet: str, terms: Terms) -> Price:
    if escalated.event.data.category in FLAT:
        return Price("flat", "flat_fen", "active", ("flat_fen",), {})
    month = _month(escalated.day)
    rate = case.facts.rates.get(month, {}).get(outlet)
    if rate is None:
        # Facts that are not there yet come with their own look at the waybill, at the latest when they are due.
        case.review(start_of(fixed_day(escalated.day, terms)))
        return Price("provisional", "low_fen", "provisional", ("rates_fixed_day",), {"month": month})
    return Price(
        "rated",
        _fine_by_rate(rate, terms),
        "active",
        ("counted_parcels",),
        {"month": month, "tickets": rate.tickets, "parcels": rate.parcels},
    )


def _fine_by_rate(rate: Rate, terms: Terms) -> str:
    """The parameter of the fine at this rate, by exact fractions. No parcel at all: above every rate."""
    tickets = rate.tickets * _MILLION
    if tickets <= terms["low_rate"] * rate.parcels:
        return "low_fen"
    return "middle_fen" if tickets <= terms["middle_rate"] * rate.parcels else "high_fen"


def _month(day: int) -> str:
    return f"{date_of(day):%Y-%m}"


def fixed_day(day: int, terms: Terms) -> int:
    """The local day at whose beginning the rates of a day's month are fixed; day 1 is the first after the month."""
    start = date_of(day)
    year, month = (start.year + 1, 1) if start.month == 12 else (start.year, start.month + 1)
    return day_number(date(year, month, 1)) + terms["rates_fixed_day"] - 1
