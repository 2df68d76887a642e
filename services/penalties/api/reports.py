"""Statements, headquarters' totals and the trial balance."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.penalties import queries, statements
from services.penalties.api.bodies import StatementBody, TotalsBody, TrialBalanceBody
from services.penalties.api.common import (
    Network,
    NetworkQuery,
    Period,
    Reader,
    Site,
    as_json,
    may_read,
    snapshot,
)
from services.penalties.closing import closed_through
from services.penalties.pdf import as_pdf
from services.penalties.queries import Filter
from services.penalties.settings import PenaltiesSettings
from services.penalties.totals import month_totals, turnover
from shared.http.fields import QueryMoment
from shared.http.problems import Problem, not_found
from shared.registry import Registry, SiteRecord

Form = Literal["json", "csv", "pdf"]
_MEDIA = {"csv": "text/csv; charset=utf-8", "pdf": "application/pdf"}
_FORMS: dict[str, Form] = {
    "text/csv": "csv",
    "text/*": "csv",
    "application/pdf": "pdf",
    "application/json": "json",
    "application/*": "json",
    "*/*": "json",
}


def router(engine: AsyncEngine, settings: PenaltiesSettings, sites: Registry[SiteRecord]) -> APIRouter:
    """The routes under `/v1/statements`, `/v1/headquarters` and `/v1/trial-balance`."""
    routes = APIRouter()

    @routes.get(
        "/v1/statements/{network}/{site}/{period}",
        response_model=StatementBody,
        responses={
            200: {
                "content": {"text/csv": {}, "application/pdf": {}},
                "description": "JSON, CSV in UTF-8 with a BOM, or PDF",
            }
        },
    )
    async def statement(
        who: Reader, network: Network, site: Site, period: Period, accept: Annotated[str, Header()] = "*/*"
    ) -> Response:
        """A site's month, in the form that `Accept` asks for."""
        may_read(who, network, site)
        form = accepted(accept)
        registered = sites.get(f"{network}/{site}")
        async with snapshot(engine) as connection:
            if registered is None and not await queries.has_account(connection, network, site):
                raise not_found(f"site {site} in {network}, neither registered nor in the books")
            shown = await _statement(connection, network, site, period, settings.statement_lines_max)
        if form == "json":
            return as_json(statements.as_members(shown))
        # Long ones take seconds of CPU: in a thread, so that heartbeats go on.
        if form == "csv":
            body = await asyncio.to_thread(statements.as_csv, shown)
        else:
            body = await asyncio.to_thread(as_pdf, shown, registered.name if registered else "")
        disposition = f'attachment; filename="statement-{network}-{site}-{period}.{form}"'
        return Response(body, headers={"Content-Type": _MEDIA[form], "Content-Disposition": disposition})

    @routes.get("/v1/headquarters/{network}/{period}", response_model=TotalsBody)
    async def headquarters(who: Reader, network: Network, period: Period) -> Response:
        """Every account of a network in a month: opening balance, turnover, closing balance. Not for sites' keys."""
        may_read(who, network, None)
        async with snapshot(engine) as connection:
            totals = await month_totals(connection, network, period)
            closed = period <= await closed_through(connection, network)
        accounts = [{**one._asdict(), "closing_fen": one.closing_fen} for one in totals]
        state = "closed" if closed else "open"
        return as_json({"network": network, "period": period, "state": state, "accounts": accounts})

    @routes.get("/v1/trial-balance", response_model=TrialBalanceBody)
    async def trial_balance(
        who: Reader,
        network: NetworkQuery,
        as_of: Annotated[QueryMoment | None, Query(description="what was posted up to then")] = None,
    ) -> Response:
        """Whether the debits of a network equal its credits, now or at a past moment. Not for sites' keys."""
        may_read(who, network, None)
        async with snapshot(engine) as connection:
            accounts = await turnover(connection, network, as_of=as_of)
        debits_fen = sum(one.debits_fen for one in accounts)
        credits_fen = sum(one.credits_fen for one in accounts)
        return as_json(
            {
                "debits_fen": debits_fen,
                "credits_fen": credits_fen,
                "balanced": debits_fen == credits_fen,
                "as_of": as_of,
                "accounts": [one._asdict() for one in accounts],
            }
        )

    return routes


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
    entries = [entry for _, entry in placed]
    return statements.statement(
        network,
        site,
        period,
        closed=period <= await closed_through(connection, network),
        opening=opening,
        entries=entries,
        appeals=await queries.appeals(connection, network, {entry.waybill for entry in entries}, period),
    )


def accepted(accept: str) -> Form:
    """What an `Accept` header prefers of JSON, CSV and PDF. Raises Problem (406) where it takes none of them."""
    best: tuple[float, Form] | None = None
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.lower().split(";"))
        form: Form | None = _FORMS.get(media)
        quality = next((_quality(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
        if form is not None and quality > 0 and (best is None or quality > best[0]):
            best = quality, form
    if best is None:
        detail = "A statement is application/json, text/csv or application/pdf; ask for one of them."
        raise Problem(406, "Not acceptable", detail)
    return best[1]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
