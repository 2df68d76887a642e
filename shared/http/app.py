"""The application that every service is: its probes, metrics, errors, limits and its stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import asdict
from typing import Any, Literal

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from shared import log, metrics
from shared.health import Check
from shared.http import auth, problems
from shared.http.auth import KeyRing
from shared.http.middleware import RequestMiddleware
from shared.settings import ServiceSettings

READINESS_TIMEOUT_S = 3.0
_KEEP_ALIVE_S = 30

__all__ = ["Check", "Lifespan", "Readiness", "create_app", "request_stop", "serve"]

_check_ok = metrics.gauge(
    "check_ok", "Whether a dependency was there when /readyz last asked: 1 or 0.", "state", ("check",)
)
_check_lag = metrics.gauge(
    "check_lag_records",
    "Records of a check's topics that were not worked through yet when /readyz last asked.",
    "records",
    ("check",),
)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


Readiness = Callable[[], Awaitable[Mapping[str, Check]]]


class CheckBody(BaseModel):
    """One dependency in `GET /readyz`."""

    ok: bool
    detail: str
    values: dict[str, int | float]


class ReadyBody(BaseModel):
    """`GET /readyz`: 200 where every check is ok, else 503."""

    status: Literal["ready", "not_ready"]
    service: str
    instance: str
    checks: dict[str, CheckBody]


class AliveBody(BaseModel):
    """`GET /healthz`."""

    status: Literal["alive"]
    service: str
    instance: str


def create_app(
    service: str,
    *,
    settings: ServiceSettings,
    readiness: Readiness,
    routers: Sequence[APIRouter] = (),
    lifespan: Lifespan | None = None,
    keys: KeyRing | None = None,
    unlimited_body_paths: frozenset[str] = frozenset(),
) -> FastAPI:
    """The application of `service` with `routers`, the probes, `/metrics` and `/openapi.json`.

    `readiness` names the dependencies and their state; it is given up after `READINESS_TIMEOUT_S`. `lifespan` is entered
    before the first request and left after the last. `keys` (None: no key is accepted) may also be set by the lifespan, as
    `app.state.keys`; given here, callers can ask whose their key is. Bodies over `settings.http_body_bytes_max` are answered
    413, but on `unlimited_body_paths`, whose handlers bound what they read themselves. `app.state.stopping` is set as soon as the server begins to stop.
    """
    app = _App(
        title=f"Faultline {service}",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        responses={"default": {"description": "An error", "model": problems.ProblemBody}},
    )
    app.state.service = service
    app.state.settings = settings
    app.state.keys = keys
    app.state.stopping = asyncio.Event()
    app.state.failure = None
    problems.install(app)
    app.add_middleware(
        RequestMiddleware, body_bytes_max=settings.http_body_bytes_max, unlimited_paths=unlimited_body_paths
    )
    app.include_router(_probes(service, settings.instance or service, readiness))
    if keys is not None:
        app.include_router(auth.router())
    for router in routers:
        app.include_router(router)
    return app


class _App(FastAPI):
    """FastAPI whose OpenAPI document shows every error as the problem document that it is."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        for path in document["paths"].values():
            for operation in path.values():
                _show_problems(operation["responses"])
        for name in ("HTTPValidationError", "ValidationError"):
            document.get("components", {}).get("schemas", {}).pop(name, None)
        return document


def _show_problems(responses: dict[str, Any]) -> None:
    validation = responses.get("422")
    if validation and "HTTPValidationError" in str(validation.get("content", "")):
        del responses["422"]
    problem = {"schema": {"$ref": "#/components/schemas/ProblemBody"}}
    for status, response in responses.items():
        if status == "default" or status >= "400":
            content = response.setdefault("content", {})
            if content.get("application/json") == problem:
                del content["application/json"]
            # Also where a route answers this status in a form of its own, what stands before the route may answer it.
            content[problems.MEDIA_TYPE] = problem


def _probes(service: str, instance: str, readiness: Readiness) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get("/healthz")
    async def healthz() -> AliveBody:
        """Whether the process answers at all."""
        return AliveBody(status="alive", service=service, instance=instance)

    @router.get(
        "/readyz", response_model=ReadyBody, responses={503: {"model": ReadyBody, "description": "Not ready"}}
    )
    async def readyz() -> JSONResponse:
        """Whether every dependency is there, and how far behind the service is."""
        checks = await _checks(readiness)
        _show_in_metrics(checks)
        ready = all(check.ok for check in checks.values())
        body = {
            "status": "ready" if ready else "not_ready",
            "service": service,
            "instance": instance,
            "checks": {name: asdict(check) for name, check in checks.items()},
        }
        return JSONResponse(body, 200 if ready else 503)

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def prometheus() -> Response:
        """The metrics in Prometheus' text format."""
        return Response(metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})

    return router


def _show_in_metrics(checks: Mapping[str, Check]) -> None:
    # What is not checked any more must not be shown as it was.
    _check_ok.clear()
    _check_lag.clear()
    for name, check in checks.items():
        _check_ok.labels(name).set(check.ok)
        if "lag" in check.values:
            _check_lag.labels(name).set(check.values["lag"])


async def _checks(readiness: Readiness) -> Mapping[str, Check]:
    try:
        async with asyncio.timeout(READINESS_TIMEOUT_S):
            return await readiness()
    except TimeoutError:
        detail = f"The checks took longer than {READINESS_TIMEOUT_S:g} s: a dependency hangs."
    except Exception as error:  # noqa: BLE001 - a probe that raises must say "not ready", whatever went wrong
        log.get(__name__).warning("readiness_failed", exc_info=error)
        detail = f"The checks failed: {type(error).__name__}. The log has the cause."
    return {"checks": Check(False, detail)}


def request_stop(app: FastAPI, failure: BaseException | None = None) -> None:
    """Stop serving `app` as a SIGTERM would; with `failure`, `serve` raises it once all is closed."""
    if failure is not None and app.state.failure is None:
        app.state.failure = failure
    app.state.stopping.set()


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """Serve `app` until SIGTERM or SIGINT, drain, leave its lifespan and return.

    Requests in hand are finished within `settings.shutdown_timeout_ms`, then cancelled. Raises what `request_stop` was
    given; SystemExit where the lifespan fails at start or the port is taken.
    """
    server = _Server(app, settings)
    server.run()
    if app.state.failure is not None:
        raise app.state.failure


class _Server(uvicorn.Server):
    """uvicorn that tells the application when it begins to stop, and does not raise the signal again afterwards."""

    def __init__(self, app: FastAPI, settings: ServiceSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.http_host,
                port=settings.http_port,
                loop="asyncio",
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(1, settings.shutdown_timeout_ms // 1000),
            )
        )
        self._app = app
        self._log = log.get(__name__)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._log.info("listening", url=f"http://{host}:{port}")

    async def on_tick(self, counter: int) -> bool:
        if self._app.state.stopping.is_set():
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.stopping.set()
        await super().shutdown(sockets)
        self._log.info("stopped")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_asked, number)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop_asked(self, number: signal.Signals) -> None:
        self._log.info("stopping", signal=number.name)
        self.handle_exit(number, None)
        self._app.state.stopping.set()
