"""The JSON bodies of the registry routes (contract.md §4, intake)."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from services.intake.registry_domain import repeated
from shared.http.fields import Day, Email, Line, LongLine, Moment, NetworkCode, SiteCode, WebUrl
from shared.registry import OWNER_PATTERN, Scope

SITES_MAX = 5_000
"""Sites that one exemption may name."""


_ZONE = ZoneInfo("Asia/Shanghai")
"""The networks' zone (rules.md, reading guide)."""


def _local_day(value: Any) -> Any:
    """A moment with its offset stands for its local day, as in the facts of a dry run."""
    if isinstance(value, str) and len(value) > len("2026-03-05"):
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(value)
            return moment.astimezone(_ZONE).date() if moment.tzinfo is not None else value
    return value


LocalDay = Annotated[Day, BeforeValidator(_local_day)]
"""A day, `yyyy-mm-dd`, or a moment in RFC 3339 for the local day it lies in."""


class _StrictBody(BaseModel):
    # A misspelt optional member must not pass unseen: a key without its expiry, an exemption without its city.
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


def _distinct(items: list[str]) -> list[str]:
    if again := repeated(items):
        raise ValueError(f"names {again[0]} twice")
    return items


class SiteBody(BaseModel):
    """What a site is. `parent` is a site of the same network, registered or yet to be."""

    name: Line
    kind: Literal["outlet", "hub"]
    parent: SiteCode | None = None
    city: Line | None = None
    province: Line | None = None
    webhook: WebUrl | None = None
    email: Email | None = None
    language: Literal["zh", "en"]


class SiteView(SiteBody):
    """A site as registered."""

    network: NetworkCode
    site: SiteCode
    recorded_at: Moment


class ExemptionBody(_StrictBody):
    """Delay excused on links of `sites`, or of those in `province` and `city`, from `from` to `to`, both included."""

    sites: (
        Annotated[list[SiteCode], Field(min_length=1, max_length=SITES_MAX), AfterValidator(_distinct)] | None
    ) = None
    province: Line | None = None
    city: Line | None = None
    from_: LocalDay = Field(alias="from")
    to: LocalDay
    ground: Line
    reason: LongLine
    officer: Line

    @field_validator("to")
    @classmethod
    def _not_before_from(cls, to: date, info: ValidationInfo) -> date:
        first = info.data.get("from_")
        if first is not None and to < first:
            raise ValueError("is before from")
        return to

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.sites is None and self.province is None and self.city is None:
            raise ValueError(
                "sites, province or city is required: an exemption of a whole network is not meant"
            )
        return self


class ExemptionView(ExemptionBody):
    """An exemption and what has become of it."""

    network: NetworkCode
    exemption_id: str
    state: Literal["declared", "withdrawn"]
    declared_at: Moment
    withdrawn_at: Moment | None = None


class KeyBody(_StrictBody):
    """A key to be made. `network` confines it; a site's key must have one."""

    owner: Annotated[str, Field(pattern=OWNER_PATTERN)]
    network: NetworkCode | None = Field(None, validate_default=True)
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5), AfterValidator(_distinct)]
    expires_at: Moment | None = None

    @field_validator("network")
    @classmethod
    def _given_for_a_site(cls, network: str | None, info: ValidationInfo) -> str | None:
        if network is None and info.data.get("owner", "").startswith("/sites/"):
            raise ValueError("is required for a site's key")
        return network


class NewKey(BaseModel):
    """A key just made. `key` is shown this once and stored nowhere."""

    key_id: str
    key: str


class KeyView(BaseModel):
    """A key as listed: never the key itself."""

    key_id: str
    owner: str
    network: str | None = None
    scopes: list[Scope]
    created_at: Moment
    expires_at: Moment | None = None
    revoked_at: Moment | None = None
