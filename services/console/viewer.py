"""Who looks at a page: the owner, network and scopes of the key that a session was opened with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Cookie, Depends, Request

from shared.http.auth import Principal
from shared.registry import Scope

SESSION_COOKIE = "session"

Token = Annotated[str | None, Cookie(alias=SESSION_COOKIE)]


class SignInNeeded(Exception):
    """The page needs a session and there is none."""


@dataclass(frozen=True)
class Viewer(Principal):
    """The owner of the session's key. What may be seen and done is for the services to say; this is for what to show."""

    key: str = field(repr=False)

    @classmethod
    def of(cls, key: str, described: Mapping[str, Any]) -> Viewer:
        """The viewer of `key` as `GET /v1/keys/self` describes it."""
        names = ("key_id", "owner", "network")
        return cls(
            **{name: described[name] for name in names}, scopes=frozenset(described["scopes"]), key=key
        )

    def may(self, *scopes: Scope) -> bool:
        """Whether the key has all of `scopes`."""
        return self.scopes.issuperset(scopes)

    @property
    def role(self) -> str:
        """`site`, `desk`, `regulator` or `operator`."""
        return self.owner.split("/")[1].removesuffix("s")


async def signed_in(request: Request, token: Token = None) -> Viewer:
    """The viewer of the request's session. Raises SignInNeeded."""
    viewer: Viewer | None = request.app.state.sessions.viewer_of(token)
    if viewer is None:
        raise SignInNeeded
    return viewer


SignedIn = Annotated[Viewer, Depends(signed_in)]
"""A page's parameter: it needs a session, and `viewer.key` is what it reads and writes with."""
