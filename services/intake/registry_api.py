"""Routes of the registries: sites, exemptions of many and keys (contract.md §4, intake).

Each write is answered when the broker has acknowledged it and this process has read it back, so that the next read shows it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel

from services.intake import registry_domain as domain
from services.intake.registry_bodies import (
    ExemptionBody,
    ExemptionView,
    KeyBody,
    KeyView,
    NewKey,
    SiteBody,
    SiteView,
)
from services.intake.registry_store import RegistryStore
from shared.clock import Clock
from shared.http import paging
from shared.http.auth import Principal, digest, forbidden, new_key, require
from shared.http.fields import NetworkPath, SitePath
from shared.http.paging import Cursor, Limit, Page
from shared.http.problems import invalid, not_found
from shared.registry import NETWORK_PATTERN, Exemption, ExemptionEvent, KeyRecord, SiteRecord

Admin = Annotated[Principal, Depends(require("admin"))]
Decider = Annotated[Principal, Depends(require("decide"))]
Reader = Annotated[Principal, Depends(require("read"))]
NetworkQuery = Annotated[str | None, Query(pattern=NETWORK_PATTERN, description="only this network's")]
ExemptionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
KeyId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

T = TypeVar("T")
V = TypeVar("V", bound=BaseModel)


def router(store: RegistryStore, clock: Clock) -> APIRouter:
    """All routes of the registries, written through `store`."""
    routes = APIRouter(prefix="/v1", dependencies=[Depends(_loaded(store))])
    _site_routes(routes, store, clock)
    _exemption_routes(routes, store, clock)
    _key_routes(routes, store, clock)
    return routes


def _loaded(store: RegistryStore) -> Callable[[], Any]:
    async def loaded() -> None:
        store.require_loaded()

    return loaded


def _site_routes(routes: APIRouter, store: RegistryStore, clock: Clock) -> None:
    sites = store.registries.sites

    @routes.put(
        "/sites/{network}/{site}",
        tags=["sites"],
        response_model=SiteView,
        response_model_exclude_unset=True,
        responses={201: {"model": SiteView, "description": "Registered"}},
    )
    async def put_site(
        network: NetworkPath, site: SitePath, body: SiteBody, caller: Admin, answer: Response
    ) -> SiteView:
        """Register a site, or replace its whole record. Scope `admin`."""
        _require_network(caller, network)
        async with store.site_lock:
            known = sites.get(domain.site_key(network, site))
            record = SiteRecord(network=network, site=site, recorded_at=clock.now(), **body.model_dump())
            if cycle := domain.parent_cycle(sites.records(), record):
                raise invalid(("/parent", f"closes a circle of parents: {' → '.join(cycle)}"))
            if known is not None and domain.same_site(record, known):
                return _view(SiteView, known)
            await store.put_site(record)
        answer.status_code = 200 if known else 201
        return _view(SiteView, record)

    @routes.get(
        "/sites/{network}/{site}", tags=["sites"], response_model=SiteView, response_model_exclude_unset=True
    )
    async def get_site(network: NetworkPath, site: SitePath, caller: Reader) -> SiteView:
        """One site's record. A site's key reads only its own."""
        if not caller.may_read_site(network, site):
            raise forbidden(f"The key may not read the site {network}/{site}: it belongs to {caller.owner}.")
        record = sites.get(domain.site_key(network, site))
        if record is None:
            raise not_found(f"site {network}/{site}")
        return _view(SiteView, record)

    @routes.get("/sites", tags=["sites"], response_model=Page[SiteView], response_model_exclude_unset=True)
    async def list_sites(
        caller: Reader,
        network: NetworkQuery = None,
        cursor: Cursor = None,
        limit: Limit = paging.LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """The sites that concern the caller, by network and code."""
        shown = (
            (domain.site_key(record.network, record.site), record)
            for record in sites
            if network in (None, record.network) and caller.may_read_site(record.network, record.site)
        )
        return _page(shown, cursor, limit, lambda record: _view(SiteView, record))


def _exemption_routes(routes: APIRouter, store: RegistryStore, clock: Clock) -> None:
    exemptions = store.registries.exemptions

    @routes.put(
        "/exemptions/{network}/{exemption_id}",
        tags=["exemptions"],
        response_model=ExemptionView,
        response_model_exclude_unset=True,
        responses={201: {"model": ExemptionView, "description": "Declared"}},
    )
    async def put_exemption(
        network: NetworkPath,
        exemption_id: ExemptionId,
        body: ExemptionBody,
        caller: Decider,
        answer: Response,
    ) -> ExemptionView:
        """Declare an exemption, or replace it. Scope `decide`; not for a site's key."""
        _require_decider(caller, network)
        known = exemptions.get(domain.exemption_key(network, exemption_id))
        exemption = Exemption(
            network=network, exemption_id=exemption_id, declared_at=clock.now(), **body.model_dump()
        )
        if known is not None and domain.same_exemption(exemption, known.data):
            return _exemption_view(known)
        event = domain.declared(exemption, caller.owner)
        await store.put_exemption(event)
        answer.status_code = 200 if known else 201
        return _exemption_view(event)

    @routes.delete("/exemptions/{network}/{exemption_id}", tags=["exemptions"], status_code=204)
    async def withdraw_exemption(network: NetworkPath, exemption_id: ExemptionId, caller: Decider) -> None:
        """Withdraw an exemption; it stays listed as withdrawn. Scope `decide`; not for a site's key."""
        _require_decider(caller, network)
        known = exemptions.get(domain.exemption_key(network, exemption_id))
        if known is None:
            raise not_found(f"exemption {network}/{exemption_id}")
        if known.type == "exemption.declared":
            await store.put_exemption(domain.withdrawn(known.data, caller.owner, clock.now()))

    @routes.get(
        "/exemptions",
        tags=["exemptions"],
        response_model=Page[ExemptionView],
        response_model_exclude_unset=True,
    )
    async def list_exemptions(
        caller: Reader,
        network: NetworkQuery = None,
        cursor: Cursor = None,
        limit: Limit = paging.LIMIT_DEFAULT,
    ) -> dict[str, Any]:
        """The exemptions that concern the caller, withdrawn ones included, by network and id."""
        sites = store.registries.sites.records()

        def shows(exemption: Exemption) -> bool:
            if network not in (None, exemption.network) or not caller.may_read_network(exemption.network):
                return False
            return caller.site is None or domain.concerns_site(exemption, caller.site, sites)

        shown = ((event.subject, event) for event in exemptions if shows(event.data))
        return _page(shown, cursor, limit, _exemption_view)


