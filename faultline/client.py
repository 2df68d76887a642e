"""A client for the services' HTTP (contract.md §4): events in, cases, money and notices out.

    with Client(Addresses(), key="…") as client:
        client.publish([event])
        case = client.case("tiantian", "560000000001")

Documents come back as they are on the wire. Lists are iterators that follow the cursors. Everything that a service refuses
is an `ApiError` with the problem document.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, Final, Literal, Self

import httpx
import msgspec

from faultline.api_error import ApiError, Document, object_of, refusal, silence

Service = Literal["intake", "arbitration", "penalties", "notify"]

__all__ = ["Addresses", "ApiError", "Client", "Document", "Taken"]

PAGE_SIZE: Final = 500
"""Items asked for at once: the contract's largest page."""
_RETRIED: Final = (429, 503)
_RETRY_LONGEST_S: Final = 10.0


@dataclass(frozen=True)
class Addresses:
    """Where the services listen; the defaults are the local stack's."""

    intake: str = "http://127.0.0.1:8001"
    arbitration: str = "http://127.0.0.1:8002"
    penalties: str = "http://127.0.0.1:8003"
    notify: str = "http://127.0.0.1:8004"


@dataclass(frozen=True)
class Taken:
    """What became of published events. `refused` are intake's items: index, id, status, errors."""

    accepted: int = 0
    duplicates: int = 0
    refused: tuple[Document, ...] = ()
    refused_omitted: int = 0
    """Refused events beyond those that intake listed."""

    def __add__(self, other: Taken) -> Taken:
        return Taken(
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.refused + other.refused,
            self.refused_omitted + other.refused_omitted,
        )


