"""What the tests of work lists and decisions start from: keys of their own, and a parcel with one fine."""

from __future__ import annotations

from datetime import timedelta

import httpx

from tests.support.fresh import fresh
from tests.support.line import Line, parcel, wait
from tests.support.stack import Stack

HUB = "HGZ1"
"""Never scanned the parcel on arrival: TT-01, 10 yuan to headquarters."""


def new_key(stack: Stack, owner: str, *scopes: str) -> str:
    """A key of `owner` in the network tiantian, in force in every service."""
    body = {"owner": owner, "network": "tiantian", "scopes": scopes}
    with httpx.Client(trust_env=False, timeout=30) as client:
        answer = client.post(f"{stack.urls['intake']}/v1/keys", json=body, headers=stack.headers)
        assert answer.status_code == 201, answer.text
        key = str(answer.json()["key"])
        headers = {"Authorization": f"Bearer {key}"}
        services = [stack.urls[name] for name in ("intake", "arbitration", "penalties", "notify")]

        def known() -> bool:
            return all(
                client.get(f"{url}/v1/keys/self", headers=headers).status_code == 200 for url in services
            )

        wait(lambda: known() or None, lambda: "the key is in force everywhere")
    return key


def fined_parcel(line: Line) -> str:
    """The waybill of a parcel of the last days with one finding against HUB, which is booked and told."""
    number = f"DEC{fresh(9)}"
    start = (line.stack.now() - timedelta(days=4)).replace(hour=1, minute=0, second=0, microsecond=0)
    line.publish(parcel(f"tiantian/{number}", start, unscanned=HUB))

    def is_told() -> bool:
        told = line.get("notify", "/v1/notices", waybill=number)["items"]
        booked = line.get("penalties", f"/v1/waybills/tiantian/{number}/entries")["items"]
        return bool(told) and bool(booked)

    wait(lambda: is_told() or None, lambda: "the fine is decided, booked and told")
    return number
