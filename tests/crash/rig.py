"""The stack under test: what it is started with, and how its processes are killed, frozen and awaited."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import psutil

from faultline.stack.settings import SERVICES
from tests.support.stack import Stack, running_stack

SESSION_TIMEOUT_S: Final = 3.0
"""Kafka's session time-out of every consumer here: the least that the broker of the stack allows."""
_SETTINGS: Final[Mapping[str, str]] = {
    # Containers cannot be killed one process at a time.
    "FAULTLINE_TEST_PARTS": "processes",
    "FAULTLINE_SESSION_TIMEOUT_MS": str(int(SESSION_TIMEOUT_S * 1000)),
    "FAULTLINE_SETTLE_MS": "400",
    "FAULTLINE_DELIVERY_TIMEOUT_MS": "2000",
    "FAULTLINE_RESTART_BACKOFF_LONGEST_MS": "1000",
    "FAULTLINE_DELIVERY_LEASE_MS": "3000",
    "FAULTLINE_DELIVERY_SLOW_MS": "500",
    "FAULTLINE_WEBHOOK_TIMEOUT_MS": "2000",
    "FAULTLINE_DELIVERY_PAUSE_MIN_MS": "50",
    "FAULTLINE_DELIVERY_PAUSE_FIRST_MS": "200",
    "FAULTLINE_DELIVERY_PAUSE_MAX_MS": "1000",
    "FAULTLINE_DELIVERY_BROKEN_PAUSE_MS": "500",
}
"""Operating settings that make faults short. What verdicts, money and notices say does not depend on them."""
WAIT_UP_S: Final = 120.0
_POLL_S: Final = 0.05


@contextmanager
def settings() -> Iterator[None]:
    """The environment of a crash test's stack; the caller's own variables win."""
    added = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    os.environ.update(added)
    # That the broker is away is no news here.
    client = logging.getLogger("aiokafka")
    level = client.level
    client.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        client.setLevel(level)
        for name in added:
            del os.environ[name]


@contextmanager
def crash_stack(
    copies: Mapping[str, int] | None = None, services: Sequence[str] = SERVICES
) -> Iterator[Stack]:
    """A whole stack in a directory of its own, taken down with its data at the end."""
    with settings(), running_stack(copies=copies, parts=("broker", "database", *services)) as stack:
        yield stack


def all_parts(stack: Stack) -> list[str]:
    """Every process of the stack by name."""
    return ["broker", "database", *(row["name"] for row in stack.status()["services"])]


def pid_of(stack: Stack, name: str) -> int:
    """The process of a part. AssertionError where it does not run."""
    pid = stack.part(name)["pid"]
    if pid is None:
        raise AssertionError(f"{name} does not run: the stack has not recovered from an earlier fault.")
    return int(pid)


def kill(stack: Stack, name: str) -> int:
    """SIGKILL a part with all its children, as when the machine takes it away. Returns its pid."""
    pid = pid_of(stack, name)
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    return pid


def freeze(stack: Stack, name: str) -> int:
    """SIGSTOP a part: it goes on believing what it believed. Returns its pid."""
    pid = pid_of(stack, name)
    os.kill(pid, signal.SIGSTOP)
    return pid


def thaw(pid: int) -> None:
    """SIGCONT what `freeze` has stopped."""
    os.kill(pid, signal.SIGCONT)


async def wait_up(stack: Stack, name: str, *, other_than_pid: int | None = None) -> None:
    """Wait until a part answers again, as another process than `other_than_pid`."""
    await asyncio.to_thread(stack.wait_up, name, other_than_pid=other_than_pid, timeout_s=WAIT_UP_S)
