"""The Python client against a small HTTP server that answers what the test says."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from faultline.client import Addresses, ApiError, Client, Taken


class Asked(NamedTuple):
    """A request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, dict[str, Any], dict[str, str]]
Script = Callable[[Asked], Answer]


class Server:
    """Answers with `script`, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: Script = lambda _asked: (200, {}, {})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(length))
                outer.asked.append(asked)
                status, document, more = outer.script(asked)
                body = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {**more, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = _answer

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(Addresses(*[server.url] * 4), "secret", attempts=3) as caller:
        yield caller


def test_events_go_as_compressed_lines_in_chunks_and_are_added_up(server: Server, client: Client) -> None:
    refused = {"index": 1, "id": "b", "status": 422, "errors": []}
    server.script = lambda asked: (
        207,
        {
            "accepted": len(gzip.decompress(asked.body).splitlines()) - 1,
            "duplicates": 0,
            "refused": [refused],
        },
        {},
    )
    told: list[Taken] = []
    taken = client.publish([{"id": str(n)} for n in range(4)], chunk_events=2, on_chunk=told.append)
    assert [item["index"] for item in taken.refused] == [1, 3]
    assert taken.accepted == 2
    assert [one.accepted for one in told] == [1, 2]
    first = server.asked[0]
    assert (first.method, first.path) == ("POST", "/v1/events")
    assert first.headers["authorization"] == "Bearer secret"
    assert first.headers["content-type"] == "application/x-ndjson"
    assert gzip.decompress(first.body) == b'{"id":"0"}\n{"id":"1"}'


def test_events_none_of_which_was_taken_are_a_result_and_no_error(server: Server, client: Client) -> None:
    item = {"index": 0, "id": "a", "status": 422, "errors": []}
    problem = {"title": "No event taken", "status": 422, "accepted": 0, "duplicates": 0, "refused": [item]}
    server.script = lambda _asked: (422, problem, {})
    assert client.publish([b"{}"]).refused == (item,)


@pytest.mark.parametrize("status", [429, 503])
def test_events_are_sent_again_when_the_service_asks_for_it(
    server: Server, client: Client, status: int
) -> None:
    def busy_once(_asked: Asked) -> Answer:
        if len(server.asked) == 1:
            return status, {"title": "Later", "status": status}, {"Retry-After": "0"}
        return 202, {"accepted": 1, "duplicates": 0, "refused": []}, {}

    server.script = busy_once
    assert client.publish([b"{}"]).accepted == 1
    assert [asked.body for asked in server.asked] == [server.asked[0].body] * 2


def test_attempts_are_bounded(server: Server, client: Client) -> None:
    server.script = lambda _asked: (
        503,
        {"title": "Broker away", "status": 503, "detail": "…"},
        {"Retry-After": "0"},
    )
    with pytest.raises(ApiError, match="503") as caught:
        client.publish([b"{}"])
    assert len(server.asked) == 3
    assert caught.value.status == 503


def test_what_may_not_be_repeated_is_sent_once(server: Server, client: Client) -> None:
    server.script = lambda _asked: (503, {"title": "Away", "status": 503}, {"Retry-After": "0"})
    with pytest.raises(ApiError):
        client.create_key("/operators/x", ["read"])
    assert len(server.asked) == 1


def test_lists_follow_the_cursor_and_leave_out_what_is_not_asked_for(server: Server, client: Client) -> None:
    pages: dict[str | None, dict[str, Any]] = {
        None: {"items": [{"n": 1}], "next": "two"},
        "two": {"items": [{"n": 2}], "next": None},
    }
    server.script = lambda asked: (200, pages["two" if "cursor=two" in asked.path else None], {})
    assert [item["n"] for item in client.cases(network="zto", rule="ZT-01")] == [1, 2]
    assert server.asked[0].path == "/v1/cases?network=zto&rule=ZT-01&limit=500"


def test_an_error_says_what_is_wrong_and_holds_the_problem(server: Server, client: Client) -> None:
    problem = {
        "type": "about:blank",
        "title": "Invalid request",
        "status": 422,
        "detail": "see errors",
        "errors": [{"pointer": "/parent", "message": "closes a circle"}],
    }
    server.script = lambda _asked: (422, problem, {"Content-Type": "application/problem+json"})
    with pytest.raises(ApiError) as caught:
        client.put_site("zto", "A1", {"name": "x"})
    assert caught.value.status == 422
    assert caught.value.problem == problem
    assert "intake answered 422 to PUT /v1/sites/zto/A1: Invalid request" in str(caught.value)
    assert "/parent closes a circle" in str(caught.value)


def test_no_answer_says_which_service_and_where(server: Server) -> None:
    server.close()
    silent = Client(Addresses(*[server.url] * 4), "secret", attempts=1)
    with silent, pytest.raises(ApiError, match=rf"penalties did not answer .*{server.url}") as caught:
        silent.account("zto", "A1")
    assert caught.value.status is None
