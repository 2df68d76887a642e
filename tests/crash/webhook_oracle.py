"""The webhooks against the notices: each that is due arrives, under its one id, at its own site, signed, and saying the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from tests.crash.parcels import NETWORK
from tests.crash.snapshot import Row, Snapshot

_ABOUT: Final = ("occasion", "network", "site", "waybill", "finding_id", "version")
_MAY_CHANGE: Final = frozenset({"created_at"})
"""What is told again after it was withdrawn is the same notice, made later."""


def webhook_violations(snapshot: Snapshot) -> Iterator[str]:
    """What is wrong with the webhooks."""
    yield from _made(snapshot)
    yield from _sent(snapshot)
    yield from _arrived(snapshot)


def _made(snapshot: Snapshot) -> Iterator[str]:
    """Whatever a site with a URL is told in the application goes there too, and nobody else has webhooks."""
    sites = snapshot.arrivals.secrets.keys()
    in_app = Counter(
        _about(row)
        for row in snapshot.notices
        if row["channel"] == "in_app" and row["network"] == NETWORK and row["site"] in sites
    )
    webhooks = Counter(_about(row) for row in _webhooks(snapshot))
    for about in sorted((in_app - webhooks).keys(), key=str):
        yield f"no webhook: {about} was told in the application only"
    for about in sorted((webhooks - in_app).keys(), key=str):
        yield f"webhook not expected: {about}"


def _sent(snapshot: Snapshot) -> Iterator[str]:
    """Nothing waits any more, and what is shown as delivered was taken by the receiver."""
    taken = {one.id for one in snapshot.arrivals.requests if one.taken}
    for row in _webhooks(snapshot):
        if row["state"] not in ("delivered", "withdrawn"):
            yield f"not sent: webhook {row['notice_id']} of {_about(row)} is {row['state']}"
    for notice in snapshot.shown_delivered:
        if notice["notice_id"] not in taken:
            yield f"never received: webhook {notice['notice_id']} of {_about(notice)} is shown as delivered"
    unshown = {str(row["notice_id"]) for row in _webhooks(snapshot) if row["state"] == "delivered"}
    for notice_id in sorted(unshown - {notice["notice_id"] for notice in snapshot.shown_delivered}):
        yield f"not shown: webhook {notice_id} is delivered and not in the list"


def _arrived(snapshot: Snapshot) -> Iterator[str]:
    """Every request is a notice of its site under the notice's id, signed, and says the same each time."""
    stored = {str(row["notice_id"]): row for row in _webhooks(snapshot)}
    said: dict[str, dict[str, Any]] = {}
    for arrival in snapshot.arrivals.requests:
        data = json.loads(arrival.body)["data"]
        named = f"webhook {arrival.id} at {arrival.site}"
        row = stored.get(arrival.id)
        if row is None or data["notice_id"] != arrival.id:
            yield f"unknown id: {named} carries notice {data['notice_id']}"
        elif not row["site"] == data["site"] == arrival.site:
            yield f"another's notice: {named} is for {data['site']}, and stored for {row['site']}"
        if not arrival.signed:
            yield f"unsigned: {named} is not signed with the site's secret"
        text = {name: value for name, value in data.items() if name not in _MAY_CHANGE}
        if said.setdefault(arrival.id, text) != text:
            yield f"two webhooks: {named} came with different contents"


def _webhooks(snapshot: Snapshot) -> Iterator[Row]:
    return (row for row in snapshot.notices if row["channel"] == "webhook")


def _about(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in _ABOUT)
