"""What makes a registration right, beyond the form of its members. Pure: no I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from shared.ids import stable_id
from shared.registry import Exemption, ExemptionEvent, SiteRecord


def site_key(network: str, site: str) -> str:
    """The key of a site's record on `registry.sites`."""
    return f"{network}/{site}"


def exemption_key(network: str, exemption_id: str) -> str:
    """The key of an exemption's record on `registry.exemptions`."""
    return f"{network}/{exemption_id}"


def parent_cycle(sites: Mapping[str, SiteRecord], changed: SiteRecord) -> list[str]:
    """The circle of parents that `changed` would close, as site codes from itself to itself; empty where there is none.

    A parent that is not registered yet ends the walk: registration may come in any order.
    """
    walked = [changed.site]
    parent = changed.parent
    while parent is not None:
        walked.append(parent)
        if parent == changed.site:
            return walked
        above = sites.get(site_key(changed.network, parent))
        # A circle further up, made by two writers at once, is not this change's fault.
        parent = above.parent if above is not None and above.parent not in walked[1:] else None
    return []


def same_site(one: SiteRecord, other: SiteRecord) -> bool:
    """Whether two records differ in nothing but the time they were taken."""
    return msgspec.structs.replace(one, recorded_at=other.recorded_at) == other


def same_exemption(one: Exemption, other: Exemption) -> bool:
    """Whether two exemptions differ in nothing but the time they were declared."""
    return msgspec.structs.replace(one, declared_at=other.declared_at) == other


def declared(exemption: Exemption, source: str) -> ExemptionEvent:
    """The record that declares `exemption`, said by `source`."""
    return _event("exemption.declared", exemption, source, exemption.declared_at)


def withdrawn(exemption: Exemption, source: str, now: datetime) -> ExemptionEvent:
    """The record that withdraws `exemption` at `now`."""
    return _event("exemption.withdrawn", msgspec.structs.replace(exemption, withdrawn_at=now), source, now)


def concerns_site(exemption: Exemption, site: str, sites: Mapping[str, SiteRecord]) -> bool:
    """Whether `exemption` names `site`, or the region that its record in `sites` gives."""
    record = sites.get(site_key(exemption.network, site))
    return exemption.covers(site, record.province if record else None, record.city if record else None)


def repeated(items: Iterable[str]) -> list[str]:
    """The items that occur more than once."""
    return [item for item, count in Counter(items).items() if count > 1]


def _event(
    kind: Literal["exemption.declared", "exemption.withdrawn"],
    exemption: Exemption,
    source: str,
    now: datetime,
) -> ExemptionEvent:
    subject = exemption_key(exemption.network, exemption.exemption_id)
    return ExemptionEvent(
        id=str(stable_id(kind, subject, now.isoformat())),
        source=source,
        type=kind,
        subject=subject,
        time=now,
        data=exemption,
    )
