"""The whole line as a client sees it: publish over intake, wait for verdicts, read money and notices."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx

from tests.support.bus import WAIT_S
from tests.support.stack import Stack

T = TypeVar("T")


def event(
    subject: str, source: str, event_type: str, at: datetime, event_id: str, /, **data: Any
) -> dict[str, Any]:
    """An event that was recorded when it happened."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": event_type,
        "subject": subject,
        "time": at.isoformat(),
        "recordedtime": at.isoformat(),
        "data": data,
    }


def scan(subject: str, site: str, kind: str, at: datetime, /, **data: Any) -> dict[str, Any]:
    """A scan of `site`; its id follows from what it says."""
    name = f"{site}-{kind.split('.')[1]}-{at:%m%d%H%M}"
    return event(subject, f"/sites/{site}", kind, at, name, site=site, **data)


def complaint(subject: str, at: datetime) -> dict[str, Any]:
    """A complaint that is nobody's fault."""
    data = {"complaint_id": "C1", "channel": "web", "category": "attitude", "claimant": "sender"}
    return event(subject, "/desks/hq", "complaint.opened", at, "complaint", **data)


def parcel(
    subject: str, start: datetime, *, unscanned: str | None = None, signed: bool = True
) -> list[dict[str, Any]]:
    """A clean parcel from GZ01 over HGZ1 and HBJ1 to BJ02, collected at `start` (morning, local time).

    `unscanned`: the site whose arrival scan is missing. `signed`: whether it was delivered and signed on its due day.
    """

    def hop(hours: int) -> datetime:
        return start + timedelta(hours=hours)

    events = [
        scan(
            subject,
            "GZ01",
            "scan.collected",
            hop(0),
            scope="inter_province",
            destination_site="BJ02",
            destination_mark="BJ02",
        ),
        scan(subject, "GZ01", "scan.departed", hop(9), next_site="HGZ1"),
        scan(subject, "HGZ1", "scan.arrived", hop(11), previous_site="GZ01"),
        scan(subject, "HGZ1", "scan.departed", hop(13), next_site="HBJ1"),
        scan(subject, "HBJ1", "scan.arrived", hop(42), previous_site="HGZ1"),
        scan(subject, "HBJ1", "scan.departed", hop(43), next_site="BJ02"),
        scan(subject, "BJ02", "scan.arrived", hop(45), previous_site="HBJ1"),
        scan(subject, "BJ02", "scan.out_for_delivery", hop(46), courier="C17"),
    ]
    if signed:
        events.append(scan(subject, "BJ02", "signature.recorded", hop(53), signer="addressee"))
    return [e for e in events if not (e["type"] == "scan.arrived" and e["data"]["site"] == unscanned)]


class Line:
    """A client of a running stack, with the operator's key."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._http = httpx.Client(headers=stack.headers, timeout=30)

    def publish(self, events: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Send events as one batch; all must be taken."""
        answer = self._http.post(
            f"{self.stack.urls['intake']}/v1/events",
            content=json.dumps(events),
            headers={"Content-Type": "application/cloudevents-batch+json"},
        )
        assert answer.status_code == 202, (answer.status_code, answer.text)
        return answer.json()  # type: ignore[no-any-return]

    def get(self, service: str, path: str, **query: Any) -> Any:
        """A GET that must succeed."""
        answer = self._http.get(f"{self.stack.urls[service]}{path}", params=query)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def put(self, service: str, path: str, body: dict[str, Any]) -> Any:
        """A PUT that must succeed."""
        answer = self._http.put(f"{self.stack.urls[service]}{path}", json=body)
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json()

    def post(self, service: str, path: str, body: Any = None) -> httpx.Response:
        """A POST, whatever it answers."""
        return self._http.post(f"{self.stack.urls[service]}{path}", json=body)

    def delete(self, service: str, path: str) -> httpx.Response:
        """A DELETE, whatever it answers."""
        return self._http.delete(f"{self.stack.urls[service]}{path}")

    def case(self, subject: str, **query: Any) -> dict[str, Any] | None:
        """The case document; None where nobody has heard of the waybill."""
        answer = self._http.get(f"{self.stack.urls['arbitration']}/v1/cases/{subject}", params=query)
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, (subject, answer.status_code, answer.text)
        return answer.json()  # type: ignore[no-any-return]

    def decided(
        self, subject: str, condition: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> dict[str, Any]:
        """Wait for a case whose verdict has seen everything and meets `condition`."""

        def settled() -> dict[str, Any] | None:
            case = self.case(subject)
            ready = (
                case is not None and case["verdict"] is not None and case["pending"] == 0 and condition(case)
            )
            return case if ready else None

        return wait(settled, lambda: f"{subject}: {self.case(subject)}")


def findings(case: dict[str, Any], *, standing: bool = True) -> dict[str, dict[str, Any]]:
    """The findings of a case by their ids; `standing`: without revoked ones."""
    found = (case["verdict"] or {"findings": []})["findings"]
    return {f["finding_id"]: f for f in found if not standing or f["state"] != "revoked"}


def wait(ask: Callable[[], T | None], describe: Callable[[], object], *, patience_s: float = WAIT_S) -> T:
    """What `ask` gives as soon as it is not None; AssertionError with `describe()` if it never does."""
    limit_s = time.monotonic() + patience_s
    while True:
        if (found := ask()) is not None:
            return found
        if time.monotonic() > limit_s:
            raise AssertionError(f"not within {patience_s} s: {describe()}")
        time.sleep(0.05)
