"""The registries of intake over HTTP: callers of running copies, and what is put into them."""

from __future__ import annotations

from typing import Any

import httpx

from shared.settings import ServiceSettings
from tests.support.process import OPERATOR_KEY
from tests.support.topics import read_all

Json = dict[str, Any]


class Copy:
    """One running copy of intake, called with a key."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def call(
        self, method: str, path: str, body: Any = None, key: str = OPERATOR_KEY, **params: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return await self._client.request(method, path, json=body, headers=headers, params=params)

    async def answers(
        self, status: int, method: str, path: str, body: Any = None, key: str = OPERATOR_KEY
    ) -> bool:
        """Whether a call is answered by `status` now."""
        return (await self.call(method, path, body, key)).status_code == status

    async def new_key(
        self, owner: str, *scopes: str, network: str | None = None, **more: Any
    ) -> tuple[str, str]:
        """Make a key; its id and the key itself."""
        body = {"owner": owner, "scopes": list(scopes), "network": network, **more}
        answer = await self.call("POST", "/v1/keys", body)
        assert answer.status_code == 201, answer.text
        return answer.json()["key_id"], answer.json()["key"]

    async def all_items(self, path: str, key: str = OPERATOR_KEY, **params: Any) -> list[Json]:
        """Every item of a list, page by page."""
        items: list[Json] = []
        cursor = None
        while True:
            query = params | ({"cursor": cursor} if cursor else {})
            answer = await self.call("GET", path, key=key, **query)
            assert answer.status_code == 200, answer.text
            items += answer.json()["items"]
            cursor = answer.json()["next"]
            if cursor is None:
                return items


def site(**changes: Any) -> Json:
    return {
        "name": "广州一部",
        "kind": "outlet",
        "language": "zh",
        "city": "广州",
        "province": "广东",
    } | changes


def exemption(**changes: Any) -> Json:
    body = {
        "from": "2011-01-03",
        "to": "2011-01-05",
        "ground": "snow",
        "reason": "roads closed",
        "officer": "Li",
    }
    return body | {"province": "广东"} | changes


def pointers(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [error["pointer"] for error in answer.json()["errors"]]


async def stored_records(settings: ServiceSettings, topic: str, key: str) -> list[Any]:
    """Every record of `key` on `topic`, in order."""
    return [record for record in await read_all(settings, topic) if record.key == key.encode()]
