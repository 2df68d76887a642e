"""The sample's networks: sites, where they are, and the way between two outlets."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import asin, cos, radians, sin, sqrt
from typing import Any, Literal

_EARTH_RADIUS_KM = 6371.0
_ROAD_FACTOR = 1.25
"""Roads are longer than the great circle."""

Scope = Literal["same_city", "intra_province", "inter_province"]


@dataclass(frozen=True)
class Site:
    """A site of the sample, as the registry knows it."""

    network: str
    code: str
    kind: Literal["outlet", "hub"]
    name: str
    city: str
    province: str
    language: Literal["zh", "en"]
    parent: str | None
    latitude: float
    longitude: float

    def record(self) -> dict[str, str]:
        """The body of `PUT /v1/sites/{network}/{site}`."""
        record = {
            "name": self.name,
            "kind": self.kind,
            "city": self.city,
            "province": self.province,
            "language": self.language,
        }
        return record if self.parent is None else {**record, "parent": self.parent}


@dataclass(frozen=True)
class Network:
    """One network: its sites by code, and the digits that its waybills begin with."""

    code: str
    title: str
    waybills: str
    sites: dict[str, Site]

    @property
    def outlets(self) -> list[Site]:
        """The sites that collect and deliver."""
        return [site for site in self.sites.values() if site.kind == "outlet"]

    @property
    def hubs(self) -> list[Site]:
        """The sites that sort."""
        return [site for site in self.sites.values() if site.kind == "hub"]

    def hub_of(self, site: Site) -> Site:
        """The hub above a site."""
        while site.kind != "hub":
            assert site.parent is not None, f"{site.code} has no hub above it"
            site = self.sites[site.parent]
        return site

    def hubs_between(self, origin: Site, destination: Site) -> list[Site]:
        """The hubs that a parcel passes: origin's and, where it is another, the destination's."""
        first, last = self.hub_of(origin), self.hub_of(destination)
        return [first] if first is last else [first, last]


def networks() -> list[Network]:
    """The sample's networks."""
    return list(_networks())


@cache
def _networks() -> tuple[Network, ...]:
    data = tomllib.loads((files("faultline.sample") / "network.toml").read_text(encoding="utf-8"))
    cities = data.pop("cities")
    return tuple(_network(code, members, cities) for code, members in data.items())


def _network(code: str, members: dict[str, Any], cities: dict[str, Any]) -> Network:
    sites = {}
    for site in members["sites"]:
        city = cities[site["city"]]
        sites[site["code"]] = Site(
            network=code,
            code=site["code"],
            kind=site["kind"],
            name=site["name"],
            city=site["city"],
            province=city["province"],
            language=site["language"],
            parent=site.get("parent"),
            latitude=city["at"][0],
            longitude=city["at"][1],
        )
    return Network(code, members["title"], members["waybills"], sites)


def scope(origin: Site, destination: Site) -> Scope:
    """What is agreed at collection: the standard's terms depend on it."""
    if origin.city == destination.city:
        return "same_city"
    return "intra_province" if origin.province == destination.province else "inter_province"


def road_km(one: Site, other: Site) -> float:
    """The way between two sites by road, about."""
    north, east = radians(other.latitude - one.latitude), radians(other.longitude - one.longitude)
    half = (
        sin(north / 2) ** 2 + cos(radians(one.latitude)) * cos(radians(other.latitude)) * sin(east / 2) ** 2
    )
    return max(12.0, _ROAD_FACTOR * 2 * _EARTH_RADIUS_KM * asin(sqrt(half)))
