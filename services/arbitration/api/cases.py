"""`/v1/cases`: one waybill with custody and verdict, its versions and events, and lists (contract.md §4)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response

from services.arbitration.api.reader import CaseReader
from services.arbitration.casefile import concerns, document, shown_event, stored_verdict
from services.arbitration.store import reading
from services.arbitration.store.cases import Head
from services.arbitration.store.reading import CaseFilter, Order
from shared.events import YEAR_MAX, YEAR_MIN
from shared.http.auth import Principal, forbidden, require
from shared.http.fields import QueryMoment
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, decode, page_of
from shared.http.problems import invalid, not_found
from shared.registry import NETWORK_PATTERN, SITE_PATTERN

Network = Annotated[str, Path(pattern=NETWORK_PATTERN)]
Waybill = Annotated[str, Path(pattern=r"^[A-Z0-9-]{6,32}$")]
Reader = Annotated[Principal, Depends(require("read"))]
Status = Literal["clear", "open", "decided", "appealed", "closed"]
_CURSORS: Final[dict[Order, tuple[type, ...]]] = {"waybill": (str,), "decided_at": (datetime, str)}


def router(cases: CaseReader) -> APIRouter:
    """The routes of `/v1/cases`."""
    routes = APIRouter(tags=["cases"])

    @routes.get("/v1/cases/{network}/{waybill}")
    async def get_case(
        network: Network, waybill: Waybill, who: Reader, as_of: QueryMoment | None = None
    ) -> dict[str, Any]:
        """A waybill's custody and its newest verdict; with `as_of`, what was known and would be judged then."""
        if as_of is not None and not YEAR_MIN <= as_of.year <= YEAR_MAX:
            raise invalid(("/query/as_of", f"must lie in the years {YEAR_MIN} to {YEAR_MAX}"))
        opened = await cases.open(network, waybill, as_of)
        _allow(who, network, opened.state, opened.verdict)
        return document(opened.state, opened.verdict, pending=opened.pending)

    @routes.get("/v1/cases/{network}/{waybill}/versions")
    async def get_versions(
        network: Network, waybill: Waybill, who: Reader, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
    ) -> dict[str, Any]:
        """Every issued version of the verdict, whole, newest first."""
        opened = await cases.open(network, waybill, None)
        _allow(who, network, opened.state, opened.verdict)
        before = decode(cursor, int)
        older = await reading.superseded(
            cases.engine, f"{network}/{waybill}", before[0] if before else None, limit + 1
        )
        items = [stored_verdict(body) for body in older]
        if before is None and opened.verdict is not None:
            items.insert(0, opened.verdict)
        return page_of(items[: limit + 1], limit, lambda item: (item["version"],))

    @routes.get("/v1/cases/{network}/{waybill}/events", response_model=dict[str, Any])
    async def get_events(
        network: Network, waybill: Waybill, who: Reader, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
    ) -> Response:
        """The waybill's distinct events in the order in which they happened, with all that was sent of them."""
        opened = await cases.open(network, waybill, None)
        _allow(who, network, opened.state, opened.verdict)
        start = (decode(cursor, int) or (0,))[0]
        events = list(enumerate(opened.state.events))[start : start + limit + 1]
        items = [
            shown_event(event, opened.bodies[id(event)], who.site) | {"position": position}
            for position, event in events
        ]
        page = page_of(items, limit, lambda item: (item["position"] + 1,))
        # Numbers of unknown members may be such as only their own digits can say.
        return Response(msgspec.json.encode(page), media_type="application/json")

    @routes.get("/v1/cases")
    async def list_cases(
        who: Reader,
        network: Annotated[str | None, Query(pattern=NETWORK_PATTERN)] = None,
        status: Status | None = None,
        site: Annotated[str | None, Query(pattern=SITE_PATTERN)] = None,
        rule: Annotated[str | None, Query(pattern=r"^[A-Z]{2}-\d{2}$")] = None,
        decided_from: Annotated[QueryMoment | None, Query(alias="from")] = None,
        decided_to: Annotated[QueryMoment | None, Query(alias="to")] = None,
        order: Annotated[Order, Query(description="waybill: by network and waybill")] = "waybill",
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """Waybills with a verdict. `from` and `to` bound the moment of decision.

        `order=decided_at` shows what has stood longest as it was decided first; it needs a `status` other than `clear`.
        """
        if order == "decided_at" and status in (None, "clear"):
            wanted = (
                "only cases that are not clear are kept by the moment of decision: give their status as well"
            )
            raise invalid(("/query/order", wanted))
        network, site = confined(who, network, site)
        asked = CaseFilter(network, status, site, rule, decided_from, decided_to)
        after = decode(cursor, *_CURSORS[order])
        heads = await reading.list_cases(cases.engine, asked, order, after, limit + 1)
        page = page_of(heads, limit, lambda head: reading.position(head, order))
        return page | {"items": [_listed(head) for head in page["items"]]}

    return routes


def _listed(head: Head) -> dict[str, Any]:
    network, _, waybill = head.subject.partition("/")
    return {
        "network": network,
        "waybill": waybill,
        "status": head.status,
        "verdict": stored_verdict(head.verdict),
        "next_review_at": head.next_review_at,
        "events": head.events,
        "conflicts": head.conflicts,
    }


def confined(who: Principal, network: str | None, site: str | None) -> tuple[str | None, str | None]:
    """The network and site that the caller's list is about: a key of one network reads only that, a site's only its own."""
    network = network or who.network
    site = site or who.site
    if (network is not None and not who.may_read_network(network)) or (who.site and site != who.site):
        raise forbidden("The key reads only what concerns its owner. Ask for its own network and site.")
    return network, site


def _allow(who: Principal, network: str, state: Any, verdict: dict[str, Any] | None) -> None:
    """Let through whom the waybill concerns. To others it does not exist, so that nobody learns of it by asking."""
    if not who.may_read_network(network) or (who.site is not None and not concerns(who.site, state, verdict)):
        raise not_found(f"case {state.subject} that concerns {who.owner}")


def moment_or_none(moment: datetime | None) -> str | None:
    """A moment in RFC 3339."""
    return None if moment is None else moment.isoformat()
