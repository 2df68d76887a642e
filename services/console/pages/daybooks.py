"""The registers that offices keep by hand: anomalies, problem pieces, couriers' rounds, missorts, receipts, photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal, get_args

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.console.formats import local
from services.console.kit import Item, Kit, Room, routes
from services.console.lists import Filters, as_csv, status_of
from services.console.peers import part
from services.console.viewer import SignedIn, Viewer

Span = Literal["day", "week", "month"]
SPANS: Final[tuple[Span, ...]] = get_args(Span)
Kind = Literal["waybill", "text", "moment", "day", "yes", "ticks", "words"]
Row = dict[str, Any]
_LIMIT: Final = 500
_GROUP: Final = "daybook_value"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the member of a line that it shows, and as what. `words`: a word of the pages, or several of them."""

    name: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Daybook:
    """A register as a page, of a `span` unless asked for another. `group`: the member whose values head the lines; `keeps`: which lines belong there."""

    name: str
    register: str
    span: Span
    columns: Sequence[Column]
    group: str | None = None
    keeps: Callable[[Row], bool] = lambda _: True
    counted: str | None = None
    """The member whose values are counted above the lines."""
    month_end: bool = False
    """Whether it can show what was open when the month ended."""


_WAYBILL = Column("waybill", "waybill")
_AT = Column("at", "moment")
_CLOSED = Column("closed_on", "day")
DAYBOOKS: Final = (
    Daybook(
        "bulletin",
        "anomalies",
        "week",
        (_WAYBILL, Column("site"), _AT, Column("kind", "words"), Column("against"), Column("vehicle"), Column("bag"), _CLOSED),
        counted="kind",
    ),
    Daybook(
        "vehicles",
        "anomalies",
        "day",
        (_WAYBILL, Column("site"), Column("against"), Column("bag"), Column("kind", "words"), _AT, _CLOSED),
        group="vehicle",
        keeps=lambda row: row["vehicle"] is not None,
        counted="kind",
    ),
    Daybook(
        "problems",
        "problems",
        "day",
        (
            _WAYBILL, Column("site"), _AT, Column("courier"), Column("reason", "words"), Column("note"),
            Column("announced_at", "moment"), Column("then", "words"), Column("then_at", "moment"),
        ),
        counted="reason",
    ),
    Daybook(
        "deliveries",
        "deliveries",
        "day",
        (_WAYBILL, Column("site"), _AT, Column("state", "words"), Column("reason", "words"), Column("signed_at", "moment")),
        group="courier",
        counted="state",
    ),
    Daybook(
        "missorts",
        "missorts",
        "day",
        (
            _WAYBILL, Column("correct_site"), Column("correct_mark"), Column("origin"), Column("site"), Column("against"),
            _AT, Column("reason", "ticks"), Column("sent_on_at", "moment"),
        ),
    ),
    Daybook(
        "receipts",
        "receipts",
        "month",
        (
            _WAYBILL, Column("site"), Column("against"), _AT, Column("arrived_at", "moment"), Column("due_on", "day"),
            Column("sent_at", "moment"), Column("returned_at", "moment"), Column("state", "words"), Column("abnormal", "yes"),
        ),
        counted="state",
        month_end=True,
    ),
    Daybook(
        "photos",
        "photos",
        "month",
        (_WAYBILL, Column("site"), _AT, Column("courier"), Column("signer", "words"), Column("defects", "words")),
        counted="site",
    ),
)  # fmt: skip


def router(kit: Kit) -> APIRouter:
    """`/registers/<name>` for each of DAYBOOKS."""
    pages = routes()
    for book in DAYBOOKS:
        pages.add_api_route(f"/registers/{book.name}", _page_of(kit, book), methods=["GET"])
    return pages


