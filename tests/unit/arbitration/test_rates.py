"""A month's rates by hand: whose tickets, whose parcels, and when they are fixed."""

from __future__ import annotations

from datetime import UTC, date, datetime

from services.arbitration.domain import Facts, FixedRates, Rate, SiteFact, load_rulebooks
from services.arbitration.domain.rates import Exchanged, fixed_at, rates_of

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
FACTS = Facts(
    sites={
        fact.site: fact
        for fact in (
            SiteFact("HUB1", kind="hub"),
            SiteFact("TOP1", parent="HUB1"),
            SiteFact("SUB1", parent="TOP1"),
            SiteFact("TOP2", parent="HUB1"),
        )
    }
)


def test_tickets_and_parcels_are_the_first_level_outlets() -> None:
    exchanged = [
        Exchanged("SUB1", MARCH, "TOP1", MARCH, 7),  # its sites collected and delivered them: once
        Exchanged("SUB1", MARCH, "TOP2", APRIL, 5),
        Exchanged("TOP2", date(2026, 2, 1), "SUB1", MARCH, 3),
        Exchanged("TOP2", MARCH, "", MARCH, 2),  # not delivered yet
        Exchanged("TOP1", APRIL, "TOP1", APRIL, 100),
    ]
    assert rates_of(MARCH, {"SUB1": 2, "TOP1": 1, "LONE": 1}, exchanged, FACTS) == {
        "LONE": Rate(tickets=1, parcels=0),
        "TOP1": Rate(tickets=3, parcels=15),
        "TOP2": Rate(tickets=0, parcels=2),
    }


def test_an_outlet_without_tickets_and_parcels_has_a_rate_once_the_month_is_fixed() -> None:
    rates = FixedRates({"TOP1": Rate(tickets=3, parcels=15)})
    assert rates.get("TOP1") == Rate(tickets=3, parcels=15)
    assert rates.get("TOP2") == Rate(tickets=0, parcels=0)


def test_rates_are_fixed_on_day_4_at_midnight_local_time() -> None:
    books = load_rulebooks()
    at = fixed_at(books.of("zto"), MARCH)
    assert at == datetime(2026, 4, 3, 16, tzinfo=UTC).timestamp()
    assert fixed_at(books.of("tiantian"), MARCH) is None
    assert fixed_at(books.of("zto"), date(2015, 5, 1)) is None, "before the rule is in force"
