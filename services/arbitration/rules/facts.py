"""What other sources than the waybill say: a site's ancestry, a month's rates, exemptions, when a finding was issued."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec

from services.arbitration.rules.localtime import date_of, day_number, day_of, seconds

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class SiteFact(msgspec.Struct, frozen=True):
    """A site of the registry, as far as rules look at it."""

    site: str
    kind: Literal["outlet", "hub"] = "outlet"
    parent: str | None = None
    city: str | None = None
    province: str | None = None


class ExemptionFact(msgspec.Struct, frozen=True, kw_only=True):
    """An exemption of many in force: which sites it covers, on which days (both included)."""

    exemption_id: str
    sites: list[str] | None = None
    province: str | None = None
    city: str | None = None
    from_: date = msgspec.field(name="from")
    to: date


class Rate(msgspec.Struct, frozen=True):
    """A first-level outlet's month: escalated tickets that count, and parcels collected or delivered."""

    tickets: int
    parcels: int


class FixedRates(dict[str, Rate]):
    """A month's rates as they were fixed: an outlet that is not among them had neither tickets nor parcels."""

    def get(self, outlet: str, default: object = None) -> Rate:
        """The outlet's rate."""
        return super().get(outlet, _NO_RATE)


_NO_RATE = Rate(tickets=0, parcels=0)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All facts of one decision, as known then. A dry run has none but what it is given."""

    exemptions: list[ExemptionFact] = []
    rates: Mapping[str, Mapping[str, Rate]] = {}
    """Month `yyyy-mm` → first-level outlet → its rate."""
    sites: Mapping[str, SiteFact] = {}
    first_issued: Mapping[str, datetime] = {}
    """Finding id → when it was first issued: the term of appeal runs from then."""

    def first_level_outlet(self, site: str) -> str:
        """The topmost outlet above a site, the site itself where none is registered."""
        top, seen = site, {site}
        current = self.sites.get(site)
        while current is not None and current.parent is not None and current.parent not in seen:
            seen.add(current.parent)
            parent = self.sites.get(current.parent)
            if parent is not None and parent.kind == "outlet":
                top = parent.site
            current = parent
        return top


class Exempt:
    """Which days of which sites do not count, and under which exemptions."""

    def __init__(self, facts: Facts) -> None:
        self._sites = facts.sites
        self._spans = [
            (day_number(one.from_), day_number(one.to), one)
            for one in sorted(facts.exemptions, key=lambda one: one.exemption_id)
        ]

    def __bool__(self) -> bool:
        return bool(self._spans)

    def on(self, day: int, site: str) -> list[str]:
        """The exemptions that cover a site on a local day."""
        return [
            one.exemption_id
            for first, last, one in self._spans
            if first <= day <= last and self._covers(one, site)
        ]

    def _covers(self, one: ExemptionFact, site: str) -> bool:
        if one.sites is not None and site in one.sites:
            return True
        if one.province is None and one.city is None:
            return False
        province, city = self._region(site)
        return (one.province is None or province == one.province) and (one.city is None or city == one.city)

    def _region(self, site: str) -> tuple[str | None, str | None]:
        """A site's province and city; what its record leaves out is its parent's."""
        province: str | None = None
        city: str | None = None
        seen: set[str] = set()
        fact = self._sites.get(site)
        while fact is not None and fact.site not in seen and (province is None or city is None):
            seen.add(fact.site)
            province, city = province or fact.province, city or fact.city
            fact = self._sites.get(fact.parent) if fact.parent is not None else None
        return province, city


def facts_from_members(members: Mapping[str, Any]) -> Facts:
    """The facts of a dry run: `{"exemptions": […], "rates": {…}, "sites": […]}`.

    An exemption's id may be left out; it is then numbered. Raises msgspec.ValidationError with the place of what is wrong.
    """
    given = msgspec.convert(members.get("exemptions") or [], list[dict[str, Any]])
    exemptions = [
        _with_days({"exemption_id": f"exemption-{number}", **one}) for number, one in enumerate(given, 1)
    ]
    sites = msgspec.convert(members.get("sites") or [], list[SiteFact])
    return Facts(
        exemptions=msgspec.convert(exemptions, list[ExemptionFact]),
        rates=msgspec.convert(members.get("rates") or {}, dict[str, dict[str, Rate]]),
        sites={fact.site: fact for fact in sites},
        first_issued=msgspec.convert(members.get("first_issued") or {}, dict[str, datetime]),
    )


def _with_days(members: dict[str, Any]) -> dict[str, Any]:
    """Moments in place of days stand for their local days."""
    for name in ("from", "to"):
        text = members.get(name)
        if isinstance(text, str) and len(text) > len("2026-03-05"):
            members[name] = date_of(day_of(seconds(msgspec.convert(text, _Moment))))
    return members
