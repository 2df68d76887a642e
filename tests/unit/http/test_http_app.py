"""The application that every service is: probes, problem documents, limits, pages, and its stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Body
from pydantic import BaseModel

from shared.http import app as http_app
from shared.http import paging
from shared.http.app import Check, create_app
from shared.http.paging import Cursor, Limit, Page
from shared.http.problems import Problem, invalid
from shared.settings import ServiceSettings

REPOSITORY = Path(__file__).parents[3]
BODY_BYTES_MAX = 2_000

router = APIRouter(prefix="/v1")


class Thing(BaseModel):
    number: int


@router.get("/things")
async def things(cursor: Cursor = None, limit: Limit = paging.LIMIT_DEFAULT) -> Page[Thing]:
    after = paging.decode(cursor, int)
    numbers = [n for n in range(7) if after is None or n > after[0]]
    page = paging.page_of(numbers[: limit + 1], limit, lambda n: (n,))
    return Page(items=[Thing(number=n) for n in page["items"]], next=page["next"])


@router.post("/things")
async def make_thing(thing: Thing) -> Thing:
    return thing


@router.post("/stream")
async def stream(body: Annotated[bytes, Body()]) -> int:
    return len(body)


@router.get("/defect")
async def defect() -> None:
    raise KeyError("the inner secret")


@router.get("/teapot")
async def teapot() -> None:
    raise Problem(
        418, "Teapot", "Short and stout.", errors=[("/spout", "is hot")], headers={"Retry-After": "3"}
    )


@router.get("/wrong")
async def wrong() -> None:
    raise invalid(("/a/b", "is wrong"))


class Dependencies:
    """What the readiness callback answers with."""

    def __init__(self) -> None:
        self.checks: Mapping[str, Check] = {"broker": Check(True), "lag": Check(True, values={"records": 3})}
        self.hangs = False
        self.raises = False

    async def __call__(self) -> Mapping[str, Check]:
        if self.hangs:
            await asyncio.Event().wait()
        if self.raises:
            raise OSError("disk")
        return self.checks


@pytest.fixture
def dependencies() -> Dependencies:
    return Dependencies()


@pytest.fixture
async def client(dependencies: Dependencies) -> AsyncIterator[httpx.AsyncClient]:
    settings = ServiceSettings(http_body_bytes_max=BODY_BYTES_MAX, instance="try-2")
    app = create_app(
        "try",
        settings=settings,
        readiness=dependencies,
        routers=[router],
        unlimited_body_paths=frozenset(("/v1/stream",)),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://try") as client:
        yield client


def problem_of(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == status
    assert body["detail"]
    return body


async def test_alive(client: httpx.AsyncClient) -> None:
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "alive", "service": "try", "instance": "try-2"},
    )


async def test_ready_lists_each_dependency_with_its_figures(
    client: httpx.AsyncClient, dependencies: Dependencies
) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"]["lag"] == {"ok": True, "detail": "", "values": {"records": 3}}
    dependencies.checks = {**dependencies.checks, "database": Check(False, "refused")}
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not_ready"
    assert answer.json()["checks"]["database"]["detail"] == "refused"
    assert answer.json()["checks"]["broker"]["ok"] is True


async def test_ready_says_no_where_the_checks_hang_or_raise(
    client: httpx.AsyncClient, dependencies: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_app, "READINESS_TIMEOUT_S", 0.01)
    dependencies.hangs = True
    answer = await client.get("/readyz")
    assert (answer.status_code, "longer" in answer.text) == (503, True)
    dependencies.hangs, dependencies.raises = False, True
    answer = await client.get("/readyz")
    assert (answer.status_code, "OSError" in answer.text) == (503, True)


async def test_metrics_show_the_last_checks_and_no_older_ones(
    client: httpx.AsyncClient, dependencies: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_app, "READINESS_TIMEOUT_S", 0.01)
    dependencies.raises = True
    await client.get("/readyz")
    assert 'faultline_check_ok{check="checks"} 0.0' in (await client.get("/metrics")).text
    dependencies.raises = False
    dependencies.checks = {"consumer": Check(True, values={"lag": 3}), "database": Check(False, "refused")}
    await client.get("/readyz")
    text = (await client.get("/metrics")).text
    assert 'faultline_check_ok{check="consumer"} 1.0' in text
    assert 'faultline_check_ok{check="database"} 0.0' in text
    assert 'faultline_check_lag_records{check="consumer"} 3.0' in text
    assert 'check="checks"' not in text


async def test_metrics_count_by_route_not_by_path(client: httpx.AsyncClient) -> None:
    await client.get("/v1/things", params={"limit": 2})
    await client.get("/no/such/path")
    text = (await client.get("/metrics")).text
    assert (
        'faultline_http_request_duration_seconds_count{method="GET",route="/v1/things",status="200"}' in text
    )
    assert 'route="unrouted",status="404"' in text
    assert "/no/such/path" not in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("DELETE", "/healthz", 405), ("GET", "/v1/teapot", 418)],
)
async def test_every_error_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    problem_of(await client.request(method, path), status)


async def test_a_problem_keeps_its_errors_and_headers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/teapot")
    assert problem_of(answer, 418)["errors"] == [{"pointer": "/spout", "message": "is hot"}]
    assert answer.headers["retry-after"] == "3"
    assert problem_of(await client.get("/v1/wrong"), 422)["errors"] == [
        {"pointer": "/a/b", "message": "is wrong"}
    ]


async def test_a_defect_is_a_500_that_gives_nothing_away(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/defect", headers={"X-Request-Id": "abc-1"})
    problem_of(answer, 500)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "abc-1" in answer.text
    assert answer.headers["x-request-id"] == "abc-1"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "semi;colon"])
async def test_a_malformed_request_id_is_replaced(client: httpx.AsyncClient, sent: str) -> None:
    given = (await client.get("/healthz", headers={"X-Request-Id": sent})).headers["x-request-id"]
    assert given != sent
    assert len(given) == 32


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b'{"number": "one"}', "/number"),
        (b"{}", "/number"),
        (b'{"number":', ""),
        (b"\xff\xfe", ""),
        (b"", ""),
        (b"[]", ""),
    ],
)
async def test_a_bad_body_is_answered_with_the_pointer(
    client: httpx.AsyncClient, content: bytes, pointer: str
) -> None:
    answer = await client.post("/v1/things", content=content, headers={"content-type": "application/json"})
    errors = problem_of(answer, 422)["errors"]
    assert isinstance(errors, list)
    assert [error["pointer"] for error in errors] == [pointer]


async def test_a_body_over_the_limit_is_refused_whether_announced_or_not(client: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 1_000

    large = b'{"number": 1' + b" " * BODY_BYTES_MAX + b"}"
    problem_of(await client.post("/v1/things", content=large), 413)
    problem_of(await client.post("/v1/things", content=parts()), 413)
    fitting = b'{"number": 1' + b" " * (BODY_BYTES_MAX - 13) + b"}"
    assert len(fitting) == BODY_BYTES_MAX
    answer = await client.post("/v1/things", content=fitting, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    answer = await client.post(
        "/v1/stream", content=large, headers={"content-type": "application/octet-stream"}
    )
    assert (answer.status_code, answer.json()) == (200, len(large))


async def test_pages_hold_everything_once(client: httpx.AsyncClient) -> None:
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(10):
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/things", params=params)).json()
        seen += [item["number"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == list(range(7))


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/query/limit"),
        ("limit=501", "/query/limit"),
        ("limit=x", "/query/limit"),
        ("cursor=zz", "/query/cursor"),
        ("cursor=%00", "/query/cursor"),
        ("cursor=é", "/query/cursor"),
        ("cursor=" + paging.encode("text"), "/query/cursor"),
        ("cursor=" + paging.encode(1, 2), "/query/cursor"),
        ("cursor=" + "A" * 2_000, "/query/cursor"),
    ],
)
async def test_a_bad_page_request_is_422(client: httpx.AsyncClient, query: str, pointer: str) -> None:
    errors = problem_of(await client.get(f"/v1/things?{query}"), 422)["errors"]
    assert isinstance(errors, list)
    assert [error["pointer"] for error in errors] == [pointer]


async def test_openapi_shows_errors_as_problem_documents(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    responses = document["paths"]["/v1/things"]["post"]["responses"]
    assert set(responses) == {"200", "default"}
    assert list(responses["default"]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


SERVICE = """
import asyncio, sys
from contextlib import asynccontextmanager
from fastapi import APIRouter
from shared import log
from shared.http.app import create_app, request_stop, serve
from shared.settings import ServiceSettings

