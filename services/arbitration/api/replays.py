"""`/v1/replays`: what would change under another rulebook (contract.md §4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID, uuid4

import msgspec
from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, model_validator
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.domain import OverrideError, Rulebooks, overridden_for
from services.arbitration.settings import ArbitrationSettings
from services.arbitration.store import replays
from services.arbitration.store.replays import Asked, TooManyReplays
from shared.clock import Clock
from shared.http.auth import Principal, forbidden, require
from shared.http.fields import Moment, NetworkCode, in_range
from shared.http.paging import LIMIT_DEFAULT, Cursor, Limit, Page, decode, page_of
from shared.http.problems import Problem, invalid, not_found
from shared.ids import stable_id
from shared.registry import NETWORK_PATTERN

_JUST_BEFORE: Final = timedelta(milliseconds=1)
_STARTERS: Final = frozenset({"decide", "admin"})

_CODE: Final = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9-]*$", max_length=32)]
"""A rule or a site in a cursor."""

PastMoment = Annotated[Moment, AfterValidator(in_range)]


class ReplayBody(BaseModel):
    """What to replay: the verdicts of `network` last decided in [`from`, `to`), under `rulebook`'s values."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    network: NetworkCode
    from_: PastMoment = Field(alias="from")
    to: PastMoment
    rulebook: dict[str, dict[str, StrictInt]] = Field(
        description="rule id → parameter → value, as in a dry run",
        examples=[{"TT-04": {"fine_per_day_fen": 10000}}],
    )

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.from_ >= self.to:
            raise ValueError("`to` must be later than `from`")
        return self


class ProgressBody(BaseModel):
    """How far a replay has come."""

    cases: int | None = Field(description="cases of the network when it began, null before")
    passed: int = Field(description="of these, cases passed, whether or not the replay is about them")


class TimesBody(BaseModel):
    """A number under the rulebook in force and under the other one."""

    before: int
    after: int
    difference: int


class FindingTimesBody(TimesBody):
    """Numbers of findings."""

    added: int
    removed: int
    changed: int = Field(description="same finding, but other kind, state, amount or awards")


class RowBody(BaseModel):
    """What differs at one site by one rule."""

    rule: str
    site: str | None = Field(
        description="a site, or who is awarded: `hq`, `sender`, `recipient`, `beneficiary`"
    )
    findings: FindingTimesBody
    charged_fen: TimesBody = Field(description="what the site owes by its findings")
    awarded_fen: TimesBody = Field(description="what findings of others give to it")
    example: str = Field(description="a waybill where something differs")


class SumsBody(BaseModel):
    """All findings of the waybills judged, differing or not."""

    findings: FindingTimesBody
    charged_fen: TimesBody


class ReplayView(BaseModel):
    """A replay as far as it has come."""

    id: UUID
    network: str
    from_: datetime = Field(alias="from")
    to: datetime
    rulebook: dict[str, dict[str, int]]
    judged_at: datetime = Field(
        description="the moment at which every waybill is judged, with what was known then"
    )
    created_at: datetime
    created_by: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None = Field(description="why it failed")
    progress: ProgressBody
    waybills: int = Field(description="waybills judged under both rulebooks")
    changed: int = Field(description="of these, waybills on which anything differs")
    not_judged: int = Field(description="waybills that cannot be judged, as those that are parked")
    baselines_differing: int = Field(
        description="waybills judged otherwise than issued under the rulebook in force too: it is not what you changed"
    )


class ReplayResult(ReplayView):
    """A replay with its result."""

    total: SumsBody
    difference: Page[RowBody] = Field(description="by rule and site; `next` is the `cursor` of the next page")


