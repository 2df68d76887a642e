"""`POST /v1/adjudications`: a verdict on events that are stored nowhere."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Depends
from fastapi.responses import Response

from services.arbitration.domain import AdjudicationRefused, Rulebooks, adjudicate
from shared.http.auth import Principal, require
from shared.http.problems import invalid

Request = Annotated[
    dict[str, Any],
    Body(
        description="`network`, `now`, `events`; optional `facts` (exemptions, rates, sites) and `rulebook` overrides",
        examples=[{"network": "tiantian", "now": "2026-03-06T10:00:00+08:00", "events": []}],
    ),
]


def router(books: Rulebooks) -> APIRouter:
    """The dry run."""
    routes = APIRouter(tags=["adjudications"])

    @routes.post("/v1/adjudications", response_model=None)
    async def adjudicate_events(
        request: Request, _: Annotated[Principal, Depends(require("read"))]
    ) -> Response:
        """Judge the events of one waybill at `now`, with no facts but those given. Nothing is stored."""
        try:
            document = adjudicate(request, books)
        except AdjudicationRefused as refused:
            raise invalid(*((error.pointer, error.message) for error in refused.errors)) from None
        return Response(msgspec.json.encode(document), media_type="application/json")

    return routes
