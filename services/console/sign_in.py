"""Signing in with a key, and out: a session behind a cookie that scripts cannot read and other sites cannot send."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Cookie, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.console.peers import Services
from services.console.sessions import Sessions
from services.console.view import View
from shared.http.peers import PeerError

SESSION_COOKIE = "session"
_FORM_BYTES_MAX = 4096


class SignInNeeded(Exception):
    """The page needs a session and there is none."""


class ForeignForm(Exception):
    """A form was sent from a page of somebody else."""


Token = Annotated[str | None, Cookie(alias=SESSION_COOKIE)]


async def viewer_key(request: Request, token: Token = None) -> str:
    """The key that the viewer signed in with, from the sessions of the application. Raises SignInNeeded."""
    sessions: Sessions = request.app.state.sessions
    key = sessions.key_of(token)
    if key is None:
        raise SignInNeeded
    return key


Key = Annotated[str, Depends(viewer_key)]
"""A page's parameter: it needs a session and reads with its key."""


def router(view: View, sessions: Sessions, services: Services) -> APIRouter:
    """`/sign-in` and `/sign-out`."""
    pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @pages.get("/sign-in")
    async def sign_in_form(request: Request) -> HTMLResponse:
        return view.page(
            request,
            "sign_in.html",
            signed_in=False,
            refused=False,
            next=safe_path(request.query_params.get("next")),
        )

    @pages.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        form = await own_form(request)
        key, after = form.get("key", "").strip(), safe_path(form.get("next"))
        try:
            if not key.isascii() or not key.isprintable() or not key:
                raise PeerError("No key.", cause="it is empty.", remedy="enter one.", status=401)
            await services.get(key, "arbitration", "/v1/cases", limit=1)
        except PeerError as error:
            if error.status != 401:
                raise
            return view.page(request, "sign_in.html", status=401, signed_in=False, refused=True, next=after)
        response = RedirectResponse(after, 303)
        view.remember(response, SESSION_COOKIE, sessions.open(key), None)
        return response

    @pages.post("/sign-out")
    async def sign_out(request: Request, token: Token = None) -> Response:
        await own_form(request)
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


async def own_form(request: Request) -> dict[str, str]:
    """The members of a form that one of these pages sent. Raises ForeignForm for any other."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    if site not in (None, "same-origin") or (origin is not None and urlsplit(origin).netloc != host):
        raise ForeignForm
    if site is None and origin is None:
        # Every browser that these pages support sends one of the two with a form.
        raise ForeignForm
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES_MAX:
            raise ForeignForm
    members = parse_qs(body.decode("utf-8", "replace"), max_num_fields=8)
    return {name: values[0] for name, values in members.items()}
