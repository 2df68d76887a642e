"""Lists: filters in the address, cursor paging, and the same rows as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fastapi import Request, Response

from services.console.peers import Part

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Filters(NamedTuple):
    """What a list is asked for: the filters of its address by name (empty where not given), and the cursor."""

    path: str
    asked: dict[str, str]
    cursor: str | None

    @classmethod
    def of(cls, request: Request, *names: str) -> Filters:
        """The filters `names` of `request`'s address; others in it are ignored."""
        query = request.query_params
        return cls(
            request.url.path,
            {name: query.get(name, "").strip() for name in names},
            query.get("cursor") or None,
        )

    @property
    def given(self) -> dict[str, str]:
        """Those that are not empty, as the services take them."""
        return {name: value for name, value in self.asked.items() if value}

    def url(self, **changes: str | None) -> str:
        """This list's address with `changes`, from its first page; None takes a filter away."""
        query = {name: value for name, value in {**self.given, **changes}.items() if value}
        return f"{self.path}?{urlencode(query)}" if query else self.path

    def next(self, listed: Part) -> str | None:
        """The address of the page after `listed`; None after the last."""
        cursor = (listed.value or {}).get("next")
        return self.url(cursor=cursor) if cursor else None


def as_csv(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """The rows as a file `name`.csv in UTF-8 with a byte order mark, so that spreadsheets read Chinese text rightly."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_defused(value) for value in row] for row in rows)
    headers = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}.csv"',
    }
    return Response(text.getvalue().encode("utf-8-sig"), headers=headers)


def _defused(value: Any) -> Any:
    """`value` so that no spreadsheet takes it for a formula; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def status_of(listed: Part) -> int:
    """The page's status: that of the list where it was refused."""
    return 200 if listed.error is None else listed.error.status or 502
