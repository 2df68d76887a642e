"""Sites that are told by webhook: a real receiver in this process, which now and then refuses, and what arrived there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx
from aiohttp import web
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from tests.crash.parcels import NETWORK
from tests.support.receiver import Receiver, Request
from tests.support.stack import Stack

SITES: Final = ("GZ01", "BJ02", "HBJ1")
_REFUSED: Final = 0.1
_REACHED_S: Final = 60.0
_POLL_S: Final = 0.1


@dataclass(frozen=True)
class Arrival:
    """A request to the URL of `site`. `taken`: it was answered so; `signed`: by the site's own secret."""

    site: str
    id: str
    body: bytes
    taken: bool
    signed: bool


@dataclass
class Arrivals:
    """What came, over all receivers of a stack. `secrets`: by site, of those that have webhooks."""

    secrets: dict[str, str] = field(default_factory=dict)
    requests: list[Arrival] = field(default_factory=list)


class Destinations:
    """`async with`: the sites' webhooks lead here. Entered before there is anything to be told."""

    def __init__(self, stack: Stack, arrivals: Arrivals, seed: str) -> None:
        self._stack = stack
        self._arrivals = arrivals
        self._random = Random(f"{seed}/destinations")
        self._receiver = Receiver()
        self._running = self._receiver.running()
        self._holding = False
        self._held = asyncio.Event()

    async def __aenter__(self) -> Destinations:
        await self._running.__aenter__()
        async with httpx.AsyncClient(headers=self._stack.headers, trust_env=False, timeout=20) as client:
            for site in SITES:
                self._receiver.behave[f"/{site}"] = self._receive
                await self._register(client, site)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._running.__aexit__(None, None, None)

    def hold(self) -> None:
        """Leave what comes from now on without an answer, until `release`."""
        self._holding = True

    def release(self) -> None:
        """Answer again what comes from now on."""
        self._holding = False

    async def holds_one(self) -> None:
        """Wait until a request waits here in vain. AssertionError if none ever comes."""
        try:
            async with asyncio.timeout(_REACHED_S):
                await self._held.wait()
        except TimeoutError:
            raise AssertionError(f"No webhook came within {_REACHED_S:g} s.") from None

    async def _receive(self, request: Request) -> web.StreamResponse:
        site = request.path.removeprefix("/")
        taken = not self._holding and self._random.random() >= _REFUSED
        signed = _is_signed(self._arrivals.secrets[site], request)
        self._arrivals.requests.append(Arrival(site, request.id, request.body, taken, signed))
        if self._holding:
            self._held.set()
            await asyncio.Event().wait()
        return web.Response(status=204 if taken else 503)

    async def _register(self, client: httpx.AsyncClient, site: str) -> None:
        """Give a site its URL, and a secret if it has none; every copy of notify knows it then."""
        urls = self._stack.urls
        record: dict[str, Any] = {"name": site, "kind": "outlet", "language": "zh"}
        record["webhook"] = self._receiver.url(f"/{site}")
        (await client.put(f"{urls['intake']}/v1/sites/{NETWORK}/{site}", json=record)).raise_for_status()
        if site not in self._arrivals.secrets:
            made = await client.post(f"{urls['notify']}/v1/webhook-secrets/{NETWORK}/{site}")
            self._arrivals.secrets[site] = made.raise_for_status().json()["secret"]
        for name, url in urls.items():
            if name.partition("-")[0] == "notify":
                asked = f"{url}/v1/preferences/{NETWORK}/{site}"
                await _until_found(client, asked)


async def _until_found(client: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(_REACHED_S):
        while (answer := await client.get(url)).status_code != 200:
            assert answer.status_code == 404, f"{url}: {answer.text}"
            await asyncio.sleep(_POLL_S)


def _is_signed(secret: str, request: Request) -> bool:
    try:
        Webhook(secret).verify(request.body, request.headers)
    except WebhookVerificationError:
        return False
    return True


async def shown_delivered(stack: Stack) -> list[Mapping[str, Any]]:
    """Every webhook that notify's API shows as delivered."""
    found: list[Mapping[str, Any]] = []
    asked: dict[str, Any] = {"channel": "webhook", "state": "delivered", "limit": 500}
    async with httpx.AsyncClient(headers=stack.headers, trust_env=False, timeout=20) as client:
        while True:
            page = (
                (await client.get(f"{stack.urls['notify']}/v1/notices", params=asked))
                .raise_for_status()
                .json()
            )
            found += page["items"]
            if page["next"] is None:
                return found
            asked["cursor"] = page["next"]
