"""A site's month: opening balance, each entry with what it changed, closing balance; as JSON members or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.penalties.domain import FROZEN_ACCOUNTS, SETTLED, ZONE
from services.penalties.queries import Appeal, Balance
from shared.events.outputs import Entry

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
COLUMNS = (
    "line",
    "posted_at",
    "period",
    "belongs_to",
    "waybill",
    "rule",
    "clause",
    "finding_id",
    "version",
    "kind",
    "appeal",
    "debit_account",
    "debit_site",
    "credit_account",
    "credit_site",
    "amount_fen",
    "change_fen",
    "frozen_change_fen",
    "balance_fen",
    "frozen_fen",
    "entry_id",
    "reverses",
    "note",
)


@dataclass(frozen=True, slots=True)
class Line:
    """An entry, what it changed on the site's open and frozen accounts, and what the site owes after it, in fen."""

    entry: Entry
    change_fen: int
    frozen_change_fen: int
    after: Balance
    appeal: Appeal


@dataclass(frozen=True, slots=True)
class Statement:
    """A site's month. `closed`: final, nothing will be added to it."""

    network: str
    site: str
    period: str
    closed: bool
    opening: Balance
    lines: Sequence[Line]
    closing: Balance


def statement(
    network: str,
    site: str,
    period: str,
    *,
    closed: bool,
    opening: Balance,
    entries: Sequence[Entry],
    appeals: Mapping[tuple[str, str], Appeal],
) -> Statement:
    """The statement of `site`: `opening` is what it owed before, `entries` are those of the period in their order.

    `appeals` says by waybill and finding id what was appealed against.
    """
    lines = []
    after = opening
    for entry in entries:
        change_fen, frozen_change_fen = change_of(entry, site)
        after = Balance(after.open_fen + change_fen, after.frozen_fen + frozen_change_fen)
        appeal = appeals.get((entry.waybill, entry.finding_id), "none")
        lines.append(Line(entry, change_fen, frozen_change_fen, after, appeal))
    return Statement(network, site, period, closed, opening, lines, after)


def change_of(entry: Entry, site: str) -> tuple[int, int]:
    """By how much an entry changes what `site` owes: on its open accounts and on its frozen one, in fen."""
    open_fen = frozen_fen = 0
    for side, sign in ((entry.debit, 1), (entry.credit, -1)):
        if side.site != site:
            continue
        if side.account in FROZEN_ACCOUNTS:
            frozen_fen += sign * entry.amount_fen
        elif side.account != SETTLED:
            open_fen += sign * entry.amount_fen
    return open_fen, frozen_fen


def as_members(shown: Statement) -> dict[str, Any]:
    """The statement's JSON object; the lines' entries are left for msgspec to encode."""
    return {
        "network": shown.network,
        "site": shown.site,
        "period": shown.period,
        "state": "closed" if shown.closed else "open",
        "opening": _balance_members(shown.opening),
        "lines": [
            {
                "entry": line.entry,
                "change_fen": line.change_fen,
                "frozen_change_fen": line.frozen_change_fen,
                "appeal": line.appeal,
                **_balance_members(line.after),
            }
            for line in shown.lines
        ],
        "closing": _balance_members(shown.closing),
    }


def as_csv(shown: Statement) -> bytes:
    """The statement as CSV in UTF-8 with a byte order mark, so that spreadsheets read Chinese text rightly.

    One row for the opening balance, one for each entry, one for the closing balance; times in the networks' zone.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([row.get(name, "") for name in COLUMNS] for row in _rows(shown))
    return text.getvalue().encode("utf-8-sig")


def _rows(shown: Statement) -> Iterator[dict[str, Any]]:
    yield {"line": "opening", "period": shown.period, **_balance_members(shown.opening)}
    for number, line in enumerate(shown.lines, 1):
        entry = line.entry
        yield {
            "line": number,
            "posted_at": entry.posted_at.astimezone(ZONE).isoformat(),
            "period": entry.period,
            "belongs_to": entry.belongs_to or "",
            "waybill": _text(entry.waybill),
            "rule": _text(entry.rule),
            "clause": _text(clause_of(entry)),
            "finding_id": _text(entry.finding_id),
            "version": entry.version,
            "kind": entry.kind,
            "appeal": line.appeal,
            "debit_account": entry.debit.account,
            "debit_site": _text(entry.debit.site or ""),
            "credit_account": entry.credit.account,
            "credit_site": _text(entry.credit.site or ""),
            "amount_fen": entry.amount_fen,
            "change_fen": line.change_fen,
            "frozen_change_fen": line.frozen_change_fen,
            **_balance_members(line.after),
            "entry_id": entry.entry_id,
            "reverses": entry.reverses or "",
            "note": _text(entry.note or ""),
        }
    yield {"line": "closing", "period": shown.period, **_balance_members(shown.closing)}


def clause_of(entry: Entry) -> str:
    """The clause's source document and words on one line; empty where a person booked it."""
    return "" if entry.clause is None else f"{entry.clause.source} {' '.join(entry.clause.text.split())}"


def _balance_members(balance: Balance) -> dict[str, int]:
    return {"balance_fen": balance.open_fen, "frozen_fen": balance.frozen_fen}


def _text(value: str) -> str:
    """`value` so that no spreadsheet takes it for a formula."""
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