def _key_routes(routes: APIRouter, store: RegistryStore, clock: Clock) -> None:
    keys = store.registries.keys

    @routes.post("/keys", tags=["keys"], status_code=201)
    async def make_key(body: KeyBody, caller: Admin, answer: Response) -> NewKey:
        """Make a key. It is shown in this answer and never again. Scope `admin`."""
        if not (caller.network is None or caller.network == body.network):
            raise forbidden(f"The key may make keys of the network {caller.network} only.")
        now = clock.now()
        _require_future(body.expires_at, now)
        key, key_id = new_key(), f"key_{secrets.token_hex(8)}"
        await store.put_key(KeyRecord(key_id=key_id, sha256=digest(key), created_at=now, **body.model_dump()))
        answer.headers["Cache-Control"] = "no-store"
        return NewKey(key_id=key_id, key=key)

    @routes.get("/keys", tags=["keys"], response_model=Page[KeyView], response_model_exclude_unset=True)
    async def list_keys(
        caller: Admin, cursor: Cursor = None, limit: Limit = paging.LIMIT_DEFAULT
    ) -> dict[str, Any]:
        """All keys, revoked and expired ones included, never the keys themselves. Scope `admin`."""
        shown = ((record.key_id, record) for record in keys if caller.network in (None, record.network))
        return _page(shown, cursor, limit, lambda record: _view(KeyView, record))

    @routes.delete("/keys/{key_id}", tags=["keys"], status_code=204)
    async def revoke_key(key_id: KeyId, caller: Admin) -> None:
        """Revoke a key: every service refuses it within 5 seconds. Scope `admin`."""
        record = keys.get(key_id)
        if record is None or caller.network not in (None, record.network):
            raise not_found(f"key {key_id}")
        if record.revoked_at is None:
            await store.put_key(msgspec.structs.replace(record, revoked_at=clock.now()))


def _require_network(caller: Principal, network: str) -> None:
    if not caller.may_read_network(network):
        raise forbidden(f"The key is confined to the network {caller.network}.")


def _require_decider(caller: Principal, network: str) -> None:
    _require_network(caller, network)
    if caller.site is not None:
        raise forbidden("Exemptions are declared by a desk or an operator, not by a site.")


def _require_future(moment: datetime | None, now: datetime) -> None:
    if moment is not None and moment <= now:
        raise invalid(("/expires_at", f"is not after the present, {now.isoformat()}"))


def _view(model: type[V], record: msgspec.Struct) -> V:
    """`record` as `model`; members without a value are left out of the answer."""
    fields = msgspec.structs.asdict(record)
    return model.model_construct(
        **{name: value for name, value in fields.items() if name in model.model_fields and value is not None}
    )


def _exemption_view(event: ExemptionEvent) -> ExemptionView:
    view = _view(ExemptionView, event.data)
    view.state = "declared" if event.type == "exemption.declared" else "withdrawn"
    return view


def _page(
    items: Iterable[tuple[str, T]], cursor: str | None, limit: int, view: Callable[[T], BaseModel]
) -> dict[str, Any]:
    """The page of `items` by key after `cursor`."""
    position = paging.decode(cursor, str)
    ordered = sorted(
        (item for item in items if position is None or item[0] > position[0]), key=lambda item: item[0]
    )
    page = paging.page_of(ordered[: limit + 1], limit, lambda item: (item[0],))
    return {"items": [view(record) for _, record in page["items"]], "next": page["next"]}