settings = ServiceSettings()
log.configure("try", "try-1", settings.log_level)
router = APIRouter()

@router.get("/slow")
async def slow() -> str:
    print("in hand", flush=True)
    await app.state.stopping.wait()
    await asyncio.sleep(0.05)
    return "done"

@router.post("/fail")
async def fail() -> None:
    request_stop(app, OSError("the worker died"))

@asynccontextmanager
async def lifespan(app):
    yield
    print("closed", flush=True)

async def ready():
    return {}

app = create_app("try", settings=settings, readiness=ready, routers=[router], lifespan=lifespan)
serve(app, settings)
print("returned", flush=True)
"""


@pytest.fixture
async def process() -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A served application in a process of its own, and its address."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(SERVICE),
        cwd=REPOSITORY,
        env={**os.environ, "FAULTLINE_HTTP_PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stderr is not None
    try:
        line = json.loads(await asyncio.wait_for(running.stderr.readline(), 30))
        assert line["event"] == "listening"
        yield running, line["url"]
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def test_sigterm_finishes_what_is_in_hand_and_returns(
    process: tuple[asyncio.subprocess.Process, str],
) -> None:
    running, url = process
    assert running.stdout is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = asyncio.create_task(client.get(f"{url}/slow"))
        assert await asyncio.wait_for(running.stdout.readline(), 10) == b"in hand\n"
        running.send_signal(signal.SIGTERM)
        assert (await asyncio.wait_for(answer, 10)).json() == "done"
    assert await asyncio.wait_for(running.wait(), 10) == 0
    assert (await running.stdout.read()).splitlines() == [b"closed", b"returned"]


async def test_a_failure_stops_the_server_and_is_raised(
    process: tuple[asyncio.subprocess.Process, str],
) -> None:
    running, url = process
    assert running.stderr is not None
    assert running.stdout is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(f"{url}/fail")
    assert await asyncio.wait_for(running.wait(), 10) == 1
    assert b"OSError: the worker died" in await running.stderr.read()
    assert (await running.stdout.read()).splitlines() == [b"closed"]
