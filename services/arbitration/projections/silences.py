"""Parcels on their way: who holds each, when it was last heard of, and when to look at it again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.arbitration.projections.looked import Looked
from services.arbitration.rules.custody import Custody
from services.arbitration.rules.stream import Known
from shared.events import Event, GoodsDisposed


class Parcel(NamedTuple):
    """A parcel that has not reached its end. `site` holds it, or has sent it `towards` the next and nobody has scanned it.

    `last_recorded_at`: when the system last heard of it.
    """

    site: str
    towards: str | None
    last_recorded_at: datetime


def parcel_of(known: Sequence[Known[Event]], custody: Custody) -> Parcel | None:
    """The parcel, None once it was delivered, returned or disposed of, or where nobody ever had it."""
    if not custody.links or _has_ended(custody):
        return None
    if any(item.event.__class__ is GoodsDisposed for item in known):
        return None
    holder = custody.links[-1]
    last = max(item.event.recordedtime or item.event.time for item in known)
    return Parcel(holder.site, holder.towards, last)


def next_look(looked: Looked, hours: int) -> datetime | None:
    """When a parcel of which nothing else is heard is looked at again: after `hours`, then twice, four times as many.

    It depends on the last event only, so that looks for several reasons plan one and the same.
    """
    parcel = parcel_of(looked.known, looked.custody)
    if parcel is None:
        return None
    wait = timedelta(hours=hours)
    while parcel.last_recorded_at + wait <= looked.now:
        wait *= 2
    return parcel.last_recorded_at + wait


def _has_ended(custody: Custody) -> bool:
    """Signed for by the recipient, or back at origin."""
    last = custody.links[-1]
    back = last.leg == "return" and last.site == custody.origin_site and not last.gone
    return custody.signature is not None or back
