"""The supervisor: one process that keeps the parts of a stack running, and says in `status.json` how they are.

It starts what the plan names, starts again what dies (later and later if it dies at once), and on SIGTERM stops the
services first, then the broker and the database. SIGHUP makes it read the plan again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from faultline.stack.layout import Layout
from faultline.stack.processes import Identity
from faultline.stack.state import Home, Plan, read_json, write_json
from faultline.stack.unit import Unit
from shared import log

_STOP_ORDER = (("service",), ("broker", "database"))


class Supervisor:
    """Keeps the units of one home running. `run` returns when everything has been stopped."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._me = Identity.of(os.getpid())
        self._units: dict[str, Unit] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._log = log.get(__name__)

    async def run(self) -> None:
        """Supervise until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        await asyncio.to_thread(stop_leftovers, self._home)
        self._publish()
        try:
            while not self._stop.is_set():
                self._reload.clear()
                await self._follow_plan()
                await _first_of(self._stop, self._reload)
        finally:
            await self._stop_all()
            self._home.status_file.unlink(missing_ok=True)

    async def _follow_plan(self) -> None:
        wanted = {unit.name: unit for unit in Layout(self._home, Plan.load(self._home)).units(self._publish)}
        await asyncio.gather(*(self._stop_unit(name) for name in set(self._units) - set(wanted)))
        for name, unit in wanted.items():
            if name not in self._units:
                self._units[name] = unit
                self._tasks[name] = asyncio.create_task(unit.keep_running(), name=name)
        self._publish()

    async def _stop_unit(self, name: str) -> None:
        unit, task = self._units[name], self._tasks.pop(name)
        await unit.stop()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        del self._units[name]
        self._publish()

    async def _stop_all(self) -> None:
        for kinds in _STOP_ORDER:
            names = [unit.name for unit in self._units.values() if unit.kind in kinds]
            self._log.info("stopping", parts=names)
            await asyncio.gather(*(self._stop_unit(name) for name in names))

    def _publish(self) -> None:
        write_json(
            self._home.status_file,
            {
                "supervisor": self._me.as_json(),
                "parts": [unit.as_json() for unit in self._units.values()],
            },
        )


async def _first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def running_supervisor(home: Home) -> Identity | None:
    """The living supervisor of `home`, or None; a status file whose process is gone counts for nothing."""
    status = read_json(home.status_file) or {}
    identity = Identity.read(status.get("supervisor"))
    return identity if identity and identity.alive() else None


def stop_leftovers(home: Home) -> list[str]:
    """Stop the parts that a supervisor which was killed has left running. Returns their names."""
    status = read_json(home.status_file) or {}
    parts = [(str(part["name"]), str(part["kind"]), Identity.read(part)) for part in status.get("parts", [])]
    stopped = []
    for kinds in _STOP_ORDER:
        for name, kind, identity in parts:
            if kind in kinds and identity and identity.alive():
                identity.stop(signal.SIGINT if kind == "database" else signal.SIGTERM, timeout_s=15)
                stopped.append(name)
    return stopped


def main() -> None:
    """`python -m faultline.stack.supervisor`: started by `faultline up`, detached from its terminal."""
    log.configure("supervisor", level=os.environ.get("FAULTLINE_LOG_LEVEL", "INFO"))
    # Its complaints about a broker that is still starting are no news.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(Supervisor(Home(Path(sys.argv[1]))).run())


if __name__ == "__main__":
    main()