def router(
    settings: ArbitrationSettings,
    engine: AsyncEngine,
    clock: Clock,
    books: Rulebooks,
    judged_by: str,
    wake: Callable[[], None],
) -> APIRouter:
    """The routes of `/v1/replays`. `wake` is called when there is something to do."""
    routes = APIRouter(tags=["replays"])

    @routes.post(
        "/v1/replays",
        status_code=202,
        response_model=ReplayView,
        responses={409: {"description": "The idempotency key was used before, for something else"}},
    )
    async def start_replay(
        body: ReplayBody,
        response: Response,
        who: Annotated[Principal, Depends(require())],
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    ) -> dict[str, Any]:
        """Ask what would change; scope `decide` or `admin`. Issued verdicts are never touched."""
        _may_start(who, body.network)
        try:
            overridden_for(books, body.network, body.rulebook)
        except OverrideError as error:
            raise invalid((f"/rulebook{error.pointer}", str(error))) from None
        asked = _asked(body, who, idempotency_key, clock.now(), judged_by)
        try:
            row = await replays.create(
                engine, asked, settings.replays_unfinished_max, settings.replays_kept_max
            )
        except TooManyReplays:
            raise _too_many(settings.replays_unfinished_max) from None
        if any(row[name] != getattr(asked, name) for name in _THE_SAME):
            raise Problem(
                409, "Idempotency key in use", "The key was sent before with another body: send a new one."
            )
        wake()
        response.headers["Location"] = f"/v1/replays/{row['id']}"
        return _view(row)

    @routes.get("/v1/replays", response_model=Page[ReplayView])
    async def list_replays(
        who: Annotated[Principal, Depends(require("read"))],
        network: Annotated[str | None, Query(pattern=NETWORK_PATTERN)] = None,
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """Replays, newest first, without their differences."""
        _no_site(who)
        asked = network or who.network
        if asked is not None and not who.may_read_network(asked):
            raise forbidden("The key reads only what concerns its own network. Ask for that one.")
        before: Any = decode(cursor, Annotated[datetime, msgspec.Meta(tz=True)], UUID)
        rows = await replays.page(engine, asked, before, limit + 1)
        return page_of(
            [_view(row) for row in rows],
            limit,
            lambda item: (item["created_at"].isoformat(), str(item["id"])),
        )

    @routes.get("/v1/replays/{replay_id}", response_model=ReplayResult)
    async def get_replay(
        replay_id: UUID,
        who: Annotated[Principal, Depends(require("read"))],
        cursor: Cursor = None,
        limit: Limit = LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """Progress, and the difference in findings and money by rule and site, as far as it is known."""
        row = await _found(replay_id, who)
        after: Any = decode(cursor, _CODE, _CODE) or ("", "")
        rows = await replays.differing_rows(engine, replay_id, after, limit + 1)
        sums = await replays.sums(engine, replay_id)
        return {
            **_view(row),
            "total": _sums(sums),
            "difference": page_of(
                [_row(one) for one in rows], limit, lambda item: (item["rule"], item["site"] or "")
            ),
        }

    @routes.delete("/v1/replays/{replay_id}", response_model=ReplayView)
    async def cancel_replay(replay_id: UUID, who: Annotated[Principal, Depends(require())]) -> dict[str, Any]:
        """Stop it; scope `decide` or `admin`. What it has found stays; a finished one stays as it is."""
        row = await _found(replay_id, who)
        _may_start(who, row["network"])
        await replays.cancel(engine, replay_id, clock.now())
        return _view(await _found(replay_id, who))

    async def _found(replay_id: UUID, who: Principal) -> dict[str, Any]:
        _no_site(who)
        row = await replays.find(engine, replay_id)
        if row is None or not who.may_read_network(row["network"]):
            raise not_found(f"replay {replay_id}")
        return row

    return routes


_THE_SAME: Final = ("network", "decided_from", "decided_to", "rulebook")


def _asked(body: ReplayBody, who: Principal, key: str | None, now: datetime, judged_by: str) -> Asked:
    return Asked(
        id=uuid4() if key is None else stable_id("replay", who.key_id, key),
        network=body.network,
        decided_from=body.from_,
        decided_to=body.to,
        judged_at=min(body.to - _JUST_BEFORE, now),
        rulebook=body.rulebook,
        judged_by=judged_by,
        created_at=now,
        created_by=who.owner,
    )


def _no_site(who: Principal) -> None:
    if who.site is not None:
        raise forbidden("Replays are for desks, officers and operators; a site's key reads its own cases.")


def _may_start(who: Principal, network: str) -> None:
    _no_site(who)
    if not who.scopes & _STARTERS:
        raise forbidden("The key has neither the scope decide nor admin. Use a key that has one.")
    if not who.may_read_network(network):
        raise forbidden("The key is for another network. Ask for its own.")


def _too_many(unfinished_max: int) -> Problem:
    return Problem(
        429,
        "Too many replays",
        f"{unfinished_max} replays wait or run already. Wait until one is done, or cancel one: DELETE /v1/replays/{{id}}.",
        headers={"Retry-After": "30"},
    )


def _view(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "from": row["decided_from"],
        "to": row["decided_to"],
        "waybills": row["judged"],
        "progress": {"cases": row["cases"], "passed": row["passed"]},
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "rule": row["rule"],
        "site": row["site"] or None,
        **_sums(row),
        "awarded_fen": _times(row, "awarded", "_fen"),
        "example": row["example"],
    }


def _sums(row: dict[str, Any]) -> dict[str, Any]:
    counts = {name: row[name] for name in ("added", "removed", "changed")}
    return {
        "findings": _times(row, "findings") | counts,
        "charged_fen": _times(row, "charged", "_fen"),
    }


def _times(row: dict[str, Any], what: str, unit: str = "") -> dict[str, int]:
    before, after = int(row[f"{what}_before{unit}"]), int(row[f"{what}_after{unit}"])
    return {"before": before, "after": after, "difference": after - before}
