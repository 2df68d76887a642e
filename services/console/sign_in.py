"""Signing in with a key, and out: a session behind a cookie that scripts cannot read and other sites cannot send."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.console.forms import read_form
from services.console.kit import Kit, routes
from services.console.sessions import Sessions
from services.console.viewer import SESSION_COOKIE, Token, Viewer
from shared.http.peers import PeerError

_FORM_BYTES_MAX = 4096


def router(kit: Kit, sessions: Sessions) -> APIRouter:
    """`/sign-in` and `/sign-out`."""
    pages = routes()

    @pages.get("/sign-in")
    async def sign_in_form(request: Request) -> HTMLResponse:
        after = safe_path(request.query_params.get("next"))
        return kit.view.page(request, "sign_in/sign_in.html", viewer=None, refused=False, next=after)

    @pages.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        form = await read_form(request, bytes_max=_FORM_BYTES_MAX)
        key, after = form["key"], safe_path(form["next"])
        try:
            if not key.isascii() or not key.isprintable() or not key:
                raise PeerError("No key.", cause="it is empty.", remedy="enter one.", status=401)
            viewer = Viewer.of(key, await kit.services.whose(key))
        except PeerError as error:
            if error.status != 401:
                raise
            return kit.view.page(
                request, "sign_in/sign_in.html", status=401, viewer=None, refused=True, next=after
            )
        response = RedirectResponse(after, 303)
        kit.view.remember(response, SESSION_COOKIE, sessions.open(viewer), None)
        return response

    @pages.post("/sign-out")
    async def sign_out(request: Request, token: Token = None) -> Response:
        await read_form(request, bytes_max=_FORM_BYTES_MAX)
        sessions.close(token)
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(SESSION_COOKIE)
        return response

    return pages


def safe_path(path: str | None) -> str:
    """`path` where it is one of these pages, else the start: a link must not lead to another host after sign-in."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable():
        return "/"
    parts = urlsplit(path)
    return path if not parts.scheme and not parts.netloc and "\\" not in path else "/"
