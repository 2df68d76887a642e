"""What is to be said about a duty or a finding, to whom and when; and the tellings that it becomes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from services.notify.domain.telling import Telling
from shared.events.duties import Duty
from shared.events.outputs import Finding
from shared.ids import stable_id

Role = Literal["site", "doer", "parent", "manager", "operations", "deputy"]
"""`site`: whose duty it is; `doer`: that site, or the desk that has to act; `parent`: the site above it; the others are
headquarters' desks."""

COMPLAINTS_FIRST, APPEALS, OTHERS = 0, 1, 2
"""Urgencies: of many sayings that fall due together, the lower come first."""


class Saying(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something to be said at `at`, unless what it is about is done before. It is said once."""

    occasion: str
    to: tuple[Role, ...]
    network: str
    waybill: str
    about: str
    """`duty/…`, or `appeal/<finding>/<site>`: together with the waybill what it stands and falls with."""
    mark: datetime
    """What tells it from another saying about the same: the due moment, or when the duty came into being."""
    at: datetime
    until: datetime | None = None
    """Pointless after this moment; None: at any time."""
    urgency: int = OTHERS
    escalation: bool = False
    """Whether it says that a term was missed: waits until the duties of its partition are complete up to `at`."""
    bundle: str | None = None
    """Sayings of one bundle become one notice."""
    partition: int
    """Of its waybill, over all topics."""
    site: str | None = None
    desk: str | None = None
    due_at: datetime | None = None
    duty: Duty | None = None
    terms: tuple[Duty, ...] = ()
    """What else is due about the same complaint."""
    finding: Finding | None = None

    @property
    def subject(self) -> str:
        """The waybill's subject."""
        return f"{self.network}/{self.waybill}"

    @property
    def saying_id(self) -> str:
        """One for each thing that is to be said, so that planning it again plans it once."""
        parts = (self.subject, self.about, self.occasion, self.mark.isoformat())
        return str(stable_id("reminder", *parts))


def telling(saying: Saying, site: str) -> Telling:
    """`saying` as it is told to `site`."""
    return Telling(
        occasion=saying.occasion,
        network=saying.network,
        site=site,
        identity=(saying.waybill, saying.about, saying.mark.isoformat()),
        values={
            "duty": saying.duty,
            "terms": saying.terms,
            "finding": saying.finding,
            "holder": saying.site or saying.desk,
        },
        waybill=saying.waybill,
        finding_id=saying.finding.finding_id if saying.finding else None,
        due_at=saying.due_at,
        about=saying.about,
        partition=saying.partition,
    )


def bundled(sayings: Sequence[Saying], site: str, *, listed_max: int) -> Telling:
    """One telling for `sayings` of one bundle, parcel by parcel: the most urgent and most expensive listed, the rest counted.

    A bundle may be told in several parts, where some of it came late: each saying is in one of them, so its first id
    tells them apart.
    """
    ordered = sorted(sayings, key=_by_term_and_cost)
    parcels: dict[str, list[Duty]] = {}
    for saying in ordered:
        if saying.duty is not None:
            parcels.setdefault(saying.waybill, []).append(saying.duty)
    return Telling(
        occasion=ordered[0].occasion,
        network=ordered[0].network,
        site=site,
        identity=("bundle", ordered[0].bundle or "", min(saying.saying_id for saying in ordered)),
        values={
            "items": list(parcels.items())[:listed_max],
            "rest": len(parcels) - listed_max,
            "count": len(parcels),
            "total_fen": sum(duty.amount_fen or 0 for duties in parcels.values() for duty in duties),
        },
        due_at=ordered[0].due_at,
    )


def by_bundle(sayings: Iterable[Saying]) -> dict[str, list[Saying]]:
    """`sayings` by the bundle they belong to."""
    bundles: dict[str, list[Saying]] = {}
    for saying in sayings:
        if saying.bundle is not None:
            bundles.setdefault(saying.bundle, []).append(saying)
    return bundles


def _by_term_and_cost(saying: Saying) -> tuple[datetime, int, str]:
    amount_fen = saying.duty.amount_fen if saying.duty else None
    return saying.due_at or saying.at, -(amount_fen or 0), saying.saying_id
