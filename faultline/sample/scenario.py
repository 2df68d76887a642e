"""What can happen to a parcel: a scenario is a function that changes an ordinary one, with what it is made to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faultline.sample.parcel import Parcel

Change = Callable[[Parcel], None]

SCENARIOS: dict[str, Scenario] = {}
"""All scenarios by name, in the order of their modules."""


@dataclass(frozen=True)
class Scenario:
    """One thing that can happen.

    `rules`: the rules that find something in it, once they are in force; empty where nobody is at fault after all.
    `networks`: where it happens. `age_days`: how many days ago the parcel was collected, so that what follows has
    happened by now. `two_hubs`: whether its way must pass two. `destinations`: where to, empty for anywhere. `weight`: how
    often, against the others.
    """

    name: str
    change: Change
    rules: tuple[str, ...]
    networks: tuple[str, ...]
    age_days: tuple[int, int]
    two_hubs: bool
    destinations: tuple[str, ...]
    weight: int


def scenario(
    *rules: str,
    networks: tuple[str, ...] = ("tiantian",),
    age_days: tuple[int, int] = (8, 42),
    two_hubs: bool = False,
    destinations: tuple[str, ...] = (),
    weight: int = 3,
) -> Callable[[Change], Change]:
    """Register a function as a scenario of its name."""

    def register(change: Change) -> Change:
        name = change.__name__
        assert name not in SCENARIOS, f"two scenarios are called {name}"
        SCENARIOS[name] = Scenario(name, change, rules, networks, age_days, two_hubs, destinations, weight)
        return change

    return register
