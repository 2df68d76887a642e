"""Seeded parcels: clean ones, and ones with findings, money, late cures and changes of mind.

Everything happened two months before the load starts, so that no term ends while it runs: what is found depends on the
events alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

NETWORK: Final = "tiantian"
PLAIN_NETWORK: Final = "yunlu"
"""A network without a rulebook of its own."""
DAYS_BEFORE: Final = 60
CONTRADICTED_DAYS: Final = 20
_OUTLETS: Final = ("GZ01", "GZ02", "BJ02", "BJ05", "CD08", "SH05")
_HUBS: Final = ("HGZ1", "HBJ1", "HCD1", "HSH1")
_DESK: Final = "/desks/arb1"


@dataclass
class Parcel:
    """One waybill: its events, in steps that are sent one after the other, each step in one request."""

    subject: str
    kind: str
    steps: list[list[bytes]] = field(default_factory=list)

    @property
    def events(self) -> list[bytes]:
        """All events of all steps."""
        return [event for step in self.steps for event in step]


class Writer:
    """Writes one waybill's events. Each has a moment of its own, so that their order is beyond doubt."""

    def __init__(self, subject: str, start: datetime, random: Random) -> None:
        self.subject = subject
        self.random = random
        self._start = start
        self._count = 0

    def write(self, source: str, event_type: str, hours: float, **data: Any) -> bytes:
        """An event `hours` after the parcel's start."""
        self._count += 1
        at = self._start + timedelta(hours=hours, seconds=self._count)
        return _json(
            {
                "specversion": "1.0",
                "id": f"{self.subject.partition('/')[2]}-{self._count}",
                "source": source,
                "type": event_type,
                "subject": self.subject,
                "time": at.isoformat(),
                "data": data,
            }
        )

    def scan(self, site: str, what: str, hours: float, **data: Any) -> bytes:
        """A scan at `site`."""
        return self.write(f"/sites/{site}", f"scan.{what}", hours, site=site, **data)

    def sign(self, site: str, hours: float, **data: Any) -> bytes:
        """A signature entry."""
        return self.write(
            f"/sites/{site}", "signature.recorded", hours, site=site, signer="addressee", **data
        )

    def report(self, site: str, kind: str, hours: float, **data: Any) -> bytes:
        """A site's report."""
        return self.write(
            f"/sites/{site}", "report.filed", hours, report_id=f"R{self._count}", site=site, kind=kind, **data
        )

    def complain(self, category: str, hours: float) -> bytes:
        """A customer's complaint, taken by the desk."""
        return self.write(
            _DESK,
            "complaint.opened",
            hours,
            complaint_id=f"C{self._count}",
            channel="phone",
            category=category,
            claimant="sender",
        )

    def proof(self, site: str, amount_fen: int, hours: float) -> bytes:
        """An audited proof of value."""
        return self.write(
            _DESK,
            "evidence.submitted",
            hours,
            evidence_id=f"E{self._count}",
            site=site,
            kind="value_proof",
            amount_fen=amount_fen,
            audited=True,
        )


@dataclass(frozen=True)
class Route:
    """Origin, two hubs, destination."""

    origin: str
    first: str
    second: str
    last: str


def _way(w: Writer, route: Route) -> dict[str, bytes]:
    """The events of a parcel on which everything is in time, by short names."""
    return {
        "collected": w.scan(
            route.origin, "collected", 10, scope="inter_province", destination_site=route.last
        ),
        "left": w.scan(route.origin, "departed", 19, next_site=route.first),
        "at_first": w.scan(route.first, "arrived", 21, previous_site=route.origin),
        "off_first": w.scan(route.first, "departed", 23, next_site=route.second),
        "at_second": w.scan(route.second, "arrived", 52, previous_site=route.first),
        "off_second": w.scan(route.second, "departed", 53, next_site=route.last),
        "at_last": w.scan(route.last, "arrived", 55, previous_site=route.second),
        "out": w.scan(route.last, "out_for_delivery", 57),
    }


Steps = list[list[bytes]]


def clean(w: Writer, route: Route) -> Steps:
    """Nothing to find."""
    return [[*_way(w, route).values()], [w.sign(route.last, 63)]]


def missing_scan(w: Writer, route: Route) -> Steps:
    """TT-01, which stands."""
    way = _way(w, route)
    del way["at_second"]
    return [[*way.values()], [w.sign(route.last, 63)]]


