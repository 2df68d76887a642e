"""`/v1/complaints`: the complaint desk's list with its clocks, and the figures of its monthly report (SD-06)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.api.cases import confined
from services.arbitration.projections.complaints import State
from services.arbitration.rules.localtime import ZONE
from services.arbitration.store import complaints as store
from services.arbitration.store.complaints import TERMS, ComplaintFilter, Term
from shared.clock import Clock
from shared.events.values import ComplaintCategory, Moment
from shared.http.auth import Principal, require
from shared.http.fields import QueryMoment
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, Page, decode, page_of
from shared.http.problems import invalid
from shared.registry import NETWORK_PATTERN, SITE_PATTERN

Reader = Annotated[Principal, Depends(require("read"))]
Site = Annotated[str | None, Query(pattern=SITE_PATTERN, description="the responsible site")]
Class = Literal["service_quality", "operations", "not_ours"]
TermName = Literal["forwarded", "contacted", "progress_told", "settled", "followed_up"]
_ONE_SECOND: Final = timedelta(seconds=1)


class ClockShown(BaseModel):
    """What is due until when (the last second of the term), when it was done, and whether that was too late."""

    at: datetime | None
    due_at: datetime | None
    late: bool


class Overdue(BaseModel):
    """A duty still to be done whose term is over, by which rule, and since when."""

    term: TermName
    rule: str
    since: datetime


class Clocks(BaseModel):
    """The clocks of a complaint. `settled` and `followed_up` are since the customer last came back."""

    opened_at: datetime
    received_at: datetime | None = Field(
        description="when the responsible site had the form, where it said so"
    )
    first_settled_at: datetime | None
    reopened_at: datetime | None
    flagged_at: datetime | None
    forwarded: ClockShown
    contacted: ClockShown
    progress_told: ClockShown
    settled: ClockShown
    followed_up: ClockShown
    follow_up_missed: bool = Field(description="whether an earlier settlement had no follow-up in time")


class ComplaintShown(BaseModel):
    """A complaint as the desk sees it, without anything about persons."""

    network: str
    waybill: str
    complaint_id: str
    desk: str | None
    state: State
    channel: str
    category: str
    claimant: str
    class_: Class | None = Field(alias="class", description="null: not classified yet")
    subclass: str | None
    major: bool
    major_ground: str | None
    against_site: str | None
    responsible_site: str | None
    satisfied: bool | None
    closed_at_intake: bool
    reopened: int
    escalations: int
    clocks: Clocks
    overdue: list[Overdue]


class Kept(BaseModel):
    """How many complaints kept a term, broke it, or still have time."""

    in_time: int
    late: int
    waiting: int


class HoursToSettlement(BaseModel):
    """How long complaints took from the opening to their first settlement."""

    settled: int
    median: float | None
    percentile_90: float | None


class Report(BaseModel):
    """The figures of the complaints that were opened in a month of the networks' zone, as of the moment of reading."""

    network: str
    month: str
    site: str | None
    as_of: datetime
    complaints: int
    by_category: dict[str, int]
    by_class: dict[str, int]
    by_channel: dict[str, int]
    by_site: dict[str, int] = Field(description="by responsible site; `-`: none is known")
    major: int
    escalated: int
    reopened: int
    closed_at_intake: int
    forwarded: Kept
    contacted: Kept
    progress_told: Kept
    settled: Kept
    followed_up: Kept
    hours_to_settlement: HoursToSettlement


