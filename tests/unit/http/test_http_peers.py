"""Calls between services: what is carried along, and what is said when they fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Header, Query, Response

from shared.http.app import Check, create_app
from shared.http.peers import Peer, PeerError
from shared.http.problems import not_found
from shared.settings import ServiceSettings

router = APIRouter()


@router.get("/echo")
async def echo(
    authorization: Annotated[str, Header()],
    x_request_id: Annotated[str, Header()],
    site: Annotated[str, Query()] = "none",
) -> dict[str, str]:
    return {"authorization": authorization, "request_id": x_request_id, "site": site}


@router.get("/numbers")
async def numbers(limit: int, cursor: int = 0, below: int = 1_200) -> dict[str, object]:
    end = min(cursor + limit, below)
    return {"items": list(range(cursor, end)), "next": str(end) if end < below else None}


@router.get("/document")
async def document(accept: Annotated[str, Header()]) -> Response:
    return Response(b"x" * 1_000, media_type=accept)


@router.get("/missing")
async def missing() -> None:
    raise not_found("case tiantian/560000000001")


@router.delete("/thing", status_code=204)
async def remove() -> None:
    return None


async def ready() -> dict[str, Check]:
    return {}


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    app = create_app("notify", settings=ServiceSettings(), readiness=ready, routers=[router])
    async with Peer(
        "notify", "http://notify", "the-key", ServiceSettings(), transport=httpx.ASGITransport(app)
    ) as peer:
        yield peer


async def test_a_call_carries_the_key_and_the_id_of_the_request_it_serves(peer: Peer) -> None:
    outer = APIRouter()

    @outer.get("/outer")
    async def through() -> dict[str, str]:
        answer: dict[str, str] = await peer.get("/echo", {"site": "GZ01", "cursor": None})
        return answer

    app = create_app("console", settings=ServiceSettings(), readiness=ready, routers=[outer])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client:
        answer = await client.get("/outer", headers={"X-Request-Id": "req-7"})
    assert answer.json() == {"authorization": "Bearer the-key", "request_id": "req-7", "site": "GZ01"}


async def test_an_answer_without_content_is_none(peer: Peer) -> None:
    assert await peer.call("DELETE", "/thing") is None


async def test_a_list_is_read_page_by_page(peer: Peer) -> None:
    assert await peer.items("/numbers") == list(range(1_200))
    assert await peer.items("/numbers", {"below": 0}) == []


async def test_a_document_is_read_up_to_a_limit(peer: Peer) -> None:
    assert await peer.download("/document", media_type="application/pdf", bytes_max=1_000) == b"x" * 1_000
    assert await peer.download("/document", media_type="application/pdf", bytes_max=999) is None
    with pytest.raises(PeerError, match="404"):
        await peer.download("/missing", media_type="application/pdf", bytes_max=999)


async def test_an_error_says_who_what_and_why(peer: Peer) -> None:
    with pytest.raises(PeerError, match="notify answered 404 to GET /missing") as caught:
        await peer.get("/missing")
    assert caught.value.status == 404
    assert "case tiantian/560000000001" in caught.value.cause


async def test_a_peer_that_is_away_is_named_with_its_setting() -> None:
    async with Peer("penalties", "http://127.0.0.1:1", None, ServiceSettings()) as away:
        with pytest.raises(PeerError, match="FAULTLINE_PENALTIES_URL") as caught:
            await away.get("/v1/trial-balance")
    assert caught.value.status is None
