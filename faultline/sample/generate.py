"""The sample as a whole: which parcels there are, and what happens to each. The same seed and time give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, Final

from faultline.sample import faults  # noqa: F401 - registers the scenarios
from faultline.sample.faults.delays import SNOW_DAYS_AGO
from faultline.sample.journey import set_out
from faultline.sample.network import Network, Site, networks
from faultline.sample.parcel import ZONE
from faultline.sample.scenario import SCENARIOS, Scenario

DAYS: Final = 45
PARCELS: Final = 3_200
SEED: Final = 20260
_SHARE_AT_FAULT: Final = 0.13
_SERIALS: Final = 100_000_000
"""Waybills end in eight digits."""
_WEEKDAY_WEIGHTS: Final = (10, 10, 10, 10, 11, 7, 5)
"""How much is sent from Monday to Sunday."""


@dataclass(frozen=True)
class SampleParcel:
    """A parcel of the sample: what is known of it at the reference time. `scenario` None: nothing special happened."""

    network: str
    waybill: str
    scenario: Scenario | None
    events: tuple[bytes, ...]
    """JSON of each event, in the order in which they were recorded."""


@dataclass(frozen=True)
class Exemption:
    """An exemption of many, to be declared before the events are sent."""

    network: str
    exemption_id: str
    body: dict[str, Any]


def generate(now: datetime, *, seed: int = SEED, parcels: int = PARCELS) -> Iterator[SampleParcel]:
    """The sample's parcels by the day of collection, over the `DAYS` days before `now`.

    Every scenario happens at least once in each of its networks, however few parcels are asked for. Today's parcels that nobody has collected yet
    are left out.
    """
    plan = sorted(_plan(now, seed, parcels), key=lambda item: item[0])
    # Samples of different moments have different waybills: one stack can hold several.
    first = Random(f"{seed}/{now.astimezone(UTC).isoformat()}").randrange(_SERIALS)
    for number, (day, network, scenario) in enumerate(plan, first):
        parcel = _parcel(network, number, day, scenario, Random(f"{seed}/parcel/{number}"), now)
        if parcel.events:
            yield parcel


def sites() -> list[Site]:
    """All sites of the sample, parents first."""
    return [site for network in networks() for site in (*network.hubs, *network.outlets)]


def exemptions(now: datetime) -> list[Exemption]:
    """Three days of heavy snow in Liaoning, for which Tiantian excuses delay."""
    first = now.astimezone(ZONE).date() - timedelta(days=SNOW_DAYS_AGO)
    body = {
        "province": "辽宁省",
        "from": first.isoformat(),
        "to": (first + timedelta(days=2)).isoformat(),
        "ground": "暴雪",
        "reason": "沈阳、大连高速公路因暴雪封闭",
        "officer": "运营管理部",
    }
    return [Exemption("tiantian", f"snow-{first:%Y%m%d}", body)]


def _plan(now: datetime, seed: int, parcels: int) -> Iterator[tuple[date, Network, Scenario | None]]:
    """The day of collection, the network and the scenario of each parcel."""
    random = Random(f"{seed}/plan")
    today = now.astimezone(ZONE).date()
    known = {network.code: network for network in networks()}
    happening = list(SCENARIOS.values())
    weights = [scenario.weight for scenario in happening]
    at_fault = round(parcels * _SHARE_AT_FAULT)
    chosen = [(code, scenario) for scenario in happening for code in scenario.networks]
    for scenario in random.choices(happening, weights, k=max(0, at_fault - len(chosen))):
        chosen.append((random.choice(scenario.networks), scenario))
    for code, scenario in chosen:
        yield _day(today, *scenario.age_days, random), known[code], scenario
    for _ in range(parcels - len(chosen)):
        code = random.choices(("tiantian", "zto"), (60, 40))[0]
        yield _day(today, 0, DAYS - 1, random), known[code], None


def _day(today: date, least_days_ago: int, most_days_ago: int, random: Random) -> date:
    """A day of that span; fewer parcels are sent at weekends."""
    days = [today - timedelta(days=ago) for ago in range(least_days_ago, most_days_ago + 1)]
    return random.choices(days, [_WEEKDAY_WEIGHTS[day.weekday()] for day in days])[0]


def _parcel(
    network: Network, number: int, day: date, scenario: Scenario | None, random: Random, now: datetime
) -> SampleParcel:
    origin, destination = _ends(network, random, scenario)
    # Multiplied by a number without a common divisor, so that waybills do not count up one by one.
    waybill = f"{network.waybills}{number * 7_368_787 % _SERIALS:08d}"
    parcel = set_out(network, waybill, origin, destination, day, random, now)
    if scenario is not None:
        scenario.change(parcel)
    events = tuple(event for _, event in parcel.known_events())
    return SampleParcel(network.code, waybill, scenario, events)


def _ends(network: Network, random: Random, scenario: Scenario | None) -> tuple[Site, Site]:
    two_hubs = scenario is not None and scenario.two_hubs
    wanted = scenario.destinations if scenario is not None else ()
    while True:
        origin = random.choice(network.outlets)
        destination = network.sites[random.choice(wanted)] if wanted else random.choice(network.outlets)
        passes_two = network.hub_of(origin) is not network.hub_of(destination)
        if origin is not destination and (passes_two or not two_hubs):
            return origin, destination
