"""Who has signed in: the viewer and the key stay in this process, the browser holds only a random token."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.console.viewer import Viewer
from shared.clock import Clock

TOKEN_CHARS_MAX = 128


@dataclass(frozen=True, slots=True)
class _Session:
    viewer: Viewer
    ends_at: datetime


class Sessions:
    """Open sessions, in memory: a restart or another copy of the console asks to sign in again.

    At most `count_max` are held, the oldest go first. Tokens are kept as hashes, so that a dump of the memory's map
    opens no session.
    """

    def __init__(self, clock: Clock, *, lifetime: timedelta, count_max: int) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._count_max = count_max
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def open(self, viewer: Viewer) -> str:
        """Begin a session of `viewer`, whose key was found good; returns its token."""
        token = secrets.token_urlsafe(32)
        while len(self._sessions) >= self._count_max:
            self._sessions.popitem(last=False)
        self._sessions[_digest(token)] = _Session(viewer, self._clock.now() + self._lifetime)
        return token

    def viewer_of(self, token: str | None) -> Viewer | None:
        """Whose session `token` is; None where there is none, or it has ended."""
        if not token or len(token) > TOKEN_CHARS_MAX:
            return None
        session = self._sessions.get(_digest(token))
        if session is None:
            return None
        if session.ends_at <= self._clock.now():
            self.close(token)
            return None
        return session.viewer

    def close(self, token: str | None) -> None:
        """End the session of `token`, if there is one."""
        if token:
            self._sessions.pop(_digest(token), None)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
