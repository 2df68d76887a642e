"""What happens to every request: its id, its body limit, its metrics, and the answer where nothing else answers."""

from __future__ import annotations

import re
import time
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import log, metrics
from shared.http.problems import Problem

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_UNROUTED = "unrouted"

_duration = metrics.histogram(
    "http_request_duration_seconds",
    "Time from a request's head to the end of its answer, by route.",
    "seconds",
    ("method", "route", "status"),
)
_in_flight = metrics.gauge("http_requests_in_flight", "Requests being worked on.", "requests")


class RequestMiddleware:
    """ASGI middleware: pure, since Starlette's convenience class would cost a task for each request."""

    def __init__(self, app: ASGIApp, *, body_bytes_max: int, unlimited_paths: frozenset[str]) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max
        self._unlimited_paths = unlimited_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, content_length = _read_headers(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        exchange = _Exchange(scope, send, request_id)
        with structlog.contextvars.bound_contextvars(request_id=request_id), _in_flight.track_inprogress():
            try:
                if scope["path"] not in self._unlimited_paths:
                    if content_length is not None and content_length > self._body_bytes_max:
                        raise too_large(self._body_bytes_max)
                    receive = _limited(receive, self._body_bytes_max)
                await self._app(scope, receive, exchange.send)
            except Problem as problem:
                await exchange.answer(problem)
            except Exception as error:  # noqa: BLE001 - the last place where a defect can become an answer instead of a cut line
                log.get(__name__).error(
                    "request_failed", method=scope["method"], path=scope["path"], exc_info=error
                )
                await exchange.answer(_defect(request_id))
            finally:
                exchange.count()


class _Exchange:
    """One request and its answer, timed."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id.encode()
        self._began_s = time.perf_counter()
        self._status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._request_id)]
        await self._send(message)

    async def answer(self, problem: Problem) -> None:
        """Send `problem`, unless an answer has begun: then there is nothing left to say it with."""
        if self._status == 0:
            await problem.response()(self._scope, _nothing, self.send)

    def count(self) -> None:
        route = getattr(self._scope.get("route"), "path", _UNROUTED)
        status = str(self._status or 499)
        _duration.labels(self._scope["method"], route, status).observe(time.perf_counter() - self._began_s)


def too_large(body_bytes_max: int) -> Problem:
    """The 413 for a body over the limit."""
    return Problem(
        413,
        "Body too large",
        f"The body is over the limit of {body_bytes_max} bytes. Send it in smaller parts.",
    )


def _defect(request_id: str) -> Problem:
    return Problem(
        500,
        "Internal error",
        "The service failed on this request: a defect of the service, not of the request. "
        f"Its log has the cause under the request id {request_id}.",
    )


def _read_headers(scope: Scope) -> tuple[str, int | None]:
    """The request's id (the caller's where it is well-formed, else a new one) and its announced length in bytes."""
    request_id, content_length = "", None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name == b"content-length" and value.isdigit():
            content_length = int(value)
    return request_id or uuid4().hex, content_length


def _limited(receive: Receive, body_bytes_max: int) -> Receive:
    """`receive`, raising Problem (413) once the body has grown over the limit: a length may be wrong or missing."""
    received_bytes = 0

    async def counted() -> Message:
        nonlocal received_bytes
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > body_bytes_max:
            raise too_large(body_bytes_max)
        return message

    return counted


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
