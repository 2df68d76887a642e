"""What the integration tests have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.settings import ServiceSettings
from tests.support.arbitration import STREAM_EVENTS_MAX, Arbitration, arbitration
from tests.support.fresh import fresh
from tests.support.intake import IntakeProcess
from tests.support.moved import Moved, own_notify
from tests.support.parts import Parts
from tests.support.registry import Copy


@pytest.fixture(scope="session")
def kafka_settings(parts: Parts) -> ServiceSettings:
    """Settings of a service that has the real broker and nothing else."""
    return ServiceSettings(kafka_bootstrap_servers=parts.bootstrap_servers)


@pytest.fixture(scope="module")
async def hub(parts: Parts) -> AsyncIterator[Arbitration]:
    """Arbitration in this process, on a database of its own, fed by publishing straight to its topics."""
    name, url = parts.create_database("arbitration")
    async with arbitration(parts.bootstrap_servers, url, stream_events_max=STREAM_EVENTS_MAX) as running:
        await running.caught_up()
        yield running
    parts.drop_database(name)


@pytest.fixture(scope="module")
def clock_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The moves of the clock that `copies` follow."""
    return tmp_path_factory.mktemp("clock") / "clock.json"


@pytest.fixture(scope="module")
async def copies(parts: Parts, clock_file: Path) -> AsyncIterator[tuple[Copy, Copy]]:
    """Two copies of intake, each a process of its own, both ready."""
    processes = [
        IntakeProcess(parts.bootstrap_servers, instance=name, clock_file=clock_file)
        for name in ("intake-1", "intake-2")
    ]
    await asyncio.gather(*(process.start() for process in processes))
    yield Copy(processes[0].client), Copy(processes[1].client)
    await asyncio.gather(*(process.close() for process in processes))


@pytest.fixture(scope="module")
async def moved_notify(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Moved]:
    """Notify with a database of its own and a clock that tests move."""
    name, url = parts.create_database("notify")
    async with own_notify(
        parts, url, tmp_path_factory.mktemp("clock"), FAULTLINE_REMINDER_POLL_MS="50"
    ) as made:
        await made.notify.start()
        yield made
    parts.drop_database(name)


@pytest.fixture
def moved(moved_notify: Moved) -> Moved:
    """A network of this test alone, told of by `moved_notify`."""
    return Moved(moved_notify.notify, moved_notify.clock_file)


@pytest.fixture
def network() -> str:
    """A network of this test alone."""
    return f"n{fresh(10)}"
