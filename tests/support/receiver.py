"""A real HTTP server that receives webhooks, and behaves as it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

Behaviour = Callable[["Request"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Request:
    """What came, in order."""

    path: str
    headers: dict[str, str]
    body: bytes
    raw: web.Request = field(repr=False)

    @property
    def id(self) -> str:
        """The webhook's id."""
        return self.headers["webhook-id"]

    @property
    def notice(self) -> dict[str, Any]:
        """The notice that it carries."""
        data: dict[str, Any] = msgspec.json.decode(self.body)["data"]
        return data


class Receiver:
    """Keeps every request; answers 204 where `behave` says nothing else of the path."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.behave: dict[str, Behaviour] = {}
        self.port = 0
        self.scheme = "http"
        self.open_now = 0
        self.open_most = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of `path` here."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    def of(self, path: str) -> list[Request]:
        """The requests to `path`."""
        return [one for one in self.requests if one.path == path]

    async def _handle(self, raw: web.Request) -> web.StreamResponse:
        request = Request(raw.path, {k.lower(): v for k, v in raw.headers.items()}, await raw.read(), raw)
        self.requests.append(request)
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        try:
            behaviour = self.behave.get(raw.path)
            return await behaviour(request) if behaviour else web.Response(status=204)
        finally:
            self.open_now -= 1

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
        """Serve on a free port while entered."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.scheme = "https" if tls else "http"
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()


def answers(*statuses: int, **headers: str) -> Behaviour:
    """Answer with these one after the other, the last one for ever."""
    left = list(statuses)

    async def behave(_request: Request) -> web.StreamResponse:
        status = left.pop(0) if len(left) > 1 else left[0]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, headers=named)

    return behave


async def hangs(_request: Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


def redirects(target: str, status: int = 307) -> Behaviour:
    """Send the caller to `target`."""
    return answers(status, Location=target)


async def stalls(request: Request) -> web.StreamResponse:
    """Answer 200 and a piece of a body that never ends."""
    response = web.StreamResponse()
    await response.prepare(request.raw)
    await response.write(b"x")
    return await hangs(request)


async def floods(request: Request) -> web.StreamResponse:
    """Answer 200 with a body without end."""
    response = web.StreamResponse()
    await response.prepare(request.raw)
    while True:
        await response.write(b"x" * 65_536)
