"""The routes of penalties (contract.md §4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.penalties import queries, statements
from services.penalties.domain import month_of
from services.penalties.queries import Filter, Place
from services.penalties.settings import PenaltiesSettings
from shared.clock import Clock
from shared.db import reader
from shared.events.outputs import Entry
from shared.http.auth import Principal, forbidden, require
from shared.http.fields import QueryMoment
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, Page, decode, page_of
from shared.http.problems import Problem
from shared.registry import NETWORK_PATTERN, SITE_PATTERN

PERIOD_PATTERN = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
WAYBILL_PATTERN = r"^[A-Z0-9-]{6,32}$"
_CSV = "text/csv; charset=utf-8"

Reader = Annotated[Principal, Depends(require("read"))]
Network = Annotated[str, Path(pattern=NETWORK_PATTERN)]
Site = Annotated[str, Path(pattern=SITE_PATTERN)]
Period = Annotated[str, Path(pattern=PERIOD_PATTERN, description="month in the networks' zone")]

_ORDINAL = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_SITE_PLACE = (
    Annotated[str, msgspec.Meta(pattern=PERIOD_PATTERN)],
    Annotated[datetime, msgspec.Meta(tz=True)],
    Annotated[str, msgspec.Meta(pattern=WAYBILL_PATTERN)],
    _ORDINAL,
)
_WAYBILL_PLACE = (_ORDINAL,)

_encode = msgspec.json.Encoder().encode


class AccountSideBody(BaseModel):
    """One side of an entry. `site` is absent for headquarters' accounts."""

    account: str
    site: str | None = None


class ClauseBody(BaseModel):
    """A clause of the source documents, as the verdict gave it."""

    source: str
    text: str


class ChainLinkBody(BaseModel):
    """An entry's place in the chain of its network and partition, from 1, and the hash over everything up to it."""

    partition: int
    position: int
    hash: str


class EntryBody(BaseModel):
    """A ledger entry, never changed once booked. Members that do not apply are absent."""

    entry_id: UUID
    kind: Literal["fine", "compensation", "freeze", "release", "settlement", "reversal"]
    posted_at: datetime = Field(description="when the verdict was decided")
    period: str
    network: str
    waybill: str
    finding_id: str
    version: int
    rule: str
    debit: AccountSideBody = Field(description="who owes more")
    credit: AccountSideBody = Field(description="who is owed more")
    amount_fen: int = Field(gt=0)
    reverses: UUID | None = Field(None, description="the entry that this one takes back, wholly or in part")
    belongs_to: str | None = Field(
        None, description="month of `posted_at`, where that period was closed already"
    )
    clause: ClauseBody | None = Field(None, description="by which the money moved")
    note: str | None = Field(None, description="why a person booked it; absent where a verdict did")
    chain: ChainLinkBody


class AccountBody(BaseModel):
    """What a site owes in fen, negative where it is owed; frozen while appeals run, and not part of `balance_fen`."""

    site: str
    balance_fen: int
    frozen_fen: int
    as_of: datetime


class BalanceBody(BaseModel):
    """What the site owes in fen on its open accounts and on its frozen one."""

    balance_fen: int
    frozen_fen: int


class LineBody(BalanceBody):
    """An entry, what it changed and what the site owes after it."""

    entry: EntryBody
    change_fen: int
    frozen_change_fen: int


class StatementBody(BaseModel):
    """A site's month. `closed`: nothing will be added to it."""

    network: str
    site: str
    period: str
    state: Literal["open", "closed"]
    opening: BalanceBody
    lines: list[LineBody]
    closing: BalanceBody


class TrialBalanceBody(BaseModel):
    """Debits and credits of all accounts of a network in fen."""

    debits_fen: int
    credits_fen: int
    balanced: bool


class ClosingBody(BaseModel):
    """A closed period. `cut` gives, for each partition, the first verdict offset that came after the close."""

    network: str
    period: str
    closed_at: datetime
    closed_by: str
    cut: dict[str, int]
    debits_fen: int
    credits_fen: int


