"""The routes of notify (contract.md §4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.feed import MARK_PATTERN, News, NoticeFeed
from services.notify.handlers.teller import NOTICES_TOPIC, event_of
from services.notify.settings import NotifySettings
from services.notify.store import notices as store
from services.notify.store.notices import Filter, Listed
from shared.bus.outbox import OutboxRelay, enqueue
from shared.clock import Clock
from shared.db import reader
from shared.events.outputs import NoticeData
from shared.http.auth import Principal, forbidden, require
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, Page, decode, page_of
from shared.http.problems import Problem, invalid, not_found
from shared.registry import NETWORK_PATTERN, SITE_PATTERN

State = Literal["queued", "delivered", "failed", "acknowledged", "withdrawn"]
Channel = Literal["in_app", "webhook", "email"]
Reader = Annotated[Principal, Depends(require("read"))]
Network = Annotated[str | None, Query(pattern=NETWORK_PATTERN)]
Site = Annotated[str | None, Query(pattern=SITE_PATTERN)]
Waybill = Annotated[str | None, Query(pattern=r"^[A-Z0-9-]{6,32}$")]

Moment = Annotated[datetime, msgspec.Meta(tz=True)]

_encode = msgspec.json.Encoder().encode


class AttemptBody(BaseModel):
    """One attempt to deliver a notice."""

    at: datetime
    outcome: Literal["delivered", "failed"]
    detail: str | None = Field(None, description="absent where there is nothing to say")


class NoticeBody(BaseModel):
    """A notice. Members that do not apply are absent."""

    notice_id: UUID
    occasion: str
    network: str
    site: str
    waybill: str | None = None
    finding_id: str | None = None
    version: int | None = None
    channel: Channel
    state: State
    language: Literal["zh", "en"]
    title: str = Field(description="one line of plain text")
    body: str = Field(description="lines of plain text")
    due_at: datetime | None = Field(None, description="the last second to appeal or to act")
    created_at: datetime
    attempts: list[AttemptBody]


def router(
    engine: AsyncEngine, relay: OutboxRelay, feed: NoticeFeed, clock: Clock, settings: NotifySettings
) -> APIRouter:
    """The routes under `/v1/notices`, scope `read`."""
    routes = APIRouter(tags=["notices"])

    @routes.get("/v1/notices", response_model=Page[NoticeBody])
    async def list_notices(
        who: Reader,
        network: Network = None,
        site: Site = None,
        waybill: Waybill = None,
        state: State | None = None,
        channel: Channel | None = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> Response:
        """Notices, newest first. A site's key sees its own only."""
        asked = _within(who, Filter(network, site, waybill, state, channel))
        async with reader(engine) as connection:
            listed = await store.page(connection, asked, before=decode(cursor, Moment, UUID), limit=limit + 1)
        shown = page_of(
            [_shown(one) for one in listed], limit, lambda item: (item["created_at"], item["notice_id"])
        )
        return Response(_encode(shown), media_type="application/json")

    @routes.post("/v1/notices/{notice_id}/acknowledge", response_model=NoticeBody)
    async def acknowledge(notice_id: UUID, who: Reader) -> Response:
        """Say that the notice was read; by its site or an operator. Saying it again changes nothing."""
        async with engine.begin() as connection:
            listed = await store.find(connection, notice_id)
            if listed is None or not who.may_read_site(listed.notice.network, listed.notice.site):
                raise not_found(f"notice {notice_id}")
            if who.site is None and not who.is_operator:
                raise forbidden("Only the site that a notice is for, or an operator, acknowledges it.")
            newly = await store.acknowledge(connection, notice_id)
            listed = await store.find(connection, notice_id)
            assert listed is not None
            if newly:
                told = event_of("notice.acknowledged", listed.notice, clock.now())
                await enqueue(connection, NOTICES_TOPIC, None, [told])
        relay.wake()
        if listed.notice.state != "acknowledged":
            raise Problem(409, "Notice withdrawn", "The notice was withdrawn: a later verdict made it void.")
        return Response(_encode(_shown(listed)), media_type="application/json")

    @routes.get(
        "/v1/notices/stream",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events `notice`"}},
    )
    async def stream(
        request: Request,
        who: Reader,
        network: Network = None,
        site: Site = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        """New and changed notices as they become readable. With `Last-Event-ID`, those missed come first."""
        asked = _within(who, Filter(network, site))
        if last_event_id is not None and not MARK_PATTERN.fullmatch(last_event_id):
            raise invalid(("/header/Last-Event-ID", "is not an id of this stream"))
        if feed.full:
            detail = f"{settings.stream_subscribers_max} streams are open. Try again, or ask another copy."
            raise Problem(503, "Too many streams", detail, headers={"Retry-After": "5"})
        events = _events(feed, asked, last_event_id, request.app.state.stopping, settings.stream_keepalive_s)
        return StreamingResponse(
            events,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return routes


def _within(who: Principal, asked: Filter) -> Filter:
    """What is asked for, narrowed to what concerns the caller. Raises Problem (403) where that is something else."""
    network = asked.network or who.network
    if network is not None and not who.may_read_network(network):
        raise forbidden(f"The key belongs to the network {who.network}: ask for that one.")
    if who.site is not None and asked.site not in (None, who.site):
        raise forbidden(f"The key belongs to the site {who.site}: it reads what concerns that site.")
    return replace(asked, network=network, site=who.site or asked.site)


def _shown(listed: Listed) -> dict[str, Any]:
    return {**_members(listed.notice), "attempts": listed.attempts}


def _members(notice: NoticeData) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(notice)
    return members


async def _events(
    feed: NoticeFeed, asked: Filter, last_mark: str | None, stopping: asyncio.Event, keepalive_s: float
) -> AsyncIterator[bytes]:
    """The stream's bytes until the client leaves, the service stops or the client is too slow."""
    async with feed.subscribed(asked) as subscription:
        yield b": notices\nretry: 1000\n\n"
        if last_mark is not None:
            async for news in feed.missed(asked, last_mark, subscription.start):
                yield _event(news)
        stop = asyncio.create_task(stopping.wait())
        try:
            while not (stopping.is_set() or subscription.ended):
                coming = asyncio.create_task(subscription.queue.get())
                try:
                    await asyncio.wait(
                        {coming, stop}, timeout=keepalive_s, return_when=asyncio.FIRST_COMPLETED
                    )
                    yield _event(coming.result()) if coming.done() else b": still here\n\n"
                finally:
                    coming.cancel()
        finally:
            stop.cancel()


def _event(news: News) -> bytes:
    return b"id: %s\nevent: notice\ndata: %s\n\n" % (news.mark.encode(), _encode(_shown(news.listed)))
