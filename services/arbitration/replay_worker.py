"""A process that works on replays until none is left: `python -m services.arbitration.replay_worker`.

Arbitration starts it and writes its own settings to standard input, as one line of JSON. When that pipe ends, however
the service ended, so does this process; the chunk in hand is rolled back.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from io import RawIOBase
from typing import Final

from services.arbitration.domain import load_rulebooks
from services.arbitration.facts import FactBook
from services.arbitration.handlers.replaying import Replaying
from services.arbitration.settings import ArbitrationSettings
from shared import log
from shared.clock import Clock
from shared.db import create_engine

_NICENESS: Final = 5
"""Verdicts go before replays where both want the CPU."""


async def work(settings: ArbitrationSettings) -> None:
    """Work on replays until none is unfinished."""
    engine = create_engine(settings.model_copy(update={"database_pool_size": 2}))
    clock = Clock(settings.clock_file)
    try:
        await Replaying(settings, engine, clock, FactBook(engine), load_rulebooks()).run()
    finally:
        await engine.dispose()


def main() -> None:
    """Take the settings from standard input and work."""
    # Unbuffered: a buffer's lock, held by the thread that goes on reading, is fatal at exit.
    with open(0, "rb", buffering=0, closefd=False) as service:
        settings = ArbitrationSettings.model_validate_json(service.readline())
        threading.Thread(target=_end_with, args=(service,), daemon=True).start()
        _run(settings)


def _run(settings: ArbitrationSettings) -> None:
    name = f"{settings.instance or 'arbitration'}-replay-{sys.argv[1]}"
    settings = settings.model_copy(update={"instance": name})
    log.configure("arbitration", name, settings.log_level)
    os.nice(_NICENESS)
    asyncio.run(work(settings))


def _end_with(service: RawIOBase) -> None:
    """End when the service does: after its line of settings the pipe is silent as long as it lives."""
    service.read()
    # At once: whatever is in hand rolls back, and a loop that judges hears no signal.
    os._exit(0)


if __name__ == "__main__":
    main()
