"""Who is let in, and what they may see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import msgspec
import pytest
from fastapi import APIRouter, Depends

from shared.clock import Clock
from shared.http.app import Check, create_app
from shared.http.auth import KeyRing, Principal, digest, new_key, require
from shared.registry import SCOPES, KeyRecord, key_registry
from shared.settings import ServiceSettings

OPERATOR_KEY = "operator-key-of-this-test"
NOW = datetime.now(UTC)

router = APIRouter()


@router.get("/read")
async def read(caller: Annotated[Principal, Depends(require("read"))]) -> str:
    return caller.owner


@router.get("/both")
async def both(caller: Annotated[Principal, Depends(require("read", "admin"))]) -> str:
    return caller.owner


class Keys:
    """A key ring and a way to put records into its registry."""

    def __init__(self) -> None:
        self.registry = key_registry()
        self.loaded = True
        self.ring = KeyRing(self.registry, Clock(), OPERATOR_KEY, loaded=lambda: self.loaded)

    def put(self, key: str, key_id: str = "k1", **values: Any) -> KeyRecord:
        given = {"owner": "/sites/GZ01", "network": "tiantian", "scopes": ["read"], "created_at": NOW}
        record = KeyRecord(key_id=key_id, sha256=digest(key), **(given | values))
        self.registry.apply(key_id, msgspec.json.encode(record))
        return record


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
async def client(keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> dict[str, Check]:
        return {}

    app = create_app("try", settings=ServiceSettings(), readiness=ready, routers=[router], keys=keys.ring)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://try") as client:
        yield client


async def call(client: httpx.AsyncClient, key: str | None, path: str = "/read") -> httpx.Response:
    return await client.get(path, headers={"Authorization": f"Bearer {key}"} if key else {})


async def test_the_operators_key_has_every_scope(client: httpx.AsyncClient, keys: Keys) -> None:
    assert (await call(client, OPERATOR_KEY, "/both")).json() == "/operators/local"
    caller = keys.ring.principal_of(OPERATOR_KEY)
    assert caller is not None
    assert caller.scopes == SCOPES
    assert caller.is_operator


async def test_a_key_learns_whose_it_is(client: httpx.AsyncClient, keys: Keys) -> None:
    keys.put("a-key", owner="/desks/care", network=None, scopes=["publish", "decide"])
    answer = await call(client, "a-key", "/v1/keys/self")
    assert answer.json() == {
        "key_id": "k1",
        "owner": "/desks/care",
        "network": None,
        "scopes": ["decide", "publish"],
    }
    assert (await call(client, "another", "/v1/keys/self")).status_code == 401


@pytest.mark.parametrize("header", [None, "Basic abc", "Bearer", "Bearer ", "Bearer unknown", "Bearer \xe9"])
async def test_without_a_key_in_force_401_names_the_scheme(
    client: httpx.AsyncClient, header: str | None
) -> None:
    answer = await client.get("/read", headers={"Authorization": header.encode("latin-1")} if header else {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_key_without_the_scope_is_403(client: httpx.AsyncClient, keys: Keys) -> None:
    key = new_key()
    keys.put(key)
    assert (await call(client, key)).json() == "/sites/GZ01"
    answer = await call(client, key, "/both")
    assert answer.status_code == 403
    assert "admin" in answer.json()["detail"]


async def test_revoked_expired_and_removed_keys_are_refused(client: httpx.AsyncClient, keys: Keys) -> None:
    key = new_key()
    keys.put(key, expires_at=NOW + timedelta(hours=1))
    assert (await call(client, key)).status_code == 200
    keys.put(key, expires_at=NOW - timedelta(seconds=1))
    assert (await call(client, key)).status_code == 401
    keys.put(key)
    assert (await call(client, key)).status_code == 200
    keys.put(key, revoked_at=NOW)
    assert (await call(client, key)).status_code == 401
    keys.put(key)
    keys.registry.apply("k1", None)
    assert (await call(client, key)).status_code == 401


async def test_expiry_follows_the_products_clock(keys: Keys, tmp_path: Any) -> None:
    from shared import clock as clocks

    moves = tmp_path / "clock.json"
    ring = KeyRing(keys.registry, Clock(moves))
    key = new_key()
    keys.put(key, expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert ring.principal_of(key) is not None
    clocks.advance(moves, timedelta(hours=2))
    assert KeyRing(keys.registry, Clock(moves)).principal_of(key) is None


async def test_before_the_keys_are_read_an_unknown_key_is_asked_to_come_again(
    client: httpx.AsyncClient, keys: Keys
) -> None:
    keys.loaded = False
    answer = await call(client, "perhaps")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert (await call(client, OPERATOR_KEY)).status_code == 200


async def test_openapi_names_the_bearer_scheme(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["paths"]["/read"]["get"]["security"] == [{"bearer": []}]


def principal(owner: str, network: str | None = None) -> Principal:
    return Principal("k", owner, network, frozenset())


def test_a_site_reads_only_what_concerns_it() -> None:
    site = principal("/sites/GZ01", "tiantian")
    assert (site.site, site.desk, site.is_operator) == ("GZ01", None, False)
    assert site.may_read_site("tiantian", "GZ01")
    assert not site.may_read_site("tiantian", "BJ02")
    assert not site.may_read_site("tiantian", None)
    assert not site.may_read_site("other", "GZ01")


def test_a_desk_reads_its_network_or_all() -> None:
    desk = principal("/desks/hq", "tiantian")
    assert (desk.site, desk.desk) == (None, "hq")
    assert desk.may_read_site("tiantian", "BJ02")
    assert not desk.may_read_site("other", "BJ02")
    assert principal("/desks/hq").may_read_site("other", "BJ02")


def test_only_an_operator_publishes_as_somebody_else() -> None:
    site = principal("/sites/GZ01", "tiantian")
    assert site.may_publish_as("tiantian", "/sites/GZ01")
    assert not site.may_publish_as("tiantian", "/sites/BJ02")
    assert not site.may_publish_as("other", "/sites/GZ01")
    assert principal("/operators/local").may_publish_as("other", "/sites/BJ02")
    assert not principal("/desks/hq").may_publish_as("other", "/desks/lost")


def test_new_keys_differ_and_are_long() -> None:
    assert len({new_key() for _ in range(100)}) == 100
    assert len(new_key()) >= 43
