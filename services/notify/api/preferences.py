"""How a site wants to be told: `/v1/preferences/{network}/{site}`."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.domain.occasions import GROUPS, Group
from services.notify.domain.preferences import Digest, Quiet, Wishes
from services.notify.handlers.directory import Directory
from services.notify.settings import NotifySettings
from services.notify.store import preferences as store
from shared.clock import Clock
from shared.db import reader
from shared.http.auth import Principal, forbidden, require
from shared.http.problems import not_found
from shared.registry import NETWORK_PATTERN, SITE_PATTERN

OtherChannel = Literal["webhook", "email"]
LocalTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["22:00"])]
Reader = Annotated[Principal, Depends(require("read"))]
Network = Annotated[str, Path(pattern=NETWORK_PATTERN)]
Site = Annotated[str, Path(pattern=SITE_PATTERN)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class QuietBody(_Body):
    """Local times between which nothing is sent that can wait. `to` before `from` spans midnight."""

    from_: LocalTime = Field(alias="from", description="local time, as 22:00")
    to: LocalTime = Field(description="local time, as 07:00")

    @model_validator(mode="after")
    def _some_hours(self) -> QuietBody:
        if self.from_ == self.to:
            raise ValueError("`from` and `to` are the same: leave quiet_hours out for none")
        return self


class DigestBody(_Body):
    """When e-mails that can wait leave together."""

    enabled: bool = Field(True, description="false: each leaves by itself")
    every_minutes: int | None = Field(None, ge=1, le=1_440, description="gathered over so many minutes")
    daily_at: LocalTime | None = Field(None, description="gathered until this local time, as 08:00")

    @model_validator(mode="after")
    def _one_way(self) -> DigestBody:
        given = [name for name in ("every_minutes", "daily_at") if getattr(self, name) is not None]
        if not self.enabled and given:
            raise ValueError(f"the digest is off: leave {' and '.join(given)} out")
        if self.enabled and len(given) != 1:
            raise ValueError("say when: either every_minutes or daily_at")
        return self


class PreferencesBody(_Body):
    """What a site has chosen. The list in the application always shows everything, at once."""

    channels: dict[Group, Annotated[list[OtherChannel], Field(max_length=2)]] = Field(
        {},
        description=f"further channels by group of occasions; all for those not named: {', '.join(GROUPS)}",
    )
    quiet_hours: QuietBody | None = Field(
        None, description="none where absent; warnings that a term ends pass"
    )
    digest: DigestBody | None = Field(
        None, description="for e-mails about findings and insurance; the usual one where absent"
    )


def router(engine: AsyncEngine, directory: Directory, clock: Clock, settings: NotifySettings) -> APIRouter:
    """The routes under `/v1/preferences`, scope `read`."""
    routes = APIRouter(tags=["preferences"])

    @routes.get("/v1/preferences/{network}/{site}", response_model_exclude_none=True)
    async def preferences_of(network: Network, site: Site, who: Reader) -> PreferencesBody:
        """How the site is told now, the usual digest filled in. A site's key sees its own only."""
        if not who.may_read_site(network, site):
            raise forbidden(f"The key belongs to {who.owner}: it reads what concerns itself.")
        _known(directory, network, site)
        async with reader(engine) as connection:
            found = await store.of(connection, [(network, site)])
        return _shown(found.get((network, site), Wishes()), settings)

    @routes.put("/v1/preferences/{network}/{site}", response_model_exclude_none=True)
    async def choose(network: Network, site: Site, chosen: PreferencesBody, who: Reader) -> PreferencesBody:
        """Choose anew, in place of what was chosen before; for what is told from now on."""
        if not who.may_read_site(network, site) or not (who.site or who.is_operator):
            raise forbidden("Only the site itself or an operator chooses how it is told.")
        _known(directory, network, site)
        wishes = _wishes(chosen)
        async with engine.begin() as connection:
            await store.save(connection, network, site, wishes, clock.now())
        return _shown(wishes, settings)

    return routes


def _known(directory: Directory, network: str, site: str) -> None:
    if not directory.knows(network, site):
        raise not_found(f"site {network}/{site}")


def _wishes(chosen: PreferencesBody) -> Wishes:
    quiet, digest = chosen.quiet_hours, chosen.digest
    return Wishes(
        channels={group: tuple(dict.fromkeys(wanted)) for group, wanted in chosen.channels.items()},
        quiet=Quiet(_time(quiet.from_), _time(quiet.to)) if quiet else None,
        digest=_digest(digest) if digest else None,
    )


def _shown(wishes: Wishes, settings: NotifySettings) -> PreferencesBody:
    digest = wishes.digest or Digest(minutes=settings.digest_minutes or None)
    gathers = digest.minutes is not None or digest.daily_at is not None
    named: dict[Group, list[OtherChannel]] = {
        group: [channel for channel in wanted if channel != "in_app"]
        for group, wanted in wishes.channels.items()
    }
    return PreferencesBody(
        channels={group: named.get(group, ["webhook", "email"]) for group in GROUPS},
        quiet_hours=QuietBody(from_=_text(wishes.quiet.begins), to=_text(wishes.quiet.ends))
        if wishes.quiet
        else None,
        digest=DigestBody(
            enabled=gathers, every_minutes=digest.minutes, daily_at=digest.daily_at and _text(digest.daily_at)
        ),
    )


def _digest(chosen: DigestBody) -> Digest:
    return Digest(chosen.every_minutes, _time(chosen.daily_at) if chosen.daily_at else None)


def _time(text: str) -> time:
    return time.fromisoformat(text)


def _text(local: time) -> str:
    return f"{local:%H:%M}"
