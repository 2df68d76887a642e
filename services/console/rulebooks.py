"""The rulebooks' values and clauses as a finding used them, remembered: a block that was in force never changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from services.console.peers import Services
from shared.http.peers import PeerError

_KEPT_MAX = 512
_SHARED = {"GB": "national", "SD": "desk"}

Rules = Mapping[str, Mapping[str, Any]]


class Rulebooks:
    """Rulebooks by their id and day, read from arbitration on first use."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kept: OrderedDict[tuple[str, str], Rules] = OrderedDict()

    async def described(
        self, key: str, own: str | None, findings: Iterable[Mapping[str, Any]]
    ) -> dict[str, Mapping[str, Any]]:
        """What is known of each finding's rule, by finding_id: `values`, `assumed`, `clause_en`, `from`, `from_assumed`.

        `own`: the network's rulebook. Empty for a rule that cannot be read: the page does without.
        """
        wanted = {
            finding["finding_id"]: (
                _SHARED.get(finding["rule"][:2], own or ""),
                _day(finding),
                finding["rule"],
            )
            for finding in findings
        }
        books = {(book, day) for book, day, _ in wanted.values() if book}
        await asyncio.gather(*(self._read(key, *book) for book in books if book not in self._kept))
        return {
            finding_id: self._kept.get((book, day), {}).get(rule, {})
            for finding_id, (book, day, rule) in wanted.items()
        }

    async def _read(self, key: str, book: str, day: str) -> None:
        try:
            described = await self._services.get(key, "arbitration", f"/v1/rulebooks/{book}", on=day or None)
        except PeerError:
            return
        self._kept[book, day] = described["rules"]
        while len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)


def _day(finding: Mapping[str, Any]) -> str:
    return str(finding.get("triggered_at") or "")[:10]
