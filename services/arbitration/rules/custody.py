"""The custody chain: which site held the parcel, in what role, from when to when (rules.md §0).

The events are walked once, in order. Whatever they say, the walk ends with a chain; what makes no sense moves no custody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from services.arbitration.rules.localtime import moment_of, seconds
from services.arbitration.rules.stream import Known
from shared.events import (
    Event,
    ScanArrived,
    ScanCollected,
    ScanDeparted,
    ScanOutForDelivery,
    ScanProblem,
    ScanReturned,
    SignatureRecorded,
    SignatureVoided,
)

Role = Literal["origin", "transit", "delivery"]
Leg = Literal["forward", "return"]
Departure = Known[ScanDeparted] | Known[ScanReturned]


class Link(msgspec.Struct):
    """One stay of the parcel at one site."""

    site: str
    leg: Leg
    first: Known[Event]
    """The scan or signature that handed custody over to the site."""
    role: Role = "transit"
    collected: Known[ScanCollected] | None = None
    arrived: Known[ScanArrived] | None = None
    """The first arrival scan, by the piece or by its bag: it starts all clocks."""
    arrived_by_piece: Known[ScanArrived] | None = None
    last_arrival: Known[ScanArrived] | None = None
    departures: list[Departure] = []
    """All departures that belong to this link, returns included."""
    out: list[Known[ScanOutForDelivery]] = []
    problems: list[Known[ScanProblem]] = []
    signatures: list[Known[SignatureRecorded]] = []
    """Signatures that count here, not voided."""
    gone: bool = False
    """Whether its last own event is a departure."""
    next_first: Known[Event] | None = None
    """What handed custody over to the next link."""

    @property
    def received(self) -> Known[Any] | None:
        """How the parcel came: the collection or the first arrival scan; None without either."""
        return self.collected or self.arrived

    @property
    def received_by(self) -> Literal["collection", "piece", "bag", "none"]:
        """The way the parcel came in."""
        if self.collected is not None:
            return "collection"
        return self.arrived.event.data.via if self.arrived is not None else "none"

    @property
    def departed(self) -> Departure | None:
        """The departure by which it let go: the last one."""
        return self.departures[-1] if self.departures else None

    @property
    def released_at(self) -> int | None:
        """When it let go, in seconds: its last departure, else the recipient's signature."""
        if self.departures:
            return self.departures[-1].at
        if self.signatures:
            signature = self.signatures[0]
            return seconds(signature.event.data.signed_at) if signature.event.data.signed_at else signature.at
        return None

    @property
    def towards(self) -> str | None:
        """The site that it sent the parcel to, while nobody has scanned it since."""
        return self.departures[-1].event.data.next_site if self.gone else None

    @property
    def only_by_bag(self) -> bool:
        """Whether nothing but its bag's arrival shows that the parcel was here."""
        return (
            self.arrived is not None
            and self.arrived_by_piece is None
            and not (self.departures or self.out or self.problems or self.signatures or self.collected)
        )


class Skipped(NamedTuple):
    """A site that the parcel was sent to and that never scanned it: a third site scanned next."""

    site: str
    departure: Departure
    seen: Known[Event]


class Custody(msgspec.Struct):
    """The chain and who plays which part in it."""

    links: list[Link]
    origin: Link | None
    """The link that collected; None where no collection is known."""
    delivery: Link | None
    returned: Known[ScanReturned] | None
    """The first departure on the return leg."""
    skipped: list[Skipped]
    signatures: list[Known[SignatureRecorded]]
    """Every signature that is not voided, mistaken ones included."""
    mistaken: list[Known[SignatureRecorded]]
    """Signatures that are not voided and not the delivery link's, before any return."""
    voids: dict[int, Known[SignatureVoided]]
    """What voided a signature, by the identity of the signature's event."""

    @property
    def signature(self) -> Known[SignatureRecorded] | None:
        """The first signature of the delivery link that counts."""
        delivery = self.delivery
        return delivery.signatures[0] if delivery is not None and delivery.signatures else None

    @property
    def origin_site(self) -> str | None:
        """The collecting site's code."""
        return self.origin.site if self.origin is not None else None

    @property
    def delivery_site(self) -> str | None:
        """The delivering site's code."""
        return self.delivery.site if self.delivery is not None else None

    def before(self, link: Link) -> Link | None:
        """The link before this one."""
        index = next(i for i, other in enumerate(self.links) if other is link)
        return self.links[index - 1] if index else None

    def of_site(self, site: str) -> Link | None:
        """The last link of a site."""
        return next((link for link in reversed(self.links) if link.site == site), None)


