"""`POST /v1/events`: one event, a batch, or a stream (contract.md §4, intake)."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from services.intake import batches
from services.intake.bodies import Body, Hold, Lines, Room
from services.intake.domain import STATUS_CONFLICT, STATUS_INVALID, STATUS_TOO_LARGE, Caller
from services.intake.handlers import BrokerAway, Intake, Submission, Tally
from services.intake.settings import IntakeSettings
from shared.events import EVENT_BYTES_MAX, json_schema
from shared.http.auth import Principal, authenticate, require
from shared.http.problems import MEDIA_TYPE, Problem, ProblemBody, ProblemError

SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
STREAM: Final = "application/x-ndjson"

_ERRORS_MAX: Final = 100
"""Errors repeated in a problem's `errors`; `refused` has them all."""
_REAUTHENTICATE_S: Final = 1.0
"""How often a stream's key is looked at again: a revoked one ends it."""

Publisher = Annotated[Principal, Depends(require("publish"))]


class RefusedBody(BaseModel):
    """One event that was not taken."""

    index: int = Field(description="place in the request, from 0; blank lines of a stream do not count")
    id: str | None = Field(description="the event's id, where it can be read")
    status: int = Field(description="422 invalid, 403 not this key's to say, 409 conflict, 413 too large")
    errors: list[ProblemError]


class TakenBody(BaseModel):
    """What became of a request's events."""

    accepted: int = Field(description="acknowledged by the broker")
    duplicates: int = Field(description="copies of events taken before")
    refused: list[RefusedBody]
    refused_omitted: int = Field(0, description="refused events beyond those listed; left out where 0")


class NoneTakenBody(ProblemBody, TakenBody):
    """The problem document where nothing was taken."""


def router(intake: Intake, room: Room) -> APIRouter:
    """The route of events, with `room` common to all requests."""
    routes = APIRouter(prefix="/v1", tags=["events"])

    @routes.post(
        "/events",
        status_code=202,
        responses=_RESPONSES,
        openapi_extra={"requestBody": _request_body()},
        response_class=Response,
    )
    async def post_events(request: Request, principal: Publisher) -> Response:
        """Take events in. Answered when the broker has acknowledged them; copies sent again are recognised.

        After a 429, a 503 or a cut line send the same ids again: nothing is taken twice.
        """
        media_type = _media_type(request)
        caller = Caller(
            principal.owner, principal.network, principal.is_operator, "backfill" in principal.scopes
        )
        body = Body(request, intake.settings)
        try:
            tally = await _take(request, body, intake, room, caller, media_type)
        except Problem as problem:
            if not await body.discard():
                problem.headers = {**(problem.headers or {}), "Connection": "close"}
            raise
        return _answer(tally, single=media_type == SINGLE)

    return routes


async def _take(
    request: Request, body: Body, intake: Intake, room: Room, caller: Caller, media_type: str
) -> Tally:
    """Take a request's events in, and leave nothing on its way or held. Raises Problem."""
    hold = room.enter()
    submission = intake.submission(caller)
    try:
        if media_type == STREAM:
            return await _take_stream(request, body, submission, hold, room, intake.settings)
        return await _take_whole(body, submission, hold, media_type, intake.settings)
    except BrokerAway:
        raise _broker_away(intake.settings) from None
    finally:
        await submission.abandon()
        hold.leave()


async def _take_whole(
    body: Body, submission: Submission, hold: Hold, media_type: str, settings: IntakeSettings
) -> Tally:
    """Take a single event or a batch in. Raises Problem, BrokerAway."""
    if media_type == SINGLE:
        values = [(await body.whole(hold, bytes_max=EVENT_BYTES_MAX)).strip()]
    else:
        whole = await body.whole(hold, bytes_max=settings.batch_bytes_max)
        values = await batches.cut(whole, settings.batch_events_max)
    for start in range(0, len(values), settings.chunk_events):
        await submission.feed(values[start : start + settings.chunk_events])
    return await submission.finish()


async def _take_stream(
    request: Request, body: Body, submission: Submission, hold: Hold, room: Room, settings: IntakeSettings
) -> Tally:
    """Take a stream in while it is read, a chunk at a time. Raises Problem, BrokerAway."""
    lines, chunk = Lines(), _Chunk(submission, hold, room, settings)
    checked_s = time.monotonic()
    async for piece in body.pieces():
        if request.app.state.stopping.is_set():
            raise _stopping(settings)
        if time.monotonic() - checked_s > _REAUTHENTICATE_S:
            authenticate(request.app.state.keys, _bearer(request))
            checked_s = time.monotonic()
        if not hold.take(len(piece)):
            await chunk.publish()
            await hold.wait_and_take(len(piece))
        await chunk.add(lines.cut(piece), len(piece))
    await chunk.add(lines.end(), 0)
    await chunk.publish()
    return await submission.finish()


