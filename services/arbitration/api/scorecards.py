"""`/v1/scorecards` and `/v1/silences`: how sites do, and parcels that nothing is heard of (contract.md §4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator, TypeAdapter

from services.arbitration.api.reader import CaseReader
from services.arbitration.rules.localtime import date_of, day_of, seconds
from services.arbitration.store import scorecards, silences
from services.arbitration.store.scorecards import Group
from services.arbitration.store.silences import Candidate
from shared.http.auth import Principal, forbidden, require
from shared.http.fields import Day, QueryMoment
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, decode, encode, page_of
from shared.http.problems import invalid
from shared.registry import NETWORK_PATTERN, SITE_PATTERN

Reader = Annotated[Principal, Depends(require("read"))]
Network = Annotated[str | None, Query(pattern=NETWORK_PATTERN)]
Site = Annotated[str | None, Query(pattern=SITE_PATTERN)]
_HOURS: Final = 24
_HOURS_MAX: Final = 24 * 366
Hours = Annotated[
    int | None, Query(ge=1, le=_HOURS_MAX, description="hours without any event; 24 if not given")
]
_MILLION: Final = 1_000_000
_PAGES_MAX: Final = 10
"""Pages of candidates read for one answer at most: of those that have moved since the last look nothing is shown."""


def _local_day(value: Any) -> Any:
    """A moment stands for its local day."""
    if isinstance(value, str) and "T" in value:
        return date_of(day_of(seconds(_moment.validate_python(value))))
    return value


_moment: Final[TypeAdapter[datetime]] = TypeAdapter(QueryMoment)
LocalDay = Annotated[Day, BeforeValidator(_local_day)]


def confined(who: Principal, network: str | None, site: str | None) -> tuple[str | None, str | None]:
    """Network and site that the caller may read: a key of one network that network's, a site's key its own."""
    network, site = network or who.network, site or who.site
    if (network is not None and not who.may_read_network(network)) or (who.site and site != who.site):
        raise forbidden("The key reads only what concerns its owner. Ask for its own network and site.")
    return network, site


def router(cases: CaseReader, look_hours: int) -> APIRouter:
    """`GET /v1/scorecards` and `GET /v1/silences`. `look_hours`: how soon a silent parcel is known."""
    routes = APIRouter(tags=["scorecards"])

    def silent_since(hours: int | None) -> datetime:
        hours = max(_HOURS, look_hours) if hours is None else hours
        if hours < look_hours:
            why = f"must be {look_hours} at least: so long after its last event a parcel is looked at"
            raise invalid(("/query/hours", why))
        return cases.now() - timedelta(hours=hours)

    @routes.get("/v1/scorecards")
    async def get_scorecards(
        who: Reader,
        network: Network = None,
        site: Site = None,
        first: Annotated[LocalDay | None, Query(alias="from", description="first local day")] = None,
        last: Annotated[LocalDay | None, Query(alias="to", description="last local day, included")] = None,
        group: Group = "site",
        hours: Hours = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """Sums by site, rule or local day: parcels handled, findings and their money, late parcels, complaints.

        A waybill counts once it was looked at: when it was signed for, when something asked for a decision, or when nothing
        was heard of it for long. `hours` says when a parcel is silent, by site, whatever the days.
        """
        confined_to = confined(who, network, site)
        asked = scorecards.Asked(group, *confined_to, first, last, silent_since(hours))
        after = decode(cursor, str, str)
        rows = await scorecards.read(cases.engine, asked, after, limit + 1)
        page = page_of(list(rows), limit, lambda row: (row["network"], row["key"]))
        return page | {"items": [_shown(row, group) for row in page["items"]]}

    @routes.get("/v1/silences")
    async def get_silences(
        who: Reader,
        network: Network = None,
        site: Site = None,
        hours: Hours = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """Parcels on their way of which nothing was heard for `hours`, the longest silent first, with who holds them."""
        asked = silences.Asked(*confined(who, network, site), silent_since(hours))
        position = decode(cursor, datetime, str)
        items: list[dict[str, Any]] = []
        for _ in range(_PAGES_MAX):
            wanted = limit - len(items)
            found = await silences.candidates(cases.engine, asked, position, wanted)
            items += _silent(cases, found, asked)
            if len(found) < wanted:
                return {"items": items, "next": None}
            position = (found[-1].last_recorded_at, found[-1].subject)
            if len(items) == limit:
                break
        assert position is not None
        return {"items": items, "next": encode(position[0].isoformat(), position[1])}

    return routes


def _silent(cases: CaseReader, found: Sequence[Candidate], asked: silences.Asked) -> list[dict[str, Any]]:
    """Those of the candidates that are silent still, by their streams as they are now."""
    now = cases.now()
    items = []
    for candidate in found:
        parcel = cases.parcel(candidate.subject, candidate.pieces)
        if parcel is None or parcel.last_recorded_at >= asked.since or asked.site not in (None, parcel.site):
            continue
        network, _, waybill = candidate.subject.partition("/")
        items.append(
            {
                "network": network,
                "waybill": waybill,
                "site": parcel.site,
                "towards": parcel.towards,
                "last_recorded_at": parcel.last_recorded_at,
                "silent_hours": int((now - parcel.last_recorded_at) / timedelta(hours=1)),
            }
        )
    return items


def _shown(row: dict[str, Any], group: Group) -> dict[str, Any]:
    parcels = int(row["parcels"])
    key: str | date | None = row["key"] or None
    shown = {"network": row["network"], group: key}
    counted = {"findings": int(row["findings"]), "amount_fen": int(row["amount_fen"])}
    if group == "rule":
        return shown | counted
    shown |= {
        "parcels": parcels,
        **counted,
        "late_parcels": int(row["late"]),
        "late_rate": round(int(row["late"]) / parcels, 6) if parcels else None,
        "losses": int(row["losses"]),
        "complaints": int(row["complaints"]),
        "complaints_per_million": round(int(row["complaints"]) * _MILLION / parcels, 2) if parcels else None,
        "escalations": int(row["escalations"]),
    }
    return shown | {"silent_parcels": row["silent_parcels"]} if group == "site" else shown