def walk(events: Sequence[Known[Event]], by_type: dict[type, list[Known[Any]]]) -> Custody:
    """Walk the ordered events of one waybill once. `by_type`: the same events by their class."""
    voids = _voids(by_type) if SignatureVoided in by_type else {}
    walker = _Walk()
    collections: list[Known[ScanCollected]] = by_type.get(ScanCollected, [])
    if collections:
        # Whatever the clocks say, nothing was scanned anywhere before it was collected.
        walker.open(collections[0])
    for known in events:
        step = _STEPS.get(known.event.__class__)
        if step is not None and not (voids and id(known.event) in voids):
            step(walker, known)
    return _parts(walker, voids)


class _Walk:
    """The state of one walk."""

    __slots__ = (
        "_opening",
        "holder",
        "leg",
        "links",
        "mistaken",
        "pending",
        "returned",
        "signatures",
        "skipped",
    )

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.holder: Link | None = None
        self.leg: Leg = "forward"
        self.pending: Departure | None = None
        self.skipped: list[Skipped] = []
        self.signatures: list[Known[SignatureRecorded]] = []
        self.mistaken: list[Known[SignatureRecorded]] = []
        self.returned: Known[ScanReturned] | None = None
        self._opening: Known[ScanCollected] | None = None

    def open(self, known: Known[ScanCollected]) -> None:
        """Begin the chain at the collecting site."""
        self._opening = known
        self.take(known.event.data.site, known).collected = known

    def take(self, site: str, known: Known[Any]) -> Link:
        """The holder's link, after custody went to `site` where another held it."""
        holder = self.holder
        if holder is not None and holder.site == site:
            return holder
        if holder is not None:
            holder.next_first = known
        link = self.holder = Link(site=site, leg=self.leg, first=known)
        self.links.append(link)
        return link

    def scan(self, known: Known[Any]) -> Link:
        """A scan by the event's site: it holds the parcel now, and a site that was passed over shows."""
        site: str = known.event.data.site
        departure = self.pending
        if departure is not None:
            self.pending = None
            left = departure.event.data
            if site not in (left.site, left.next_site):
                self.skipped.append(Skipped(left.next_site, departure, known))
        link = self.take(site, known)
        link.gone = False
        return link

    def collected(self, known: Known[ScanCollected]) -> None:
        if known is not self._opening:
            link = self.scan(known)
            if link.collected is None and link.arrived is None:
                link.collected = known

    def arrived(self, known: Known[ScanArrived]) -> None:
        link = self.scan(known)
        link.last_arrival = known
        if link.arrived is None:
            link.arrived = known
        if link.arrived_by_piece is None and known.event.data.via == "piece":
            link.arrived_by_piece = known

    def departed(self, known: Departure) -> None:
        data = known.event.data
        holder = self.holder
        if (
            holder is not None
            and holder.site == data.next_site
            and holder.arrived is not None
            and holder.towards != data.site
            and len(self.links) > 1
        ):
            earlier = self.links[-2]
            if earlier.site == data.site:
                # A clock that runs late, or a further part of a consignment: what is at B stays with B.
                if not earlier.departures:
                    earlier.departures.append(known)
                return
        link = self.scan(known)
        link.departures.append(known)
        link.gone = True
        self.pending = known

    def returned_back(self, known: Known[ScanReturned]) -> None:
        holder = self.holder
        self.departed(known)
        if self.returned is None:
            self.returned = known
            self.leg = "return"
            if self.holder is holder and holder is not None and holder.site == known.event.data.next_site:
                # A clock that runs late: the return had begun when this holder received the parcel.
                holder.leg = "return"

    def out(self, known: Known[ScanOutForDelivery]) -> None:
        link = self.scan(known)
        link.out.append(known)

    def problem(self, known: Known[ScanProblem]) -> None:
        link = self.scan(known)
        link.problems.append(known)

    def signed(self, known: Known[SignatureRecorded]) -> None:
        site = known.event.data.site
        holder = self.holder
        self.signatures.append(known)
        if holder is not None and holder.site == site:
            counts = not holder.gone or bool(holder.out)
        else:
            counts = holder is not None and holder.towards == site
        if not counts:
            self.mistaken.append(known)
            return
        link = self.take(site, known)
        if link is not holder:
            self.pending = None
        link.signatures.append(known)


