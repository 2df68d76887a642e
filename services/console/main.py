"""Wiring of the console: `python -m services.console.main`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console import pages, sign_in
from services.console.forms import ForeignForm
from services.console.kit import Kit
from services.console.peers import Services
from services.console.sessions import Sessions
from services.console.settings import ConsoleSettings
from services.console.view import STATIC, View
from services.console.viewer import SESSION_COOKIE, SignInNeeded
from shared import log
from shared.clock import Clock
from shared.health import Check
from shared.http.app import create_app, serve
from shared.http.peers import PeerError

SERVICE = "console"
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


class SecurityHeaders:
    """ASGI middleware: what the browser may do with these pages, and that it does not store them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                cache = b"no-store"
                if str(scope.get("path", "")).startswith("/static/"):
                    # With a digest of its content in its address it never changes; modules import each other without.
                    cache = b"max-age=31536000, immutable" if scope.get("query_string") else b"no-cache"
                message["headers"] = [*message.get("headers", ()), *_HEADERS, (b"cache-control", cache)]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def application(settings: ConsoleSettings) -> FastAPI:
    """The console's application. It has no state but the open sessions."""
    clock = Clock(settings.clock_file)
    view = View(settings.time_zone, clock, secure_cookies=settings.secure_cookies, navigation=pages.ITEMS)
    sessions = Sessions(
        clock, lifetime=timedelta(hours=settings.session_hours), count_max=settings.sessions_max
    )
    services = Services(settings)
    kit = Kit(settings, view, services, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await services.close()

    app = create_app(
        SERVICE,
        settings=settings,
        readiness=_readiness,
        routers=[sign_in.router(kit, sessions), *(room.router(kit) for room in pages.ROOMS)],
        lifespan=lifespan,
    )
    app.state.sessions = sessions
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(SecurityHeaders)
    _install_errors(app, view, sessions)
    return app


async def _readiness() -> Mapping[str, Check]:
    """The console needs nothing to be of use: it says itself which service is away."""
    return {}


def _install_errors(app: FastAPI, view: View, sessions: Sessions) -> None:
    """Errors as pages."""

    def sorry(request: Request, status: int, what: str, detail: str = "") -> Response:
        viewer = sessions.viewer_of(request.cookies.get(SESSION_COOKIE))
        return view.page(request, "shared/error.html", status=status, viewer=viewer, what=what, detail=detail)

    async def sign_in_needed(request: Request, _error: Exception) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(path, safe='')}", 303)

    async def peer_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, PeerError)
        if error.status == 401:
            sessions.close(request.cookies.get(SESSION_COOKIE))
            return await sign_in_needed(request, error)
        if error.status is None or error.status >= 500:
            log.get(__name__).warning("peer_failed", error=str(error))
            return sorry(request, 502, "away", str(error))
        whats = {403: "forbidden", 404: "not_found"}
        return sorry(request, error.status, whats.get(error.status, "refused"), error.cause)

    async def unrouted(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return sorry(request, error.status_code, "not_found" if error.status_code == 404 else "refused")

    async def foreign_form(request: Request, _error: Exception) -> Response:
        return sorry(request, 403, "foreign")

    app.add_exception_handler(SignInNeeded, sign_in_needed)
    app.add_exception_handler(PeerError, peer_error)
    app.add_exception_handler(HTTPException, unrouted)
    app.add_exception_handler(ForeignForm, foreign_form)


def main() -> None:
    """Run the console until SIGTERM."""
    settings = ConsoleSettings()
    log.configure(SERVICE, settings.instance, settings.log_level)
    serve(application(settings), settings)


if __name__ == "__main__":
    main()
