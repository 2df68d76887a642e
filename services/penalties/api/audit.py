"""Proof of the ledger, and what it holds by waybill, for reconciling it with arbitration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.ext.asyncio import AsyncEngine

from services.penalties import audit
from services.penalties.api.bodies import WaybillBody
from services.penalties.api.common import WAYBILL_PATTERN, NetworkQuery, Operator, as_json, encode, may_read
from services.penalties.chain import ChainKey
from services.penalties.settings import PenaltiesSettings
from shared.db import reader
from shared.http.auth import forbidden
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, Page, decode, page_of
from shared.registry import NETWORK_PATTERN

_NDJSON = "application/x-ndjson"
_WAYBILL = Annotated[str, msgspec.Meta(pattern=WAYBILL_PATTERN)]


def router(engine: AsyncEngine, settings: PenaltiesSettings) -> APIRouter:
    """The routes under `/v1/ledger`."""
    routes = APIRouter()
    one_at_a_time = asyncio.Semaphore(1)

    @routes.get(
        "/v1/ledger/verification",
        response_class=Response,
        responses={200: {"content": {_NDJSON: {}}, "description": "A line for each chain, then the summary"}},
    )
    async def verification(
        who: Operator, network: Annotated[str | None, Query(pattern=NETWORK_PATTERN)] = None
    ) -> StreamingResponse:
        """Recompute every chain and balance, of one network or of all; one proof at a time.

        Lines `{"chain": {network, partition, entries, head, ok, broken?, differences?}}`, then
        `{"summary": {ok, chains, entries, debits_fen}}`; without that last line the proof was cut off.
        """
        if who.network is not None and network != who.network:
            raise forbidden(f"The key belongs to {who.network}: ask for that network.")
        keys = await audit.chain_keys(engine, network)

        async def lines() -> AsyncIterator[bytes]:
            async with one_at_a_time:
                async for line in _proofs(engine, keys, settings.verify_chunk_entries):
                    yield line

        return StreamingResponse(lines(), media_type=_NDJSON)

    @routes.get("/v1/ledger/waybills", response_model=Page[WaybillBody])
    async def waybills(
        who: Operator,
        network: NetworkQuery,
        waybill: Annotated[str | None, Query(pattern=WAYBILL_PATTERN)] = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> Response:
        """The newest version worked through of each waybill (or of one) and what it stands at, by waybill."""
        may_read(who, network, None)
        after = decode(cursor, _WAYBILL)
        async with reader(engine) as connection:
            found = await audit.waybills(
                connection, network, waybill, after=after[0] if after else "", limit=limit + 1
            )
        return as_json(page_of(found, limit, lambda one: (one["waybill"],)))

    return routes


async def _proofs(engine: AsyncEngine, keys: Sequence[ChainKey], chunk_entries: int) -> AsyncIterator[bytes]:
    ok, entries, debits_fen = True, 0, 0
    for key in keys:
        proof = await audit.prove(engine, key, chunk_entries)
        ok, entries, debits_fen = ok and proof.ok, entries + proof.entries, debits_fen + proof.debits_fen
        yield encode({"chain": proof}) + b"\n"
    summary = {"ok": ok, "chains": len(keys), "entries": entries, "debits_fen": debits_fen}
    yield encode({"summary": summary}) + b"\n"
