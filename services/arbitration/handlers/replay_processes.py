"""The processes that work on replays, one child for each place: a replay's CPU must not hold the service's heartbeats up."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.arbitration.settings import ArbitrationSettings
from services.arbitration.store import replays
from shared import metrics
from shared.bus.transient import TRANSIENT, unless_cancelled
from shared.bus.waiting import wait_at_most

log = structlog.get_logger(__name__)

WORKER: Final = "services.arbitration.replay_worker"
_RETRY_S: Final = 5.0

_failures = metrics.counter(
    "replay_process_failures", "Processes working on replays that ended with an error.", "count"
)


class ReplayProcesses:
    """Starts a child where there is something to replay; it ends by itself when all is done."""

    def __init__(self, settings: ArbitrationSettings, engine: AsyncEngine) -> None:
        self._settings = settings
        self._engine = engine
        self._asked = [asyncio.Event() for _ in range(settings.replay_workers)]

    def wake(self) -> None:
        """A replay was asked for: look now."""
        for asked in self._asked:
            asked.set()

    async def run(self, place: int) -> None:
        """Keep the child of place `place` while there is work, until cancelled; then it is killed, between chunks or within."""
        asked = self._asked[place]
        while True:
            asked.clear()
            try:
                if await replays.any_unfinished(self._engine):
                    await self._work(place)
            except TRANSIENT as error:
                unless_cancelled(error)
                log.warning("replays wait", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(_RETRY_S)
            await wait_at_most(asked, self._settings.replay_poll_ms / 1000)

    async def _work(self, place: int) -> None:
        """Run one child to its end."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", WORKER, str(place), stdin=PIPE, stdout=DEVNULL
        )
        try:
            await self._tell(child)
            code = await child.wait()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if code:
            _failures.inc()
            log.error("replay process died", exit_code=code)
            await asyncio.sleep(_RETRY_S)

    async def _tell(self, child: Process) -> None:
        """Hand the settings over, past the list of processes. The pipe stays open: its end is the child's."""
        assert child.stdin is not None
        child.stdin.write(self._settings.model_dump_json(exclude={"operator_key"}).encode() + b"\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await child.stdin.drain()
