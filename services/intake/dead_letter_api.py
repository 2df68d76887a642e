"""Registry records that cannot be read. Every service skips them; intake, which writes the registries, shows them.

They stand in no database: each process reads the registries anew when it starts, and finds them again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from services.intake.registry_store import RegistryStore
from shared.bus.compacted import Unreadable
from shared.bus.dead_letter_api import Letter, shown
from shared.clock import Clock
from shared.http.auth import Principal, require
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, decode, page_of
from shared.http.problems import not_found
from shared.ids import stable_id

REASON = "unreadable"
Admin = Annotated[Principal, Depends(require("admin"))]


def router(store: RegistryStore, clock: Clock) -> APIRouter:
    """`GET /v1/dead-letters` and `POST /v1/dead-letters/{id}/replay`, scope `admin`."""
    routes = APIRouter(tags=["dead letters"])

    def letters() -> dict[UUID, tuple[Letter, Unreadable]]:
        store.require_loaded()
        found = ((_letter(record, clock), record) for record in store.registries.unreadable())
        return {letter.id: (letter, record) for letter, record in found}

    @routes.get("/v1/dead-letters")
    async def list_dead_letters(
        _: Admin,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
        topic: str | None = None,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Registry records that cannot be read and that no later one has replaced, newest first."""
        before = decode(cursor, datetime, UUID)
        listed = sorted((letter for letter, _ in letters().values()), key=_place, reverse=True)
        page = [
            shown(letter)
            for letter in listed
            if topic in (None, letter.topic)
            and reason in (None, letter.reason)
            and (before is None or _place(letter) < tuple(before))
        ]
        return page_of(page[: limit + 1], limit, lambda item: (item["at"].isoformat(), item["id"]))

    @routes.post("/v1/dead-letters/{letter_id}/replay", status_code=202)
    async def replay(letter_id: UUID, who: Admin) -> dict[str, Any]:
        """Publish the record once more, bytes unchanged."""
        known = letters().get(letter_id)
        if known is None:
            raise not_found(f"dead letter {letter_id}")
        letter, record = known
        await store.put_again(record)
        return shown(letter._replace(replayed_at=clock.now(), replayed_by=who.owner))

    return routes


def _place(letter: Letter) -> tuple[datetime, UUID]:
    return letter.at, letter.id


def _letter(record: Unreadable, clock: Clock) -> Letter:
    letter_id = stable_id("dead-letter", record.topic, record.partition, record.offset)
    at = clock.of_real_ms(record.timestamp)
    return Letter(letter_id, *record[:3], record.key, record.value, REASON, record.detail, at)
