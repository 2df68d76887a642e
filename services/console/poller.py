"""One poller for all who look at operations: it asks the services while somebody looks, and remembers some minutes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import structlog

from services.console.peers import Name, Part, Services, part
from services.console.settings import ConsoleSettings
from services.console.vitals import Process, Sample, State, counters_of, rates_between, stuck_between
from shared.clock import Clock
from shared.http.peers import PeerError

log = structlog.get_logger(__name__)

CONSUMING: Final[tuple[Name, ...]] = ("arbitration", "penalties", "notify")
_NOTICES_MAX: Final = 50
_SLOW_EVERY: Final = 8
"""What changes slowly or costs more is asked in every so many polls."""
_PATIENCE_S: Final = 4.0
_GAP_S: Final = 60.0
"""Nothing is said of a time in which nobody looked."""


class Full(Exception):
    """As many look on as the settings allow."""


class Poller:
    """Samples of the services, the newest last. Every viewer must have the scope `admin`: all see the same.

    It asks with the key of one of those who look, and stops when nobody does. What is older than the memory is forgotten.
    """

    def __init__(self, settings: ConsoleSettings, services: Services, clock: Clock) -> None:
        self._services = services
        self._clock = clock
        self._interval_s = settings.operations_poll_ms / 1000
        self._viewers_max = settings.operations_viewers_max
        self.samples: deque[Sample] = deque(maxlen=settings.operations_samples_max)
        self._keys: dict[object, str] = {}
        self._one_at_a_time = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._polls = 0

    async def latest(self, key: str) -> Sample:
        """The newest sample, asked for now where the last one is old. Raises PeerError (401) where the key is refused."""
        async with self._one_at_a_time:
            if not self.samples or time.monotonic() - self.samples[-1].seconds > self._interval_s:
                await self._poll(key)
            return self.samples[-1]

    @asynccontextmanager
    async def looking(self, key: str) -> AsyncIterator[Callable[[], bool]]:
        """Keep asking for as long as the context lasts; what it gives says whether the key is still good. Raises Full."""
        if len(self._keys) >= self._viewers_max:
            raise Full
        me = object()
        self._keys[me] = key
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield lambda: me in self._keys
        finally:
            self._keys.pop(me, None)

    async def wait(self, seen: float, timeout_s: float) -> Sample | None:
        """The first sample after the one of `seen`; None where none comes in time."""
        async with self._changed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait_for(
                        lambda: bool(self.samples) and self.samples[-1].seconds > seen
                    )
                    return self.samples[-1]
        return None

    def rates(self) -> list[tuple[float, dict[str, float]]]:
        """`(seconds before the newest sample, rates)` between every two samples, the newest last."""
        newest = self.samples[-1].seconds if self.samples else 0.0
        return [
            (newest - later.seconds, rates_between(earlier, later))
            for earlier, later in pairwise(self.samples)
            if later.seconds - earlier.seconds <= _GAP_S
        ]

    def stuck(self, least_s: float = 60.0) -> list[tuple[str, str]]:
        """(service, topic) of which records wait and nothing has moved for so long."""
        newest = self.samples[-1] if self.samples else None
        old = next(
            (one for one in reversed(self.samples) if newest and newest.seconds - one.seconds >= least_s),
            None,
        )
        return stuck_between(old, newest) if old is not None and newest is not None else []

    async def _run(self) -> None:
        while self._keys:
            me, key = next(iter(self._keys.items()))
            async with self._one_at_a_time:
                try:
                    await self._poll(key)
                except PeerError as error:
                    log.warning("key refused", error=str(error))
                    self._keys.pop(me, None)
            await asyncio.sleep(self._interval_s)

    async def _poll(self, key: str) -> None:
        processes, parts, failed = await asyncio.gather(
            asyncio.gather(*(self._process(*one) for one in self._services.processes())),
            asyncio.gather(*(self._backlog(key, name) for name in CONSUMING)),
            self._failed_notices(key),
        )
        backlogs: dict[str, Any] = {name: found.value for name, found in zip(CONSUMING, parts, strict=True)}
        console = Process("console", "console", None, "ready")
        sample = Sample(self._clock.now(), time.monotonic(), [*processes, console], backlogs)
        if failed is None:
            last = self.samples[-1] if self.samples else None
            if last is not None:
                sample = replace(
                    sample, failed_notices=last.failed_notices, failed_notices_more=last.failed_notices_more
                )
        elif failed.value is not None:
            page = failed.value
            sample = replace(
                sample, failed_notices=page["items"], failed_notices_more=page["next"] is not None
            )
        self.samples.append(sample)
        async with self._changed:
            self._changed.notify_all()

    async def _backlog(self, key: str, name: Name) -> Part:
        return await self._soon(self._services.get(key, name, "/v1/backlog"))

    async def _soon(self, document: Awaitable[Any]) -> Part:
        """One service that hangs must not keep the others from being shown."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await part(document)
        except TimeoutError:
            return Part()

    async def _failed_notices(self, key: str) -> Part | None:
        self._polls += 1
        if self._polls % _SLOW_EVERY != 1:
            return None
        return await part(
            self._services.get(key, "notify", "/v1/notices", state="failed", limit=_NOTICES_MAX)
        )

    async def _process(self, name: str, service: str, url: str) -> Process:
        said = await self._services.vitals(url)
        if said is None:
            return Process(name, service, url, "away")
        ready, metrics = said
        state: State = "ready" if ready["status"] == "ready" else "not_ready"
        return Process(name, service, url, state, ready["checks"], counters_of(metrics))