class Client:
    """Calls the services with one key. Use it as a context manager, or `close` it.

    `timeout_ms` is for one answer. A 429, a 503 and a cut line are tried again up to `attempts` times, on requests that
    may be repeated; events may be, since their ids tell copies apart.
    """

    def __init__(
        self, addresses: Addresses, key: str, *, timeout_ms: int = 60_000, attempts: int = 6
    ) -> None:
        self._addresses = addresses
        self._timeout_ms = timeout_ms
        self._urls: dict[Service, str] = {
            "intake": addresses.intake,
            "arbitration": addresses.arbitration,
            "penalties": addresses.penalties,
            "notify": addresses.notify,
        }
        self._attempts = attempts
        # The services stand on this machine or in this cluster: a proxy of the environment is meant for the outside.
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {key}"}, timeout=timeout_ms / 1000, trust_env=False
        )

    def with_key(self, key: str) -> Client:
        """Another client of the same services that calls with another key."""
        return Client(self._addresses, key, timeout_ms=self._timeout_ms, attempts=self._attempts)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # intake

    def publish(
        self,
        events: Iterable[Mapping[str, Any] | bytes],
        *,
        chunk_events: int = 2_000,
        on_chunk: Callable[[Taken], None] | None = None,
    ) -> Taken:
        """Send events (objects, or their JSON as bytes on one line) and return what became of them.

        They go as compressed streams of `chunk_events`, each answered once the broker has it; `on_chunk` is told what
        has been taken so far. Refused events are in the result, not an error. Raises ApiError.
        """
        taken, rest = Taken(), iter(events)
        while chunk := list(islice(rest, chunk_events)):
            first = taken.accepted + taken.duplicates + len(taken.refused) + taken.refused_omitted
            taken += self._publish(chunk, first)
            if on_chunk is not None:
                on_chunk(taken)
        return taken

    def _publish(self, events: Sequence[Mapping[str, Any] | bytes], first: int) -> Taken:
        lines = [event if isinstance(event, bytes) else msgspec.json.encode(event) for event in events]
        answer = self._send(
            "intake",
            "POST",
            "/v1/events",
            content=gzip.compress(b"\n".join(lines), compresslevel=5, mtime=0),
            headers={"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"},
            repeatable=True,
        )
        body = object_of(answer)
        if answer.is_error and "accepted" not in body:
            raise refusal("intake", "POST", "/v1/events", answer)
        refused = tuple({**item, "index": item["index"] + first} for item in body["refused"])
        return Taken(body["accepted"], body["duplicates"], refused, body.get("refused_omitted", 0))

    def put_site(self, network: str, site: str, record: Mapping[str, Any]) -> Document:
        """Register a site or replace its record: name, kind, language, parent?, city?, province?, webhook?, email?."""
        return self._call("intake", "PUT", f"/v1/sites/{network}/{site}", body=record)

    def sites(self, network: str | None = None) -> Iterator[Document]:
        """The registered sites."""
        return self._items("intake", "/v1/sites", network=network)

    def put_exemption(self, network: str, exemption_id: str, exemption: Mapping[str, Any]) -> Document:
        """Declare an exemption of many: sites, province or city; from, to, ground, reason, officer."""
        return self._call("intake", "PUT", f"/v1/exemptions/{network}/{exemption_id}", body=exemption)

    def withdraw_exemption(self, network: str, exemption_id: str) -> None:
        """Withdraw an exemption: it excuses nothing from now on."""
        self._call("intake", "DELETE", f"/v1/exemptions/{network}/{exemption_id}")

    def create_key(
        self,
        owner: str,
        scopes: Sequence[str],
        *,
        network: str | None = None,
        expires_at: datetime | None = None,
    ) -> Document:
        """Make a key: `{key_id, key}`. The key is shown this once; it is in force everywhere within 5 seconds."""
        body: Document = {"owner": owner, "scopes": list(scopes)}
        if network is not None:
            body["network"] = network
        if expires_at is not None:
            body["expires_at"] = expires_at.isoformat()
        return self._call("intake", "POST", "/v1/keys", body=body)

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key, everywhere within 5 seconds."""
        self._call("intake", "DELETE", f"/v1/keys/{key_id}")

    # arbitration

    def case(self, network: str, waybill: str, *, as_of: datetime | None = None) -> Document:
        """A waybill's case: custody and newest verdict; with `as_of`, what was known and would be judged then."""
        return self._call("arbitration", "GET", f"/v1/cases/{network}/{waybill}", as_of=_text(as_of))

    def versions(self, network: str, waybill: str) -> Iterator[Document]:
        """Every issued version of the waybill's verdict, newest first."""
        return self._items("arbitration", f"/v1/cases/{network}/{waybill}/versions")

    def events(self, network: str, waybill: str) -> Iterator[Document]:
        """The waybill's distinct events in the order in which they happened."""
        return self._items("arbitration", f"/v1/cases/{network}/{waybill}/events")

    def cases(
        self,
        *,
        network: str | None = None,
        status: str | None = None,
        site: str | None = None,
        rule: str | None = None,
        decided_from: datetime | None = None,
        decided_to: datetime | None = None,
    ) -> Iterator[Document]:
        """Waybills with a verdict, by network and waybill."""
        bounds = {"from": _text(decided_from), "to": _text(decided_to)}
        return self._items(
            "arbitration", "/v1/cases", network=network, status=status, site=site, rule=rule, **bounds
        )

    def adjudicate(
        self,
        network: str,
        now: datetime | str,
        events: Sequence[Mapping[str, Any]],
        *,
        facts: Mapping[str, Any] | None = None,
        rulebook: Mapping[str, Any] | None = None,
    ) -> Document:
        """Judge events of one waybill at `now` without storing anything: the case document."""
        body: Document = {
            "network": network,
            "now": now if isinstance(now, str) else now.isoformat(),
            "events": list(events),
        }
        body |= {
            name: value for name, value in (("facts", facts), ("rulebook", rulebook)) if value is not None
        }
        return self._call("arbitration", "POST", "/v1/adjudications", body=body, repeatable=True)

    def rulebooks(self) -> list[str]:
        """The ids of the rulebooks that decide something."""
        return [book["id"] for book in self._call("arbitration", "GET", "/v1/rulebooks")["items"]]

    def rulebook(self, rulebook_id: str) -> Document:
        """A rulebook as it is in force today: of each rule the clause, parameters and texts."""
        return self._call("arbitration", "GET", f"/v1/rulebooks/{rulebook_id}")

    def scorecards(
        self,
        *,
        group: Literal["site", "rule", "day"] = "site",
        network: str | None = None,
        site: str | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
    ) -> Iterator[Document]:
        """Sums by site, rule or local day: parcels, findings, money, late parcels, complaints, silent parcels."""
        days = {"from": _text(first_day), "to": _text(last_day)}
        return self._items("arbitration", "/v1/scorecards", group=group, network=network, site=site, **days)

    def silences(self, *, network: str | None = None, hours: int | None = None) -> Iterator[Document]:
        """Parcels on their way of which nothing was heard for `hours`, with the site that holds them."""
        return self._items("arbitration", "/v1/silences", network=network, hours=hours)

    def projections(self) -> list[Document]:
        """Every projection with its generations and how far its rebuild is."""
        return list(self._call("arbitration", "GET", "/v1/projections")["items"])

    def rebuild(self, projection: str) -> Document:
        """Begin to build a projection anew beside the live one."""
        return self._call("arbitration", "POST", f"/v1/projections/{projection}/rebuild")

    # penalties

    def account(self, network: str, site: str) -> Document:
        """What a site owes now: balance_fen, frozen_fen."""
        return self._call("penalties", "GET", f"/v1/accounts/{network}/{site}")

    def account_entries(self, network: str, site: str) -> Iterator[Document]:
        """The ledger entries that have the site on either side."""
        return self._items("penalties", f"/v1/accounts/{network}/{site}/entries")

    def waybill_entries(self, network: str, waybill: str) -> Iterator[Document]:
        """The ledger entries of a waybill in booking order."""
        return self._items("penalties", f"/v1/waybills/{network}/{waybill}/entries")

    def trial_balance(self, network: str) -> Document:
        """Debits and credits of all accounts of a network, and whether they balance."""
        return self._call("penalties", "GET", "/v1/trial-balance", network=network)

    def ledger_waybills(self, network: str, waybill: str | None = None) -> Iterator[Document]:
        """What the ledger holds of each waybill, or of one: version, digest and what its findings stand at."""
        return self._items("penalties", "/v1/ledger/waybills", network=network, waybill=waybill)

    def ledger_verification(self, network: str | None = None) -> Iterator[Document]:
        """The lines of a proof of the ledger: `{"chain": …}` for each chain, then `{"summary": …}`. Raises ApiError."""
        path = "/v1/ledger/verification"
        params = {} if network is None else {"network": network}
        try:
            with self._http.stream("GET", self._urls["penalties"] + path, params=params) as answer:
                if answer.is_error:
                    answer.read()
                    raise refusal("penalties", "GET", path, answer)
                for line in answer.iter_lines():
                    yield msgspec.json.decode(line, type=Document)
        except httpx.TransportError as error:
            raise silence("penalties", self._urls["penalties"], "GET", path, error) from error

    # notify

    def notices(
        self,
        *,
        network: str | None = None,
        site: str | None = None,
        waybill: str | None = None,
        state: str | None = None,
    ) -> Iterator[Document]:
        """Notices, newest first."""
        return self._items("notify", "/v1/notices", network=network, site=site, waybill=waybill, state=state)

    def acknowledge(self, notice_id: str) -> Document:
        """Say that a notice was read."""
        return self._call("notify", "POST", f"/v1/notices/{notice_id}/acknowledge", repeatable=True)

    # every service

    def readiness(self, service: Service) -> Document:
        """The service's `/readyz` document: dependencies and lag. Not being ready is no error; no answer is."""
        answer = self._send(service, "GET", "/readyz", repeatable=False)
        return object_of(answer)

    # how

    def _items(self, service: Service, path: str, **query: Any) -> Iterator[Document]:
        cursor: str | None = None
        while True:
            page = self._call(service, "GET", path, **query, limit=PAGE_SIZE, cursor=cursor)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def _call(
        self,
        service: Service,
        method: str,
        path: str,
        *,
        body: Any = None,
        repeatable: bool | None = None,
        **query: Any,
    ) -> Document:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        may_repeat = method != "POST" if repeatable is None else repeatable
        answer = self._send(
            service, method, path, content=content, headers=headers, repeatable=may_repeat, query=query
        )
        if answer.is_error:
            raise refusal(service, method, path, answer)
        return object_of(answer) if answer.content else {}

    def _send(
        self,
        service: Service,
        method: str,
        path: str,
        *,
        repeatable: bool,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        url = self._urls[service] + path
        attempts = self._attempts if repeatable else 1
        for attempt in range(1, attempts + 1):
            try:
                answer = self._http.request(method, url, params=params, content=content, headers=headers)
            except httpx.TransportError as error:
                if attempt == attempts:
                    raise silence(service, self._urls[service], method, path, error) from error
                _wait(attempt, None)
                continue
            if answer.status_code not in _RETRIED or attempt == attempts:
                return answer
            _wait(attempt, answer.headers.get("Retry-After"))
        raise AssertionError("the last attempt returns or raises")


def _wait(attempt: int, retry_after: str | None) -> None:
    """Wait as long as the service asks for, else longer each time."""
    asked_s = float(retry_after) if retry_after and retry_after.isdecimal() else 0.2 * 2**attempt
    time.sleep(min(asked_s, _RETRY_LONGEST_S))


def _text(moment: date | None) -> str | None:
    return None if moment is None else moment.isoformat()
