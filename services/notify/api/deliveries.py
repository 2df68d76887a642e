"""The routes by which people see how notices reach the world, and help where they do not."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.delivery.settings import DeliverySettings
from services.notify.handlers.teller import NOTICES_TOPIC, event_of
from services.notify.store import deliveries, destinations, notices
from services.notify.store.destinations import Destination, Secret
from shared.bus.outbox import OutboxRelay, enqueue
from shared.clock import Clock
from shared.db import reader
from shared.http.auth import Principal, forbidden, require
from shared.http.fields import NetworkPath, SitePath
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, Page, decode, page_of
from shared.http.problems import Problem, not_found
from shared.registry import NETWORK_PATTERN, SITE_PATTERN

Reader = Annotated[Principal, Depends(require("read"))]
Operator = Annotated[Principal, Depends(require("admin"))]
Channel = Literal["webhook", "email"]
Network = Annotated[str | None, Query(pattern=NETWORK_PATTERN)]
Site = Annotated[str | None, Query(pattern=SITE_PATTERN)]

_SECRETS_MAX = 4
"""Secrets of a site that sign at once: each makes the header longer."""
_SECRET_BYTES = 32


class DestinationBody(BaseModel):
    """Where a site is reached by a channel, and how it fares there."""

    network: str
    site: str
    channel: Channel
    address: str | None = Field(description="the last one used")
    state: Literal["open", "broken", "ended"] = Field(
        description="broken: it failed often in a row, and one notice at a time tries it; ended: it answered 410"
    )
    failures: int = Field(description="failed attempts in a row")
    next_attempt_at: datetime | None = Field(description="not tried before")
    last_error: str | None
    last_error_at: datetime | None
    last_success_at: datetime | None


class SecretBody(BaseModel):
    """What a site's webhooks are signed with, without the secret itself."""

    secret_id: UUID
    network: str
    site: str
    created_at: datetime
    expires_at: datetime | None = Field(
        description="until then it signs; null: until it is replaced or ended"
    )


class NewSecretBody(SecretBody):
    """A secret, shown this once."""

    secret: str = Field(description="`whsec_` and base64, as the libraries of Standard Webhooks take it")


class ResentBody(BaseModel):
    """A notice that waits to be sent again."""

    notice_id: UUID
    state: Literal["queued"] = "queued"


def router(
    engine: AsyncEngine,
    relay: OutboxRelay,
    clock: Clock,
    settings: DeliverySettings,
    *,
    wake: Callable[[], None],
) -> APIRouter:
    """The routes on destinations, webhook secrets and what is resent. `wake` has the sender look at once."""
    routes = APIRouter(tags=["delivery"])

    @routes.post("/v1/notices/{notice_id}/resend", status_code=202, response_model=ResentBody)
    async def resend(notice_id: UUID, who: Operator) -> ResentBody:
        """Send a notice that was given up once more, with all its attempts before it, under the same id."""
        now = clock.now()
        async with engine.begin() as connection:
            resent = await deliveries.resend(connection, notice_id, now)
            listed = await notices.find(connection, notice_id)
            if listed is None or not who.may_read_site(listed.notice.network, listed.notice.site):
                raise not_found(f"notice {notice_id}")
            if resent is None:
                detail = f"The notice is {listed.notice.state}: only one that has failed can be sent again."
                raise Problem(409, "Notice not failed", detail)
            event = event_of("notice.queued", listed.notice, now, rounds=resent)
            await enqueue(connection, NOTICES_TOPIC, None, [event])
        relay.wake()
        wake()
        return ResentBody(notice_id=notice_id)

    @routes.get("/v1/destinations", response_model=Page[DestinationBody])
    async def list_destinations(
        who: Reader,
        network: Network = None,
        site: Site = None,
        channel: Channel | None = None,
        state: Literal["open", "broken", "ended"] | None = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """How the sites' webhooks and mails fare. A site's key sees its own only."""
        network, site = _within(who, network, site)
        async with reader(engine) as connection:
            found = await destinations.page(
                connection,
                network=network,
                site=site,
                channel=channel,
                state=state,
                after=decode(cursor, str, str, str),
                limit=limit + 1,
            )
        return page_of(found, limit, lambda one: (one.network, one.site, one.channel))

    @routes.post("/v1/destinations/{network}/{site}/{channel}/reopen", response_model=DestinationBody)
    async def reopen(network: NetworkPath, site: SitePath, channel: Channel, who: Operator) -> Destination:
        """Try a broken or ended destination at once, as if nothing had happened."""
        _within(who, network, site)
        key = (network, site, channel)
        async with engine.begin() as connection:
            await destinations.reopen(connection, [key])
            found = await destinations.find(connection, key)
        if found is None:
            raise not_found(f"destination {network}/{site}/{channel} that anything was sent to")
        wake()
        return found

    @routes.post("/v1/webhook-secrets/{network}/{site}", status_code=201, response_model=NewSecretBody)
    async def make_secret(network: NetworkPath, site: SitePath, who: Reader) -> Secret:
        """Make a secret, shown this once. Those before sign too for a while, so that the receiver can change over."""
        _may_manage(who, network, site)
        now = clock.now()
        new = Secret(uuid4(), network, site, now, None, _new_secret())
        async with engine.begin() as connection:
            held = await destinations.secrets_of(connection, network, site, now, limit=_SECRETS_MAX)
            if len(held) == _SECRETS_MAX:
                detail = f"{_SECRETS_MAX} secrets of the site sign already: end one (DELETE), or wait until one expires."
                raise Problem(409, "Too many secrets", detail)
            expires_at = now + timedelta(hours=settings.webhook_secret_overlap_hours)
            await destinations.add_secret(connection, new, others_expire_at=expires_at)
            # What waits for a secret, or for one that the receiver knows, need not wait for its next attempt.
            await destinations.reopen(connection, [(network, site, "webhook")])
        wake()
        return new

    @routes.get("/v1/webhook-secrets", response_model=Page[SecretBody])
    async def list_secrets(
        who: Reader,
        network: Network = None,
        site: Site = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """The secrets that sign now, never the secrets themselves. A site's key sees its own only."""
        network, site = _within(who, network, site)
        async with reader(engine) as connection:
            found = await destinations.secrets_of(
                connection, network, site, clock.now(), after=decode(cursor, str, str, UUID), limit=limit + 1
            )
        return page_of(found, limit, lambda one: (one.network, one.site, str(one.secret_id)))

    @routes.delete("/v1/webhook-secrets/{network}/{site}/{secret_id}", status_code=204)
    async def end_secret(network: NetworkPath, site: SitePath, secret_id: UUID, who: Reader) -> None:
        """Sign with it no more."""
        _may_manage(who, network, site)
        async with engine.begin() as connection:
            ended = await destinations.end_secret(connection, network, site, secret_id)
        if not ended:
            raise not_found(f"secret {secret_id} of {network}/{site}")

    return routes


def _within(who: Principal, network: str | None, site: str | None) -> tuple[str | None, str | None]:
    """What is asked for, narrowed to what concerns the caller. Raises Problem (403) where that is something else."""
    network, site = network or who.network, site or who.site
    if network is not None and not who.may_read_site(network, site):
        raise forbidden("The key belongs to another network or site: ask for that one.")
    return network, site


def _may_manage(who: Principal, network: str, site: str) -> None:
    """Raises Problem (403) for all but the site itself and operators."""
    if not (who.is_operator and who.may_read_network(network)) and (who.network, who.site) != (network, site):
        raise forbidden("Only the site itself, or an operator, manages the secrets of its webhooks.")


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