_STEPS: dict[type, Any] = {
    ScanCollected: _Walk.collected,
    ScanArrived: _Walk.arrived,
    ScanDeparted: _Walk.departed,
    ScanReturned: _Walk.returned_back,
    ScanOutForDelivery: _Walk.out,
    ScanProblem: _Walk.problem,
    SignatureRecorded: _Walk.signed,
}


def _voids(by_type: dict[type, list[Known[Any]]]) -> dict[int, Known[SignatureVoided]]:
    """Which signatures are voided: a site voids an entry of its own, by the id of its event; the first voiding counts."""
    voided: dict[tuple[str, str], Known[SignatureVoided]] = {}
    for void in by_type[SignatureVoided]:
        voided.setdefault((void.event.data.site, void.event.data.signature_id), void)
    found: dict[int, Known[SignatureVoided]] = {}
    for known in by_type.get(SignatureRecorded, ()):
        void_of_it = voided.get((known.event.data.site, known.event.id))
        if void_of_it is not None:
            found[id(known.event)] = void_of_it
    return found


def _parts(walker: _Walk, voids: dict[int, Known[SignatureVoided]]) -> Custody:
    """Give every link its role."""
    links = walker.links
    origin = links[0] if links and links[0].collected is not None else None
    destination = origin.collected.event.data.destination_site if origin and origin.collected else None
    delivery = _delivery_of(links, destination)
    if delivery is not None:
        delivery.role = "delivery"
    if origin is not None:
        origin.role = "origin"
        for link in links if walker.returned is not None else ():
            if link.leg == "return" and link.site == origin.site:
                link.role = "origin"
    mistaken = _mistaken(walker, delivery)
    skipped = _never_arrived(walker.skipped, links, origin) if walker.skipped else []
    return Custody(links, origin, delivery, walker.returned, skipped, walker.signatures, mistaken, voids)


def _delivery_of(links: list[Link], destination: str | None) -> Link | None:
    """The last link that took the parcel out or has its signature; else the destination once it has the parcel.

    A signature without an attempt, by a site that the parcel then left for its destination, is a mistaken entry and
    makes nobody the deliverer.
    """
    at_destination: Link | None = None
    for link in reversed(links):
        if link.leg == "return":
            continue
        if link.out:
            return link
        if link.signatures and (at_destination is None or link.site == destination):
            return link
        if at_destination is None and link.site == destination:
            at_destination = link
    return at_destination


def _mistaken(walker: _Walk, delivery: Link | None) -> list[Known[SignatureRecorded]]:
    if delivery is None and not walker.mistaken:
        return []
    moved_on = [
        signature
        for link in walker.links
        if link.signatures and link is not delivery and link.leg == "forward"
        for signature in link.signatures
        if delivery is None or link.site != delivery.site
    ]
    return walker.mistaken + moved_on if moved_on else walker.mistaken


def _never_arrived(skipped: list[Skipped], links: list[Link], origin: Link | None) -> list[Skipped]:
    """Passed over, and no link of its own that can be of this visit: a later one, or one that never let go, answers itself."""
    return [
        one
        for one in skipped
        if (origin is None or one.site != origin.site)
        and not any(
            link.site == one.site and (link.first.at >= one.departure.at or not link.departures)
            for link in links
        )
    ]


def chain_document(custody: Custody) -> list[dict[str, Any]]:
    """The chain as `custody` of the case document (contract.md §4)."""
    return [
        {
            "site": link.site,
            "role": link.role,
            "leg": link.leg,
            "received_at": moment_of(link.received.at) if link.received is not None else None,
            "received_by": link.received_by,
            "released_at": None if link.released_at is None else moment_of(link.released_at),
        }
        for link in custody.links
    ]
