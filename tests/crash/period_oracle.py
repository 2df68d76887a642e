"""The closed months: each published, and told to headquarters and to every site that had money in it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from shared.ids import stable_id
from tests.crash.snapshot import PERIODS, Row, Snapshot

_DESK: Final = "HQ-STATISTICS"
_OCCASIONS: Final = ("month_closed", "statement_ready")


def period_violations(snapshot: Snapshot) -> Iterator[str]:
    """What is wrong with the closed months."""
    yield from _published(snapshot)
    yield from _told(snapshot)


def _published(snapshot: Snapshot) -> Iterator[str]:
    """Every closed month is on the topic, always with the same bytes, and nothing else is."""
    found: dict[str, bytes] = {}
    for read in snapshot.topics[PERIODS]:
        event = json.loads(read.value)
        if found.setdefault(event["subject"], read.value) != read.value:
            yield f"two closes: {event['subject']} is on the topic with different contents"
    closed = {f"{row['network']}/{row['period']}" for row in snapshot.closes}
    for subject in sorted(closed - found.keys()):
        yield f"unpublished: {subject} is closed and not on the topic"
    for subject in sorted(found.keys() - closed):
        yield f"unclosed: {subject} is on the topic and was not closed"


def _told(snapshot: Snapshot) -> Iterator[str]:
    wanted = {}
    for row in snapshot.closes:
        network, period = row["network"], row["period"]
        hearers = [("month_closed", _DESK), *(("statement_ready", site) for site in _sites(snapshot, row))]
        for occasion, site in hearers:
            notice_id = str(stable_id("notice", occasion, network, period, site, "in_app"))
            wanted[notice_id] = f"{occasion} of {network}/{period} to {site}"
    told = {
        str(row["notice_id"]): row
        for row in snapshot.notices
        if row["occasion"] in _OCCASIONS and row["channel"] == "in_app"
    }
    for notice_id in sorted(wanted.keys() - told.keys()):
        yield f"not noticed: {wanted[notice_id]}"
    for notice_id in sorted(told.keys() - wanted.keys()):
        yield f"wrong notice: {told[notice_id]['occasion']} to {told[notice_id]['site']}, {notice_id}"


def _sites(snapshot: Snapshot, close: Row) -> set[str]:
    """The sites with an entry in a closed month, or a balance from before it."""
    opening_fen: dict[tuple[str, bool], int] = defaultdict(int)
    present = set()
    for row in snapshot.entries:
        if row["network"] != close["network"] or row["period"] > close["period"]:
            continue
        for side, sign in (("debit", 1), ("credit", -1)):
            site, account = row[f"{side}_site"], row[f"{side}_account"]
            if site and row["period"] == close["period"]:
                present.add(site)
            elif site and account != "settled":
                opening_fen[site, account == "frozen"] += sign * row["amount_fen"]
    return present | {site for (site, _), amount_fen in opening_fen.items() if amount_fen}
