"""One supervised process: started, watched until it answers, started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import psutil

from faultline.stack.logs import fold_first_words, fold_last_words, rotate
from faultline.stack.processes import Identity, isolation, kill_group
from faultline.stack.settings import StackSettings
from shared import log

State = Literal["up", "starting", "down"]
Kind = Literal["service", "broker", "database"]

_READY_POLL_S = 0.1
_READY_POLL_LONGEST_S = 1.0
_STEADY_AFTER_S = 20.0
"""A process that ran so long did not die at once: the next restart is immediate again."""


class Unit:
    """A process with a name, and what is known about it. `changed` is called at every change of state."""

    def __init__(
        self,
        name: str,
        kind: Kind,
        command: list[str],
        *,
        log_file: Path,
        env: Mapping[str, str],
        cwd: Path,
        ready: Callable[[], Awaitable[bool]],
        url: str,
        settings: StackSettings,
        changed: Callable[[], None],
        user: str | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.url = url
        self.state: State = "starting"
        self.restarts = 0
        self._command = command
        self._log_file = log_file
        self._env = dict(env)
        self._cwd = cwd
        self._ready = ready
        self._settings = settings
        self._changed = changed
        self._user = user
        self._process: Process | None = None
        self._identity: Identity | None = None
        self._failures = 0
        self._exit_code: int | None = None
        self._last_words = ""
        self._stopping = False
        self._log = log.get(__name__, part=name)

    def as_json(self) -> dict[str, Any]:
        """What the status file says of it; `pid` and `started` are null while no process lives."""
        return {
            "name": self.name,
            "kind": self.kind,
            "pid": self._identity.pid if self._identity else None,
            "started": self._identity.started if self._identity else None,
            "url": self.url,
            "state": self.state,
            "restarts": self.restarts,
            "failures": self._failures,
            "exit_code": self._exit_code,
            "last_words": self._last_words,
        }

    async def keep_running(self) -> None:
        """Start it, and again each time it ends, until `stop`."""
        while not self._stopping:
            began_s = time.monotonic()
            await self._run_once()
            if self._stopping:
                return
            lasted_s = time.monotonic() - began_s
            self._failures = 1 if lasted_s >= _STEADY_AFTER_S else self._failures + 1
            self.restarts += 1
            self._set("down")
            wait_s = self._backoff_s()
            self._log.warning(
                "process died", exit_code=self._exit_code, lasted_s=round(lasted_s, 1), restart_in_s=wait_s
            )
            await asyncio.sleep(wait_s)

    async def stop(self) -> None:
        """End it for good: politely first, by SIGKILL after the time-out of the settings."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            # PostgreSQL: SIGINT ends sessions and stops, SIGTERM would wait for them.
            process.send_signal(signal.SIGINT if self.kind == "database" else signal.SIGTERM)
            # One that was frozen cannot hear anything.
            process.send_signal(signal.SIGCONT)
        try:
            await asyncio.wait_for(process.wait(), self._settings.stop_timeout_ms / 1000)
        except TimeoutError:
            self._log.warning("did not stop in time: killed", timeout_ms=self._settings.stop_timeout_ms)
            kill_group(process.pid)
            await process.wait()

    async def _run_once(self) -> None:
        rotate(self._log_file)
        try:
            with self._log_file.open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdout=output,
                    stderr=output,
                    env=self._env,
                    cwd=self._cwd,
                    **isolation(self._user),
                )
        except OSError as error:
            self._exit_code, self._last_words = None, str(error)
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            self._identity = Identity.of(self._process.pid)
        # Who died before it was ever ready stays `down` until it is.
        self._set("starting" if self._failures == 0 or self.state == "up" else "down")
        watch = asyncio.create_task(self._watch_ready())
        try:
            self._exit_code = await self._process.wait()
        finally:
            watch.cancel()
        self._identity = None
        self._last_words = fold_last_words(self._log_file, self.name, self._exit_code)[-2000:]

    async def _watch_ready(self) -> None:
        poll_s = _READY_POLL_S
        while not await self._ready():
            await asyncio.sleep(poll_s)
            poll_s = min(poll_s * 1.1, _READY_POLL_LONGEST_S)
        self._failures = 0
        if self.kind == "database":
            # It logs to a file of its own by now.
            fold_first_words(self._log_file, self.name)
        self._set("up")

    def _backoff_s(self) -> float:
        first_ms, longest_ms = self._settings.restart_backoff_ms, self._settings.restart_backoff_longest_ms
        return float(min(longest_ms, first_ms * 2 ** min(16, self._failures - 1))) / 1000

    def _set(self, state: State) -> None:
        self.state = state
        self._changed()