def _page_of(kit: Kit, book: Daybook) -> Callable[..., Any]:
    async def page(request: Request, viewer: SignedIn) -> Response:
        filters = Filters.of(
            request, "network", "site", "day", "span", *(("view",) if book.month_end else ())
        )
        span: Span = next((one for one in SPANS if one == filters.asked["span"]), book.span)
        first, last = period(span, filters.asked["day"], kit.now().date())
        open_only = filters.asked.get("view") == "open"
        asked = _asked(filters, first, last, open_only=open_only)
        listed = await part(
            kit.services.get(viewer.key, "arbitration", f"/v1/registers/{book.register}", **asked)
        )
        rows = [row for row in (listed.value or {}).get("items", ()) if book.keeps(row)]
        if request.query_params.get("form") == "csv" and listed.error is None:
            return as_csv(
                f"{book.name}-{first}", _heads(kit, request, book), _csv_rows(kit, request, book, rows)
            )
        return kit.view.page(
            request,
            "daybooks/daybook.html",
            viewer=viewer,
            status=status_of(listed),
            book=book,
            filters=filters,
            first=first,
            last=last,
            before=first - timedelta(days=1),
            after=last + timedelta(days=1),
            span_name=span,
            spans=SPANS,
            open_only=open_only,
            listed=listed,
            rows=rows,
            groups=grouped(rows, book.group),
            counts=counted(rows, book.counted),
            whose=_whose(viewer, filters),
        )

    return page


def period(span: Span, given: str, today: date) -> tuple[date, date]:
    """The first and last day of the span that has the given day; of today's where none is given."""
    try:
        day = date.fromisoformat(given)
    except ValueError:
        day = today
    if not 1900 <= day.year <= 2200:
        day = today
    if span == "day":
        return day, day
    if span == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def grouped(rows: Iterable[Row], by: str | None) -> list[tuple[str | None, list[Row]]]:
    """The rows under the values of `by`, in their order, those without one last; one group where there is none."""
    groups: dict[str | None, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[by] if by is not None else None, []).append(row)
    return sorted(groups.items(), key=lambda group: (group[0] is None, group[0] or ""))


def counted(rows: Iterable[Row], by: str | None) -> list[tuple[str, int]]:
    """How many rows there are of each value of `by`, the most first."""
    counts: dict[str, int] = {}
    for row in rows:
        if by is not None and row[by] is not None:
            counts[row[by]] = counts.get(row[by], 0) + 1
    return sorted(counts.items(), key=lambda count: (-count[1], count[0]))


def _asked(filters: Filters, first: date, last: date, *, open_only: bool) -> dict[str, Any]:
    asked: dict[str, Any] = {name: filters.asked[name] or None for name in ("network", "site")}
    asked |= {"cursor": filters.cursor, "limit": _LIMIT}
    if open_only:
        return asked | {"open_on": last.isoformat()}
    return asked | {"from": first.isoformat(), "to": last.isoformat()}


def _whose(viewer: Viewer, filters: Filters) -> str:
    return " · ".join(
        name
        for name in (filters.asked["network"] or viewer.network, filters.asked["site"] or viewer.site)
        if name
    )


def _heads(kit: Kit, request: Request, book: Daybook) -> list[str]:
    word = kit.view.word(request)
    names = [*((book.group,) if book.group else ()), *(column.name for column in book.columns)]
    return [word("page", "network"), *(word("daybook_column", name) for name in names)]


def _csv_rows(kit: Kit, request: Request, book: Daybook, rows: Iterable[Row]) -> Iterable[list[Any]]:
    word = kit.view.word(request)

    def said(value: Any) -> str:
        values = value if isinstance(value, list) else [value]
        return " ".join(word(_GROUP, one) for one in values if one is not None)

    def cell(column: Column, value: Any) -> Any:
        if value is None or value == []:
            return ""
        if column.kind == "moment":
            return local(value, kit.zone)
        return said(value) if column.kind in ("words", "ticks") else value

    for row in rows:
        group = [row[book.group]] if book.group else []
        yield [row["network"], *group, *(cell(column, row[column.name]) for column in book.columns)]


ROOM = Room(
    router,
    (
        Item("registers", "bulletin", "/registers/bulletin"),
        Item("registers", "vehicles", "/registers/vehicles"),
        Item("registers", "problems", "/registers/problems"),
        Item("registers", "deliveries", "/registers/deliveries"),
        Item("registers", "missorts", "/registers/missorts"),
        Item("registers", "receipts", "/registers/receipts"),
        Item("registers", "photos", "/registers/photos"),
    ),
)