def cured_scan(w: Writer, route: Route) -> Steps:
    """TT-01, until the scan comes in after all; the money goes back."""
    way = _way(w, route)
    late = way.pop("at_second")
    return [[*way.values(), w.sign(route.last, 63)], [w.complain("other", 70)], [late]]


def unsigned(w: Writer, route: Route) -> Steps:
    """TT-02, which stands."""
    return [[*_way(w, route).values()]]


def signed_late(w: Writer, route: Route) -> Steps:
    """TT-02 until the entry comes in, if a decision comes first."""
    return [[*_way(w, route).values()], [w.complain("other", 90)], [w.sign(route.last, 91)]]


def delayed(w: Writer, route: Route) -> Steps:
    """TT-04: first by a complaint, for headquarters; then a report brings the money to its reporter."""
    way = _way(w, route)
    days = w.random.randint(1, 9)
    return [
        [*way.values(), w.sign(route.last, 63 + 24 * days)],
        [w.complain("delay", 66 + 24 * days)],
        [w.report(route.origin, "delay", 68 + 24 * days, against_site=route.last)],
    ]


def lost(w: Writer, route: Route) -> Steps:
    """TT-07: liability first, then a compensation that grows with the proofs of value up to its cap."""
    way = _way(w, route)
    kept = [way[name] for name in ("collected", "left", "at_first", "off_first")]
    first, second = sorted(w.random.sample(range(5_000, 29_000), 2))
    return [
        kept,
        [w.report(route.last, "loss", 120, against_site=route.second)],
        [w.proof(route.origin, first, 121)],
        [w.proof(route.origin, second, 122)],
    ]


def ruled_out(w: Writer, route: Route) -> Steps:
    """TT-01, which an officer removes."""
    way = _way(w, route)
    del way["at_second"]
    ruling = w.write(
        _DESK,
        "ruling.made",
        99,
        ruling_id="L1",
        action="remove",
        rule="TT-01",
        site=route.second,
        finding_id=f"TT-01/{route.second}",
        officer="arb1",
        reason="scanner out of order",
    )
    return [[*way.values(), w.sign(route.last, 63)], [ruling]]


def signed_twice(w: Writer, route: Route) -> Steps:
    """A signature taken back and entered anew."""
    first = w.sign(route.last, 63)
    void = w.write(
        f"/sites/{route.last}",
        "signature.voided",
        64,
        site=route.last,
        signature_id=json.loads(first)["id"],
        reason="wrong parcel",
    )
    return [[*_way(w, route).values(), first], [void], [w.sign(route.last, 65)]]


_KINDS: Final[tuple[tuple[Callable[[Writer, Route], Steps], int], ...]] = (
    (clean, 8),
    (missing_scan, 3),
    (cured_scan, 4),
    (unsigned, 2),
    (signed_late, 3),
    (delayed, 4),
    (lost, 4),
    (ruled_out, 3),
    (signed_twice, 1),
)
"""What is generated, and how often."""


def parcels(seed: str, prefix: str, now: datetime) -> Iterator[Parcel]:
    """An endless row of parcels, the same for the same arguments. `prefix`: of their waybills, upper case."""
    random = Random(f"{seed}/{prefix}")
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    makers, weights = zip(*_KINDS, strict=True)
    number = 0
    while True:
        number += 1
        (make,) = random.choices(makers, weights)
        network = PLAIN_NETWORK if random.random() < 0.1 else NETWORK
        subject = f"{network}/{prefix}{number:07d}"
        yield parcel(subject, make, midnight, random)


def parcel(
    subject: str, make: Callable[[Writer, Route], Steps], midnight: datetime, random: Random
) -> Parcel:
    """One parcel of a kind, `DAYS_BEFORE` before `midnight` or a few days later."""
    start = midnight - timedelta(days=DAYS_BEFORE - random.randrange(5))
    origin, last = random.sample(_OUTLETS, 2)
    first, second = random.sample(_HUBS, 2)
    steps = make(Writer(subject, start, random), Route(origin, first, second, last))
    if random.random() < 0.3:
        # Whatever the order of arrival, the findings are the same.
        random.shuffle(steps)
    return Parcel(subject, make.__name__, steps)


def contradicted(event: bytes) -> bytes:
    """A copy of an event that says something else under the same id: it would change findings if it counted."""
    members = json.loads(event)
    members["time"] = (
        datetime.fromisoformat(members["time"]) + timedelta(days=CONTRADICTED_DAYS)
    ).isoformat()
    return _json(members)


def _json(members: dict[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()
