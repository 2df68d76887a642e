"""Who calls, and what they may do: bearer keys with an owner and scopes (contract.md §4)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from shared.clock import Clock
from shared.http.problems import Problem
from shared.registry import SCOPES, KeyRecord, Registry, Scope

OPERATOR_OWNER = "/operators/local"
OPERATOR_KEY_ID = "operator"
_KEY_PREFIX = "flk_"

bearer = HTTPBearer(
    auto_error=False, scheme_name="bearer", description="A key of `POST /v1/keys`, or the operator's key."
)


@dataclass(frozen=True)
class Principal:
    """The owner of the key that a request was made with. `network` None: not confined to one network."""

    key_id: str
    owner: str
    network: str | None
    scopes: frozenset[str]

    @property
    def site(self) -> str | None:
        """The site's code where the key belongs to a site."""
        return self._named("/sites/")

    @property
    def desk(self) -> str | None:
        """The desk's name where the key belongs to a complaint desk or to arbitration officers."""
        return self._named("/desks/")

    @property
    def is_operator(self) -> bool:
        """Whether the key belongs to those who run the system."""
        return self.owner.startswith("/operators/")

    def may_read_network(self, network: str) -> bool:
        """Whether something of `network` may concern the caller at all."""
        return self.network is None or self.network == network

    def may_read_site(self, network: str, site: str | None) -> bool:
        """Whether what concerns `site` may be shown: to itself, and to desks, regulators and operators of its network."""
        return self.may_read_network(network) and (self.site is None or self.site == site)

    def may_publish_as(self, network: str, source: str) -> bool:
        """Whether events of `network` may carry `source`: only the owner's own, any for an operator."""
        return self.may_read_network(network) and (self.is_operator or self.owner == source)

    def _named(self, prefix: str) -> str | None:
        return self.owner.removeprefix(prefix) if self.owner.startswith(prefix) else None


class KeyRing:
    """The keys in force, known by their hashes only.

    `registry` follows `registry.keys`; `loaded` says whether it has read that topic to its end: before, an unknown key is
    not refused but asked to come again. `operator_key` is always accepted, with every scope.
    """

    def __init__(
        self,
        registry: Registry[KeyRecord],
        clock: Clock,
        operator_key: str | None = None,
        *,
        loaded: Callable[[], bool] = lambda: True,
    ) -> None:
        self._clock = clock
        self._loaded = loaded
        self._operator_sha256 = digest(operator_key) if operator_key else None
        self._key_ids: dict[str, str] = {record.sha256: record.key_id for record in registry}
        self._registry = registry
        registry.subscribe(self._note)

    def principal_of(self, key: str) -> Principal | None:
        """The owner of `key`; None where it is unknown, expired or revoked. Raises Problem (503) while loading."""
        sha256 = digest(key)
        if self._operator_sha256 and hmac.compare_digest(sha256, self._operator_sha256):
            return Principal(OPERATOR_KEY_ID, OPERATOR_OWNER, None, SCOPES)
        if not self._loaded():
            raise Problem(
                503,
                "Keys not read yet",
                "The service has not read its keys from the broker yet, or cannot reach it. Try again shortly.",
                headers={"Retry-After": "1"},
            )
        record = self._registry.get(self._key_ids.get(sha256, ""))
        if (
            record is None
            or not hmac.compare_digest(sha256, record.sha256)
            or not record.in_force(self._clock.now())
        ):
            return None
        return Principal(record.key_id, record.owner, record.network, frozenset(record.scopes))

    def _note(self, key_id: str, record: KeyRecord | None) -> None:
        if record is not None:
            self._key_ids[record.sha256] = key_id
            return
        for sha256 in [held for held, owner in self._key_ids.items() if owner == key_id]:
            del self._key_ids[sha256]


def new_key() -> str:
    """A fresh key of 256 random bits."""
    return _KEY_PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """The hash under which a key is known: SHA-256 in hexadecimal."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def require(*scopes: Scope) -> Callable[..., Awaitable[Principal]]:
    """A dependency that lets through only keys with all of `scopes`, and returns their owner.

    Use it as `principal: Annotated[Principal, Depends(require("read"))]`. Answers 401 without a key in force, 403 where
    a scope is missing. The application's key ring is the one given to `create_app`.
    """
    needed = frozenset(scopes)

    async def authenticated(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
    ) -> Principal:
        principal = authenticate(request.app.state.keys, credentials.credentials if credentials else None)
        missing = needed - principal.scopes
        if missing:
            raise forbidden(f"The key has not the scope {', '.join(sorted(missing))}. Use a key that has it.")
        return principal

    return authenticated


class KeyBody(BaseModel):
    """Whose key a request was made with, and what it may do."""

    key_id: str
    owner: str = Field(description="`/sites/…`, `/desks/…`, `/regulators/…` or `/operators/…`")
    network: str | None = Field(description="null: not confined to one network")
    scopes: list[Scope]


def router() -> APIRouter:
    """`GET /v1/keys/self`, on every service that takes keys: what a page needs to show only what applies."""
    routes = APIRouter(tags=["keys"])

    @routes.get("/v1/keys/self")
    async def who_calls(caller: Annotated[Principal, Depends(require())]) -> KeyBody:
        """The owner, network and scopes of the key that this request is made with; any key in force may ask."""
        return KeyBody.model_validate({**vars(caller), "scopes": sorted(caller.scopes)})

    return routes


def authenticate(keys: KeyRing | None, key: str | None) -> Principal:
    """The owner of `key`. Raises Problem: 401 where there is no key, or none that is in force."""
    if key is None:
        raise unauthorized("No key was sent. Send the header `Authorization: Bearer <key>`.")
    principal = keys.principal_of(key) if keys else None
    if principal is None:
        raise unauthorized("The key is unknown, expired or revoked. Ask an operator for another.")
    return principal


def unauthorized(detail: str) -> Problem:
    """The 401 that names the scheme."""
    return Problem(401, "Unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def forbidden(detail: str) -> Problem:
    """The 403 for a key that is in force but not allowed this."""
    return Problem(403, "Forbidden", detail)
