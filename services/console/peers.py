"""The other services as the console sees them: over HTTP, with the viewer's own key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from services.console.settings import ConsoleSettings
from shared.http.peers import Peer, PeerError

Name = Literal["intake", "arbitration", "penalties", "notify"]
NAMES: tuple[Name, ...] = ("intake", "arbitration", "penalties", "notify")

_VITALS_TIMEOUT_S = 4.0
"""A little longer than a service takes to say that a dependency hangs."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a page: its document, or why there is none."""

    value: Any = None
    error: PeerError | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What `GET /readyz` of a service says. `state`: `ready`, `not_ready` or `away`."""

    name: str
    url: str
    state: Literal["ready", "not_ready", "away"]
    checks: dict[str, Any]


class Services:
    """Clients of the four services; connections are shared, keys are given with each call."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._copies = settings.copy_urls
        self._probe = httpx.AsyncClient(
            timeout=_VITALS_TIMEOUT_S,
            limits=httpx.Limits(max_connections=settings.peer_connections_max),
            trust_env=False,
        )
        self._urls = {name: str(getattr(settings, f"{name}_url")) for name in NAMES}
        self._peers = {name: Peer(name, url, None, settings) for name, url in self._urls.items()}

    async def get(self, key: str, name: Name, path: str, **params: Any) -> Any:
        """The JSON document at `path` of service `name`, read with `key`. Raises PeerError."""
        return await self.call(key, name, "GET", path, params=params)

    async def call(
        self,
        key: str,
        name: Name,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """What service `name` answers to `method` at `path`, with `key`. Raises PeerError."""
        sent = {"Authorization": f"Bearer {key}", **(headers or {})}
        return await self._peers[name].call(method, path, params=params, body=body, headers=sent)

    async def file(self, key: str, name: Name, path: str, media_type: str) -> bytes:
        """The document at `path` of service `name` in the form `media_type`, read with `key`. Raises PeerError."""
        headers = {"Authorization": f"Bearer {key}", "Accept": media_type}
        try:
            answer = await self._peers[name].http.get(path, headers=headers)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
            raise PeerError(
                f"{name} gave no {media_type} of {path}.",
                cause=f"it answered {status}." if status else "it did not answer.",
                remedy="see the page of the same address.",
                status=status,
            ) from error
        return answer.content

    async def whose(self, key: str) -> dict[str, Any]:
        """The owner, network and scopes of `key`, from the first service that answers. Raises PeerError."""
        error: PeerError | None = None
        for name in NAMES:
            try:
                described: dict[str, Any] = await self.get(key, name, "/v1/keys/self")
                return described
            except PeerError as failed:
                if failed.status is not None and failed.status < 500:
                    raise
                error = failed
        assert error is not None
        raise error

    async def health(self) -> list[Health]:
        """The state of every service, asked at the same time."""
        return list(await asyncio.gather(*(self._health(name) for name in NAMES)))

    def processes(self) -> list[tuple[str, str, str]]:
        """`(name, service, url)` of every process that can be asked, further copies included."""
        copies = [(name, name.rpartition("-")[0] or name, url) for name, url in self._copies.items()]
        return [*((name, name, url) for name, url in self._urls.items()), *copies]

    async def vitals(self, url: str) -> tuple[dict[str, Any], str] | None:
        """What `/readyz` and `/metrics` at `url` say; None where nobody answers as a service does."""
        try:
            ready, metrics = await asyncio.gather(
                self._probe.get(f"{url}/readyz"), self._probe.get(f"{url}/metrics")
            )
            document = ready.json()
            return ({"status": document["status"], "checks": document["checks"]}, metrics.text)
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    async def close(self) -> None:
        """Give the connections back."""
        await asyncio.gather(*(peer.close() for peer in self._peers.values()), self._probe.aclose())

    async def _health(self, name: Name) -> Health:
        url = self._urls[name]
        try:
            answer = await self._peers[name].http.get("/readyz")
            checks = answer.json()["checks"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return Health(name, url, "away", {})
        return Health(name, url, "ready" if answer.status_code == 200 else "not_ready", checks)


async def part(document: Awaitable[Any]) -> Part:
    """`document`, or the error in its place: one service that is away does not take the page with it.

    A key that is refused is no matter of one part: that error is raised.
    """
    try:
        return Part(await document)
    except PeerError as error:
        if error.status == 401:
            raise
        return Part(error=error)
