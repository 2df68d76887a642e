"""A realistic network to look at: sites, parcels and what goes wrong with some of them. Seeded: the same again and again."""

from faultline.sample.generate import (
    DAYS,
    PARCELS,
    SEED,
    Exemption,
    SampleParcel,
    exemptions,
    generate,
    sites,
)
from faultline.sample.network import Network, Site, networks
from faultline.sample.scenario import SCENARIOS, Scenario

__all__ = [
    "DAYS",
    "PARCELS",
    "SCENARIOS",
    "SEED",
    "Exemption",
    "Network",
    "SampleParcel",
    "Scenario",
    "Site",
    "exemptions",
    "generate",
    "networks",
    "sites",
]