def router(engine: AsyncEngine, clock: Clock, settings: PenaltiesSettings, group: str) -> APIRouter:
    """All routes under `/v1`; `group` is the consumer group whose positions a close takes as its cut."""
    routes = APIRouter(tags=["ledger"])

    @routes.get("/v1/accounts/{network}/{site}", response_model=AccountBody)
    async def account(who: Reader, network: Network, site: Site) -> Response:
        """What a site owes now. A site without entries owes nothing."""
        _may_read(who, network, site)
        async with reader(engine) as connection:
            owed = await queries.balance(connection, network, site)
        return _json(
            {
                "site": site,
                "balance_fen": owed.open_fen,
                "frozen_fen": owed.frozen_fen,
                "as_of": clock.now(),
            }
        )

    @routes.get("/v1/accounts/{network}/{site}/entries", response_model=Page[EntryBody])
    async def account_entries(
        who: Reader,
        network: Network,
        site: Site,
        period: Annotated[str | None, Query(pattern=PERIOD_PATTERN)] = None,
        rule: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
        waybill: Annotated[str | None, Query(pattern=WAYBILL_PATTERN)] = None,
        from_: Annotated[QueryMoment | None, Query(alias="from", description="posted then or later")] = None,
        to: Annotated[QueryMoment | None, Query(description="posted before")] = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> Response:
        """The entries that have the site on either side, by period and moment."""
        _may_read(who, network, site)
        position = decode(cursor, *_SITE_PLACE)
        after = Place(*position) if position else None
        wanted = Filter(period, rule, waybill, from_, to)
        async with reader(engine) as connection:
            found = await queries.entries_of_site(
                connection, network, site, wanted, after=after, limit=limit + 1
            )
        return _json(
            _entries_page(found, limit, lambda place: place._replace(posted_at=place.posted_at.isoformat()))
        )

    @routes.get("/v1/waybills/{network}/{waybill}/entries", response_model=Page[EntryBody])
    async def waybill_entries(
        who: Reader,
        network: Network,
        waybill: Annotated[str, Path(pattern=WAYBILL_PATTERN)],
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> Response:
        """The entries of a waybill in booking order. A site's key sees those that have its site on a side."""
        _may_read(who, network, who.site)
        position = decode(cursor, *_WAYBILL_PLACE)
        async with reader(engine) as connection:
            found = await queries.entries_of_waybill(
                connection,
                network,
                waybill,
                site=who.site,
                after=position[0] if position else -1,
                limit=limit + 1,
            )
        return _json(_entries_page(found, limit, lambda ordinal: (ordinal,)))

    @routes.get(
        "/v1/statements/{network}/{site}/{period}",
        response_model=StatementBody,
        responses={200: {"content": {"text/csv": {}}, "description": "JSON, or CSV in UTF-8 with a BOM"}},
    )
    async def statement(
        who: Reader, network: Network, site: Site, period: Period, accept: Annotated[str, Header()] = "*/*"
    ) -> Response:
        """A site's month, in the form that `Accept` asks for."""
        _may_read(who, network, site)
        form = accepted(accept)
        async with _snapshot(engine) as connection:
            shown = await _statement(connection, network, site, period, settings.statement_lines_max)
        if form == "json":
            return _json(statements.as_members(shown))
        name = f"statement-{network}-{site}-{period}.csv"
        disposition = f'attachment; filename="{name}"'
        return Response(
            statements.as_csv(shown), headers={"Content-Type": _CSV, "Content-Disposition": disposition}
        )

    @routes.get("/v1/trial-balance", response_model=TrialBalanceBody)
    async def trial_balance(who: Reader, network: Annotated[str, Query(pattern=NETWORK_PATTERN)]) -> Response:
        """Whether the debits of a network equal its credits. Not for sites' keys."""
        _may_read(who, network, None)
        async with reader(engine) as connection:
            debits_fen, credits_fen = await queries.trial_balance(connection, network)
        balanced = debits_fen == credits_fen
        return _json({"debits_fen": debits_fen, "credits_fen": credits_fen, "balanced": balanced})

    @routes.post("/v1/periods/{network}/{period}/close", response_model=ClosingBody)
    async def close(
        who: Annotated[Principal, Depends(require("admin"))], network: Network, period: Period
    ) -> Response:
        """Make a month final: what belongs to it and comes later is booked in the next open one. Again: the same answer."""
        _may_read(who, network, None)
        now = clock.now()
        if period >= month_of(now):
            detail = f"{period} has not ended yet in the networks' zone. Close it when the month is over."
            raise Problem(409, "Period not over", detail)
        try:
            async with engine.begin() as connection:
                closed = await queries.close(
                    connection, group, network, period, at=now, by=who.owner, wait_ms=settings.close_wait_ms
                )
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            detail = f"Bookings in hand did not end within {settings.close_wait_ms} ms. Nothing was closed: try again."
            raise Problem(503, "Ledger busy", detail, headers={"Retry-After": "5"}) from error
        return _json(closed._asdict())

    return routes


def accepted(accept: str) -> Literal["json", "csv"]:
    """What an `Accept` header prefers of JSON and CSV. Raises Problem (406) where it takes neither."""
    best: tuple[float, Literal["json", "csv"]] | None = None
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.lower().split(";"))
        form: Literal["json", "csv"] | None = _FORMS.get(media)
        quality = next((_quality(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
        if form is not None and quality > 0 and (best is None or quality > best[0]):
            best = quality, form
    if best is None:
        raise Problem(
            406, "Not acceptable", "A statement is application/json or text/csv; ask for one of them."
        )
    return best[1]


_FORMS: dict[str, Literal["json", "csv"]] = {
    "text/csv": "csv",
    "text/*": "csv",
    "application/json": "json",
    "application/*": "json",
    "*/*": "json",
}
_LOCK_NOT_AVAILABLE = "55P03"


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _may_read(who: Principal, network: str, site: str | None) -> None:
    """Raises Problem (403) unless `who` may read the books of `site`, or of the whole network where None."""
    if not who.may_read_site(network, site):
        raise forbidden("The key belongs to another site or network: it reads only what concerns its own.")


async def _statement(
    connection: AsyncConnection, network: str, site: str, period: str, lines_max: int
) -> statements.Statement:
    opening = await queries.balance(connection, network, site, before=period)
    placed = await queries.entries_of_site(
        connection, network, site, Filter(period=period), after=None, limit=lines_max + 1
    )
    if len(placed) > lines_max:
        detail = f"The statement has more than {lines_max} lines. Read the entries page by page instead."
        raise Problem(422, "Statement too long", detail)
    closed = await queries.closing(connection, network, period) is not None
    entries = [entry for _, entry in placed]
    return statements.statement(network, site, period, closed=closed, opening=opening, entries=entries)


@asynccontextmanager
async def _snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection whose statements all see the same moment of the database."""
    async with reader(engine) as connection:
        yield await connection.execution_options(isolation_level="REPEATABLE READ")


def _entries_page(
    placed: list[tuple[Any, Entry]], limit: int, position: Callable[[Any], tuple[Any, ...]]
) -> dict[str, Any]:
    """A page of entries that come with their places; `position` makes a cursor's members of a place."""
    page = page_of(placed, limit, lambda item: position(item[0]))
    return {"items": [entry for _, entry in page["items"]], "next": page["next"]}


def _json(members: Any) -> Response:
    return Response(_encode(members), media_type="application/json")
