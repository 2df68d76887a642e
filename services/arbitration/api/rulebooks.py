"""`/v1/rulebooks`: the rules as data, as they are in force on a day."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from fastapi.responses import Response

from services.arbitration.domain import Rulebooks
from shared.http.auth import Principal, require
from shared.http.problems import not_found


def router(books: Rulebooks) -> APIRouter:
    """`GET /v1/rulebooks` and `GET /v1/rulebooks/{id}?on=`."""
    routes = APIRouter(tags=["rulebooks"])

    @routes.get("/v1/rulebooks")
    async def list_rulebooks(_: Annotated[Principal, Depends(require("read"))]) -> dict[str, Any]:
        """The ids of the rulebooks and the digest of all their data."""
        return {"items": [{"id": book_id} for book_id in books.ids()], "next": None, "digest": books.digest}

    @routes.get("/v1/rulebooks/{rulebook_id}", response_model=None)
    async def get_rulebook(
        rulebook_id: str, _: Annotated[Principal, Depends(require("read"))], on: date | None = None
    ) -> Response:
        """A rulebook's rules, parameters, texts and clauses as in force on `on` (default: today's newest)."""
        try:
            described = books.describe(rulebook_id, on or date.max)
        except KeyError:
            raise not_found(f"rulebook {rulebook_id}") from None
        return Response(msgspec.json.encode(described), media_type="application/json")

    return routes
