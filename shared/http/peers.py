"""Calls from one service to another, over HTTP with a key, with time-outs and with errors that say which peer failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import httpx
import structlog

from shared.errors import FaultlineError
from shared.http.paging import LIMIT_MAX
from shared.settings import ServiceSettings


class PeerError(FaultlineError):
    """A peer that could not be reached, or that answered with an error.

    `status` is None where there was no answer. `body`: the decoded answer, empty where it was no JSON object.
    """

    def __init__(
        self,
        happened: str,
        *,
        cause: str,
        remedy: str,
        status: int | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(happened, cause=cause, remedy=remedy)
        self.status = status
        self.body = body or {}


class Peer:
    """A service's client for one other service. Use it as an async context manager, or `close` it.

    Calls carry the id of the request that they serve, so that both services' logs can be read together. `transport` takes
    the network's place where the peer runs in this process.
    """

    def __init__(
        self,
        name: str,
        url: str,
        key: str | None,
        settings: ServiceSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(
            settings.peer_timeout_ms / 1000, connect=settings.peer_connect_timeout_ms / 1000
        )
        limits = httpx.Limits(max_connections=settings.peer_connections_max, keepalive_expiry=15.0)
        self.name = name
        # Peers stand beside each other: a proxy of the environment is meant for the outside.
        self.http = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=timeout,
            limits=limits,
            trust_env=False,
            transport=transport,
        )

    async def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON document at `path`. Members of `params` that are None are left out. Raises PeerError."""
        return await self.call("GET", path, params=params)

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Call `path` with `body` as JSON and return the decoded answer (None where it has no content). Raises PeerError."""
        given = {name: value for name, value in (params or {}).items() if value is not None}
        request = self._request(method, path, params=given, json=body, headers=headers)
        with self._telling_away(method, path):
            answer = await self.http.send(request)
        self._check(method, path, answer)
        return answer.json() if answer.content else None

    async def items(self, path: str, params: Mapping[str, Any] | None = None) -> list[Any]:
        """All items of a cursor-paged list. Raises PeerError."""
        found: list[Any] = []
        cursor: str | None = None
        while True:
            page = await self.get(path, {**(params or {}), "limit": LIMIT_MAX, "cursor": cursor})
            found += page["items"]
            if (cursor := page["next"]) is None:
                return found

    async def download(self, path: str, *, media_type: str, bytes_max: int) -> bytes | None:
        """The document at `path` in the form `media_type`; None where it has more than `bytes_max`. Raises PeerError."""
        body = bytearray()
        request = self._request("GET", path, headers={"Accept": media_type})
        with self._telling_away("GET", path):
            answer = await self.http.send(request, stream=True)
            try:
                if answer.is_error:
                    await answer.aread()
                self._check("GET", path, answer)
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > bytes_max:
                        return None
            finally:
                await answer.aclose()
        return bytes(body)

    def _request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None, **parts: Any
    ) -> httpx.Request:
        return self.http.build_request(method, path, headers={**_request_id(), **(headers or {})}, **parts)

    @contextmanager
    def _telling_away(self, method: str, path: str) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise PeerError(
                f"{self.name} did not answer {method} {path} ({type(error).__name__}).",
                cause=f"it is not running at {self.http.base_url}, or is overloaded.",
                remedy=f"look at its /readyz and at FAULTLINE_{self.name.upper()}_URL.",
            ) from error

    def _check(self, method: str, path: str, answer: httpx.Response) -> None:
        if answer.is_error:
            said = _object(answer)
            raise PeerError(
                f"{self.name} answered {answer.status_code} to {method} {path}.",
                cause=str(said.get("detail", "it gave no reason.")),
                remedy="correct the request, or see the log of that service under the same request id.",
                status=answer.status_code,
                body=said,
            )

    async def close(self) -> None:
        """Give the connections back."""
        await self.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _request_id() -> dict[str, str]:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Request-Id": request_id} if request_id else {}


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
