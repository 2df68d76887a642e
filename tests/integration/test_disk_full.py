"""The broker's disk is full: services stay up and say so, nothing acknowledged is lost, and all goes on when there is space."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from faultline.stack import control
from faultline.stack.control import Request
from tests.support.bus import until
from tests.support.intake import arrival, new_subject
from tests.support.parts import engine_answers, small_machine, temporary_home
from tests.support.stack import Stack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(engine_answers(), reason="a broker in a container has no disk that can be made small"),
]

DISK_MB = 96
LEFT_BYTES = 64 * 1024
SERVICES = ("intake", "arbitration")


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own at `folder`, of `DISK_MB`. Skips the test where nothing may be mounted."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def own() -> Iterator[Stack]:
    """Broker, database, intake and arbitration, with the broker's data on a small disk."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    with ExitStack() as exits:
        exits.enter_context(small_machine())
        home = exits.enter_context(temporary_home())
        exits.enter_context(small_disk(home.broker_dir / "data"))
        exits.callback(control.down, home)
        started = control.up(home, Request(parts=("broker", "database", *SERVICES), any_ports=True))
        yield Stack(home, started.secrets.operator_key)


@pytest.fixture
async def client(own: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(headers=own.headers, timeout=60, trust_env=False) as made:
        yield made


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """No space is left on the disk of `folder` but a little, while entered."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - LEFT_BYTES)
    try:
        yield
    finally:
        filler.unlink()


async def readiness(own: Stack, client: httpx.AsyncClient, service: str) -> tuple[int, bool]:
    """The status of `/readyz`, and whether the broker is there by it."""
    answer = await client.get(f"{own.urls[service]}/readyz")
    return answer.status_code, answer.json()["checks"].get("broker", {"ok": True})["ok"]


async def test_a_full_disk_is_said_survived_and_got_over(own: Stack, client: httpx.AsyncClient) -> None:
    events = f"{own.urls['intake']}/v1/events"
    subject = new_subject()
    acknowledged: list[str] = []
    answers: list[httpx.Response] = []

    async def taken() -> bool:
        """Send another event; whether it was taken."""
        event = arrival(subject, note="x" * 16_000)
        answers[:] = [await client.post(events, json=event, headers=_SINGLE)]
        if answers[0].status_code == 202:
            acknowledged.append(event["id"])
        return answers[0].status_code == 202

    async def refused() -> bool:
        return not await taken()

    await until(taken, "an event is taken while there is space")
    pids = {name: own.part(name)["pid"] for name in SERVICES}
    broker_pid = own.part("broker")["pid"]
    with filled(own.home.broker_dir / "data"):
        await until(refused, "intake refuses what the broker cannot keep")
        assert answers[0].status_code == 503
        assert answers[0].json()["title"] == "Broker away"
        assert int(answers[0].headers["retry-after"]) >= 1
        for service in SERVICES:

            async def named(service: str = service) -> bool:
                return await readiness(own, client, service) == (503, False)

            await until(named, f"{service} says that the broker is away")
            assert (await client.get(f"{own.urls[service]}/healthz")).status_code == 200
        # What is known can still be read.
        assert (await client.get(f"{own.urls['arbitration']}/v1/cases?limit=1")).status_code == 200
    await asyncio.to_thread(own.wait_up, "broker", other_than_pid=broker_pid)
    await until(taken, "events are taken again")
    for service in SERVICES:

        async def ready(service: str = service) -> bool:
            return await readiness(own, client, service) == (200, True)

        await until(ready, f"{service} is ready again")

    async def known() -> set[str]:
        answer = await client.get(f"{own.urls['arbitration']}/v1/cases/{subject}/events?limit=500")
        return {event["id"] for event in answer.json()["items"]} if answer.status_code == 200 else set()

    async def all_known() -> bool:
        return await known() >= set(acknowledged)

    await until(all_known, lambda: f"{len(acknowledged)} acknowledged events are journalled")
    # Nothing else died: the same processes as before.
    assert {name: own.part(name)["pid"] for name in SERVICES} == pids


_SINGLE = {"Content-Type": "application/cloudevents+json"}
