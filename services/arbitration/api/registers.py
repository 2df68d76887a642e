"""`/v1/registers/{name}`: the lists that offices keep by hand, read from the journal."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from services.arbitration.api.reader import CaseReader
from services.arbitration.api.scorecards import LocalDay, Network, Reader, Site, confined
from services.arbitration.casefile import shown_details
from services.arbitration.projections.registers import Entry, Register
from services.arbitration.rules.localtime import date_of, moment_of
from services.arbitration.store import registers
from services.arbitration.store.registers import Asked, Standing
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, decode, encode
from shared.http.problems import invalid


def _month(text: str) -> str:
    if not 1900 <= int(text[:4]) <= 2200 or not 1 <= int(text[5:]) <= 12:
        raise ValueError("must be a month as yyyy-mm")
    return text


Month = Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}$"), AfterValidator(lambda v: v and _month(v))]


def router(cases: CaseReader) -> APIRouter:
    """`GET /v1/registers/{name}`."""
    routes = APIRouter(tags=["registers"])

    @routes.get("/v1/registers/{name}")
    async def get_register(
        name: Register,
        who: Reader,
        network: Network = None,
        site: Site = None,
        day: Annotated[LocalDay | None, Query(description="local day of the lines")] = None,
        month: Month = None,
        first: Annotated[LocalDay | None, Query(alias="from", description="first local day")] = None,
        last: Annotated[LocalDay | None, Query(alias="to", description="last local day, included")] = None,
        open_on: Annotated[
            LocalDay | None, Query(description="lines up to this day that were still open when it ended")
        ] = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """Lines of a register by day and waybill: anomalies, problems, deliveries, missorts, receipts or photos.

        With `site`, those that the site keeps and those about it; a site's key sees the couriers and notes of others masked.
        A waybill stands there once it was looked at; what its lines say is read from the journal. `limit` counts waybills a
        day: each has a line as a rule.
        """
        span = _span(day, month, first, last)
        asked = Asked(name, *confined(who, network, site), *span, open_on)
        found = await registers.standing(cases.engine, asked, decode(cursor, date, str), limit + 1)
        shown = found[:limit]
        after = encode(shown[-1].day.isoformat(), shown[-1].subject) if len(found) > limit else None
        items = [line for one in shown for line in _lines(cases, one, asked, who.site)]
        return {"items": items, "next": after}

    return routes


def _span(
    day: date | None, month: str | None, first: date | None, last: date | None
) -> tuple[date | None, date | None]:
    if sum(given is not None for given in (day, month, first or last)) > 1:
        raise invalid(("/query/day", "give day, or month, or from and to"))
    if day is not None:
        return day, day
    if month is not None:
        begin = date.fromisoformat(f"{month}-01")
        return begin, begin.replace(day=monthrange(begin.year, begin.month)[1])
    return first, last


def _lines(
    cases: CaseReader, one: Standing, asked: Asked, reader_site: str | None
) -> Iterator[dict[str, Any]]:
    """The lines that the waybill has on the page, by its events as they are now."""
    network, _, waybill = one.subject.partition("/")
    for entry in cases.entries(one.subject, one.pieces):
        if _is_shown(entry, one.day, asked):
            yield {
                "network": network,
                "waybill": waybill,
                "site": entry.site,
                "against": entry.against,
                "day": one.day,
                "at": moment_of(entry.at),
                "closed_on": None if entry.closed is None else date_of(entry.closed),
                **shown_details(entry.details, entry.persons, reader_site),
            }


def _is_shown(entry: Entry, day: date, asked: Asked) -> bool:
    if entry.register != asked.register or date_of(entry.day) != day:
        return False
    if asked.site is not None and asked.site not in (entry.site, entry.against):
        return False
    return asked.open_on is None or entry.closed is None or date_of(entry.closed) > asked.open_on
