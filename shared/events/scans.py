"""Scans: the parcel was seen at a site (contract.md §3). `data.site` is the scanning site."""

from __future__ import annotations

from typing import Literal

from shared.events.envelope import Data, Envelope
from shared.events.values import Day, Fen, Moment, Ordinal, Personal, Reference, Site


class ScanCollectedData(Data, frozen=True, kw_only=True, gc=False):
    """The parcel was taken from its sender: what was agreed about it."""

    site: Site
    scope: Literal["same_city", "intra_province", "inter_province", "international"]
    destination_site: Site | None = None
    destination_mark: str | None = None
    product: str | None = None
    freight_fen: Fen | None = None
    declared_value_fen: Fen | None = None
    insured: bool = False
    fragile: bool = False
    goods: str | None = None
    label_site: Site | None = None
    packaging: Literal["own", "foreign", "plain", "customer"] | None = None
    cod_fen: Fen | None = None
    cod_due_on: Day | None = None
    premium_fen: Fen | None = None
    order_placed_at: Moment | None = None
    pickup_agreed_at: Moment | None = None
    inspected: bool | None = None
    urgent: bool | None = None
    label_version: Literal["old", "new"] | None = None
    operator: Personal[str] | None = None


class ScanCollected(Envelope, frozen=True, kw_only=True, gc=False, tag="scan.collected"):
    """The origin took the parcel in."""

    data: ScanCollectedData


class ScanDepartedData(Data, frozen=True, kw_only=True, gc=False):
    """The parcel left for `next_site`."""

    site: Site
    next_site: Site
    bag: Reference | None = None
    vehicle: str | None = None
    operator: Personal[str] | None = None


class ScanDeparted(Envelope, frozen=True, kw_only=True, gc=False, tag="scan.departed"):
    """The parcel left a site."""

    data: ScanDepartedData


class ScanArrivedData(Data, frozen=True, kw_only=True, gc=False):
    """The parcel came in, scanned itself or by its bag; `part` of `parts` where it came in several."""

    site: Site
    previous_site: Site | None = None
    via: Literal["piece", "bag"] = "piece"
    bag: Reference | None = None
    vehicle: str | None = None
    part: Ordinal | None = None
    parts: Ordinal | None = None
    operator: Personal[str] | None = None


class ScanArrived(Envelope, frozen=True, kw_only=True, gc=False, tag="scan.arrived"):
    """The parcel arrived at a site."""

    data: ScanArrivedData


class ScanOutForDeliveryData(Data, frozen=True, kw_only=True, gc=False):
    """The courier took the parcel out."""

    site: Site
    courier: Personal[str] | None = None


class ScanOutForDelivery(Envelope, frozen=True, kw_only=True, gc=False, tag="scan.out_for_delivery"):
    """The parcel went out to its recipient."""

    data: ScanOutForDeliveryData


class ScanProblemData(Data, frozen=True, kw_only=True, gc=False):
    """Why the parcel does not go on."""

    site: Site
    reason: Literal[
        "unreachable",
        "refused",
        "address_unclear",
        "out_of_area",
        "damaged",
        "missorted",
        "held",
        "security",
        "other",
    ]
    note: Personal[str] | None = None


class ScanProblem(Envelope, frozen=True, kw_only=True, gc=False, tag="scan.problem"):
    """A site cannot go on with the parcel."""

    data: ScanProblemData


class ScanReturnedData(Data, frozen=True, kw_only=True, gc=False):
    """The parcel left for `next_site` on its way back."""

    site: Site
    next_site: Site
    bag: Reference | None = None


class ScanReturned(Envelope, frozen=True, kw_only=True, gc=False, tag="scan.returned"):
    """Departure on the return leg."""

    data: ScanReturnedData


ScanEvent = ScanCollected | ScanDeparted | ScanArrived | ScanOutForDelivery | ScanProblem | ScanReturned
