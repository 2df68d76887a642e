"""A whole stack for end-to-end tests: every service a supervised process, on free ports, in a directory of its own."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from faultline.stack import control
from faultline.stack.control import Request
from faultline.stack.layout import Layout
from faultline.stack.settings import SERVICES
from faultline.stack.state import Home, Plan
from shared.clock import Clock, advance
from tests.support.bus import WAIT_S
from tests.support.parts import Parts, engine_answers, running_parts, small_machine, temporary_home

_POLL_S = 0.05
_TROUBLE = re.compile(r'"level": "(?:error|critical)"|process died')
_TROUBLES_MAX = 10


@dataclass
class Stack:
    """A running stack, as a test sees it."""

    home: Home
    operator_key: str

    @property
    def urls(self) -> dict[str, str]:
        """The address of every process by its name, second copies included."""
        return {row["name"]: row["url"] for row in self.status()["services"]}

    @property
    def bootstrap_servers(self) -> str:
        return self._layout().bootstrap_servers

    @property
    def headers(self) -> dict[str, str]:
        """The operator's authorization."""
        return {"Authorization": f"Bearer {self.operator_key}"}

    def database_url(self, role: str) -> str:
        """The database for a role (a service, or `postgres`)."""
        return self._layout().database_url(role)

    def now(self) -> datetime:
        """The time that the services see."""
        return Clock(self.home.clock_file).now()

    def advance_clock(self, by: timedelta) -> datetime:
        """Move the clock of all services forward, and return what it shows then."""
        with self.home.locked():
            advance(self.home.clock_file, by)
        return self.now()

    def status(self) -> dict[str, Any]:
        """What `faultline status --json` prints."""
        return control.status(self.home)

    def part(self, name: str) -> dict[str, Any]:
        """The status of one process."""
        document = self.status()
        rows = [*document["services"], document["broker"], document["database"]]
        return next(row for row in rows if row["name"] == name)

    def errors(self) -> str:
        """The last errors and restarts in the log of every process."""
        lines: list[str] = []
        for path in sorted(self.home.logs.glob("*.jsonl")):
            found = [line for line in path.read_text(errors="replace").splitlines() if _TROUBLE.search(line)]
            lines += [f"{path.stem}: {line}" for line in found[-_TROUBLES_MAX:]]
        return "\n".join(lines)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a process (a name as in the status) and return its pid."""
        pid = self.part(name)["pid"]
        if pid is None:
            raise AssertionError(f"{name} does not run")
        os.kill(pid, number)
        return int(pid)

    def wait_up(
        self, name: str, *, other_than_pid: int | None = None, timeout_s: float = WAIT_S
    ) -> dict[str, Any]:
        """Wait until a process is up (again, as another process than `other_than_pid`)."""
        return self.wait_for(
            name, lambda row: row["state"] == "up" and row["pid"] != other_than_pid, timeout_s=timeout_s
        )

    def wait_for(
        self, name: str, condition: Callable[[dict[str, Any]], bool], *, timeout_s: float = WAIT_S
    ) -> dict[str, Any]:
        """Wait until the status of a process meets a condition; AssertionError with the last one if it never does."""
        limit_s = time.monotonic() + timeout_s
        while not condition(row := self.part(name)):
            if time.monotonic() > limit_s:
                raise AssertionError(f"{name} after {timeout_s} s: {row}")
            time.sleep(_POLL_S)
        return row

    def scale(self, service: str, copies: int) -> None:
        """Run so many copies of a service from now on."""
        control.up(self.home, Request(copies={service: copies}))

    def _layout(self) -> Layout:
        return Layout(self.home, Plan.load(self.home))


@contextmanager
def running_stack(
    copies: Mapping[str, int] | None = None, parts: tuple[str, ...] = ("broker", "database", *SERVICES)
) -> Iterator[Stack]:
    """Bring a stack up in a directory of its own, and take it down with its data at the end."""
    with ExitStack() as stack:
        stack.enter_context(small_machine())
        external = _external(stack.enter_context(running_parts())) if engine_answers() else {}
        home = stack.enter_context(temporary_home())
        started = control.up(
            home, Request(parts=parts, copies=copies or {}, any_ports=True, external=external)
        )
        yield Stack(home, started.secrets.operator_key)


def _external(parts: Parts) -> dict[str, str]:
    return {"broker": parts.bootstrap_servers, "database": parts.superuser_url}