class _Chunk:
    """The lines of a stream that wait to be published together."""

    def __init__(self, submission: Submission, hold: Hold, room: Room, settings: IntakeSettings) -> None:
        self._submission = submission
        self._hold = hold
        self._room = room
        self._settings = settings
        self._values: list[bytes] = []
        self._bytes = 0

    async def add(self, lines: list[bytes | None], size: int) -> None:
        self._bytes += size
        for line in lines:
            if line is None:
                await self.publish()
                self._submission.skip()
                continue
            self._values.append(line)
            if len(self._values) >= self._settings.chunk_events:
                await self.publish()
        if self._bytes >= self._settings.chunk_bytes:
            await self.publish()

    async def publish(self) -> None:
        """Feed what has come so far; the room it took is free again when the broker has it."""
        values, self._values, self._bytes = self._values, [], 0
        held = self._hold.hand_on()
        give_back = partial(self._room.give, held)
        if values:
            await self._submission.feed(values, give_back)
        else:
            give_back()


def _media_type(request: Request) -> str:
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.lower().partition("charset=")[2].strip().strip('"')
    if media_type.strip().lower() not in (SINGLE, BATCH, STREAM) or charset not in (
        "",
        "utf-8",
        "utf8",
        "us-ascii",
    ):
        raise Problem(
            415,
            "Unknown media type",
            f"Send one event as {SINGLE}, a batch as {BATCH} or a stream as {STREAM}, in UTF-8.",
            headers={"Accept-Post": f"{SINGLE}, {BATCH}, {STREAM}"},
        )
    return media_type.strip().lower()


def _bearer(request: Request) -> str | None:
    return request.headers.get("authorization", "").partition(" ")[2].strip() or None


def _answer(tally: Tally, *, single: bool) -> Response:
    """202 all taken, 207 some refused; else a problem: 409 and 413 for a single event, 422."""
    body: dict[str, Any] = {
        "accepted": tally.accepted,
        "duplicates": tally.duplicates,
        "refused": tally.refused,
    }
    if tally.refused_omitted:
        body["refused_omitted"] = tally.refused_omitted
    if not tally.refused_count:
        return _json(202, body)
    if tally.accepted or tally.duplicates:
        return _json(207, body)
    first = tally.refused[0]
    status = (
        first.status if single and first.status in (STATUS_CONFLICT, STATUS_TOO_LARGE) else STATUS_INVALID
    )
    errors = [
        {"pointer": error.pointer if single else f"/{refusal.index}{error.pointer}", "message": error.message}
        for refusal in tally.refused[:_ERRORS_MAX]
        for error in refusal.errors
    ]
    problem = {"type": "about:blank", "title": _TITLES[status], "status": status, "detail": _detail(tally)}
    return _json(status, {**problem, "errors": errors[:_ERRORS_MAX], **body}, MEDIA_TYPE)


_TITLES: Final = {
    STATUS_INVALID: "No event taken",
    STATUS_CONFLICT: "Event in conflict",
    STATUS_TOO_LARGE: "Event too large",
}


def _detail(tally: Tally) -> str:
    return f"None of {tally.refused_count} event(s) was taken: `refused` says why. Correct them and send them again."


def _json(status: int, body: dict[str, Any], media_type: str = "application/json") -> Response:
    return Response(msgspec.json.encode(body), status, media_type=media_type)


def _broker_away(settings: IntakeSettings) -> Problem:
    return Problem(
        503,
        "Broker away",
        "The broker did not acknowledge in time: it is away or overloaded. What was sent may be stored or not. "
        "Send the same ids again: nothing is taken twice.",
        headers={"Retry-After": str(settings.retry_after_s)},
    )


def _stopping(settings: IntakeSettings) -> Problem:
    return Problem(
        503,
        "Service stopping",
        "Intake is being stopped. Send the same ids again: nothing is taken twice.",
        headers={"Retry-After": str(settings.retry_after_s)},
    )


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": TakenBody, "description": "All taken"},
    207: {"model": TakenBody, "description": "Some refused"},
    409: {"model": NoneTakenBody, "description": "A single event in conflict with an earlier one of its id"},
    413: {"model": ProblemBody, "description": "Too large"},
    415: {"model": ProblemBody, "description": "Unknown media type or encoding"},
    422: {"model": NoneTakenBody, "description": "None taken"},
    429: {"model": ProblemBody, "description": "Too much at once: see Retry-After"},
    503: {"model": ProblemBody, "description": "Broker away: send the same ids again"},
}


def _request_body() -> dict[str, Any]:
    event = {"type": "object", "description": f"An event: {json_schema()['title']}, see the event reference."}
    return {
        "required": True,
        "content": {
            SINGLE: {"schema": event},
            BATCH: {"schema": {"type": "array", "items": event}},
            STREAM: {"schema": {"type": "string", "description": "one event a line"}},
        },
    }
