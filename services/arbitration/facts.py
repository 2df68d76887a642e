"""What arbitration knows from other sources than the waybill, and since when.

Sites and exemptions arrive on compacted topics, which forget; every statement is therefore kept with the moment it became
known, so that a verdict of any past moment can be computed again with what was known then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.domain import ExemptionFact, Facts, FixedRates, Rate, SiteFact
from services.arbitration.store import facts as stored
from services.arbitration.store.facts import Statement
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.registries import Registries
from shared.registry import Exemption, ExemptionEvent, SiteRecord

log = structlog.get_logger(__name__)

_RETRY_S = 1.0
_NO_FACTS = Facts()

T = TypeVar("T")
History = dict[str, dict[str, dict[datetime, T]]]
"""Network → id → moment → what was said then."""


class FactBook:
    """All facts with their history, and the ones known at a moment. Without `registries` it has only what is stored."""

    def __init__(self, engine: AsyncEngine, registries: Registries | None = None) -> None:
        self._engine = engine
        self._sites: History[SiteRecord] = {}
        self._exemptions: History[Exemption] = {}
        self._rates: History[Mapping[str, Rate]] = {}
        self._dated: set[tuple[str, str, str, datetime]] = set()
        self._changed_at: dict[str, datetime] = {}
        self._newest: dict[str, Facts] = {}
        self._new: asyncio.Queue[Statement] = asyncio.Queue()
        if registries is not None:
            registries.sites.subscribe(self._site_known)
            registries.exemptions.subscribe(self._exemption_known)

    async def load(self) -> None:
        """Read the history that compaction has removed from the topics."""
        for statement in await stored.read_all(self._engine):
            self.remember(statement)

    async def keep(self) -> None:
        """Store new statements, and have the cases looked at that an exemption concerns, until cancelled."""
        while True:
            statement = await self._new.get()
            stored_it = False
            while not stored_it:
                try:
                    await stored.keep(self._engine, statement)
                    stored_it = True
                except TRANSIENT as error:
                    unless_cancelled(error)
                    log.warning("facts_wait", error=repr(error))
                    await asyncio.sleep(_RETRY_S)

    @property
    def dated(self) -> int:
        """How many statements have been heard of the kinds that have cases looked at again."""
        return len(self._dated)

    def knows(self, subject: str, known_at: datetime) -> bool:
        """Whether what was said at this moment of an exemption or the rates of the waybill's network has been heard."""
        network = subject.partition("/")[0]
        return any(known_at in moments for moments in self._exemptions.get(network, {}).values()) or any(
            known_at in moments for moments in self._rates.get(network, {}).values()
        )

    def known_for(self, subject: str, at: datetime, first_issued: Mapping[str, datetime]) -> Facts:
        """The facts of the waybill's network as known at `at`; `first_issued` gives its findings' first issues."""
        network = subject.partition("/")[0]
        changed_at = self._changed_at.get(network)
        if changed_at is None:
            facts = _NO_FACTS
        elif at < changed_at:
            facts = self._as_of(network, at)
        else:
            facts = self._newest.get(network) or self._newest.setdefault(network, self._as_of(network, at))
        return msgspec.structs.replace(facts, first_issued=first_issued) if first_issued else facts

    def _as_of(self, network: str, at: datetime) -> Facts:
        sites = _standing(self._sites, network, at)
        exemptions = _standing(self._exemptions, network, at).values()
        return Facts(
            sites={r.site: SiteFact(r.site, r.kind, r.parent, r.city, r.province) for r in sites.values()},
            exemptions=[
                ExemptionFact(
                    exemption_id=r.exemption_id,
                    sites=r.sites,
                    province=r.province,
                    city=r.city,
                    from_=r.from_,
                    to=r.to,
                )
                for r in exemptions
                if r.withdrawn_at is None
            ],
            rates=_standing(self._rates, network, at),
        )

    def _site_known(self, _: str, record: SiteRecord | None) -> None:
        if record is not None:
            self._learn(
                Statement(
                    "site", record.network, record.site, record.recorded_at, msgspec.to_builtins(record)
                )
            )

    def _exemption_known(self, _: str, event: ExemptionEvent | None) -> None:
        if event is not None:
            one = event.data
            self._learn(
                Statement("exemption", one.network, one.exemption_id, event.time, msgspec.to_builtins(one))
            )

    def _learn(self, statement: Statement) -> None:
        self.remember(statement)
        self._new.put_nowait(statement)

    def remember(self, statement: Statement) -> None:
        """Take in what stands in the database, or will."""
        network, known_at = statement.network, statement.known_at
        if statement.kind in stored.DATED:
            self._dated.add(statement[:4])
        if statement.kind == "site":
            site = msgspec.convert(statement.record, SiteRecord)
            self._sites.setdefault(network, {}).setdefault(statement.id, {})[known_at] = site
        elif statement.kind == "rates":
            rates = msgspec.convert(statement.record, dict[str, Rate])
            self._rates.setdefault(network, {}).setdefault(statement.id, {})[known_at] = FixedRates(rates)
        else:
            one = msgspec.convert(statement.record, Exemption)
            self._exemptions.setdefault(network, {}).setdefault(statement.id, {})[known_at] = one
        self._changed_at[network] = max(known_at, self._changed_at.get(network, known_at))
        self._newest.pop(network, None)


def _standing(history: History[T], network: str, at: datetime) -> dict[str, T]:
    """What was last said of each thing of the network by the moment `at`, by its id."""
    said = history.get(network, {})
    last = {
        key: max((moment for moment in by_time if moment <= at), default=None)
        for key, by_time in said.items()
    }
    return {key: said[key][moment] for key, moment in last.items() if moment is not None}