def router(engine: AsyncEngine, clock: Clock) -> APIRouter:
    """`GET /v1/complaints` and `GET /v1/complaints/report`."""
    routes = APIRouter(tags=["complaints"])

    @routes.get("/v1/complaints", response_model=Page[ComplaintShown])
    async def list_complaints(
        who: Reader,
        network: Annotated[str | None, Query(pattern=NETWORK_PATTERN)] = None,
        state: State | None = None,
        site: Site = None,
        overdue: bool | None = None,
        category: ComplaintCategory | None = None,
        class_: Annotated[Class | Literal["unclassified"] | None, Query(alias="class")] = None,
        major: bool | None = None,
        waybill: Annotated[str | None, Query(pattern=r"^[A-Z0-9-]{6,32}$")] = None,
        opened_from: Annotated[QueryMoment | None, Query(alias="from")] = None,
        opened_to: Annotated[QueryMoment | None, Query(alias="to")] = None,
        queue: Annotated[
            Literal["hard", "claims", "escalated"] | None,
            Query(
                description="`hard`: major, reopened or flagged; `claims`: for compensation; `escalated`: taken to a regulator"
            ),
        ] = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """Complaints with their clocks, the oldest first. `from` and `to` bound the opening."""
        network, site = confined(who, network, site)
        if waybill is not None and network is None:
            raise invalid(("/query/waybill", "give its `network` too: a number belongs to a network"))
        subject = f"{network}/{waybill}" if waybill is not None else None
        at = _whole_second(clock.now())
        asked = ComplaintFilter(
            network, site, state, overdue, category, class_, major, subject, opened_from, opened_to, queue
        )
        after = decode(cursor, str, Moment, str, str)
        rows = await store.list_complaints(engine, asked, at, after, limit + 1)
        return page_of([_shown(row, at) for row in rows], limit, _position)

    @routes.get("/v1/complaints/report", response_model=Report)
    async def report(
        who: Reader,
        network: Annotated[str, Query(pattern=NETWORK_PATTERN)],
        month: Annotated[str, Query(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", description="yyyy-mm")],
        site: Site = None,
    ) -> dict[str, Any]:
        """The month's figures of a network, or of one site of it."""
        _, site = confined(who, network, site)
        at = _whole_second(clock.now())
        first, end = _bounds(month)
        asked = ComplaintFilter(network=network, site=site, opened_from=first, opened_to=end)
        totals, counts = await store.figures(engine, asked, at)
        median, percentile_90 = totals["hours"] or (None, None)
        return {
            "network": network,
            "month": month,
            "site": site,
            "as_of": at,
            **{
                name: totals[name]
                for name in ("complaints", "major", "escalated", "reopened", "closed_at_intake")
            },
            **{f"by_{name}": found for name, found in counts.items()},
            **{term.name: _kept(totals, term) for term in TERMS},
            "hours_to_settlement": {
                "settled": totals["settled"],
                "median": _rounded(median),
                "percentile_90": _rounded(percentile_90),
            },
        }

    return routes


def _shown(row: RowMapping, at: datetime) -> dict[str, Any]:
    network, _, waybill = row["subject"].partition("/")
    shown = {name: row[name] for name in ComplaintShown.model_fields if name in row}
    clocks = {name: row[name] for name in Clocks.model_fields if name in row}
    clocks |= {
        term.name: {"at": row[term.done], "due_at": row[term.due], "late": store.is_late(row, term, at)}
        for term in TERMS
    }
    clocks["settled"]["at"] = row["settled_at"]
    return shown | {
        "network": network,
        "waybill": waybill,
        "class": row["class"],
        "clocks": clocks,
        "overdue": [
            {"term": term.name, "rule": term.rule, "since": row[term.due] + _ONE_SECOND}
            for term in TERMS
            if store.is_overdue(row, term, at)
        ],
    }


def _position(item: Mapping[str, Any]) -> tuple[str, str, str, str]:
    subject = f"{item['network']}/{item['waybill']}"
    return item["network"], item["clocks"]["opened_at"].isoformat(), subject, item["complaint_id"]


def _kept(totals: RowMapping, term: Term) -> dict[str, int]:
    return {name: totals[f"{term.name}_{name}"] for name in Kept.model_fields}


def _rounded(hours: float | None) -> float | None:
    return None if hours is None else round(hours, 2)


def _whole_second(moment: datetime) -> datetime:
    """Terms are judged to the second."""
    return moment.astimezone(UTC).replace(microsecond=0)


def _bounds(month: str) -> tuple[datetime, datetime]:
    """The first moment of a month in the networks' zone, and the first after it."""
    first = datetime(int(month[:4]), int(month[5:]), 1, tzinfo=ZONE)
    return first, (first + timedelta(days=31)).replace(day=1)
