"""Processes known by pid and start time: a pid alone may by now belong to somebody else."""

from __future__ import annotations

import os
import pwd
import random
import signal
import socket
import subprocess
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypedDict

import psutil

_START_TOLERANCE_S = 0.05
_OWN_PORTS = range(20_000, 32_000)


@dataclass(frozen=True)
class Identity:
    """One process of this machine. `started` is its start in seconds since the epoch."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Identity:
        """The process that has `pid` now. Raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def read(cls, raw: Any) -> Identity | None:
        """What `as_json` wrote; None for anything else."""
        try:
            return cls(int(raw["pid"]), float(raw["started"]))
        except (KeyError, TypeError, ValueError):
            return None

    def as_json(self) -> dict[str, float]:
        return {"pid": self.pid, "started": self.started}

    def process(self) -> psutil.Process | None:
        """The living process, or None if it is gone, a zombie, or its pid now is another's."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _START_TOLERANCE_S
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def alive(self) -> bool:
        return self.process() is not None

    def stop(self, stop_signal: signal.Signals, timeout_s: float) -> bool:
        """Ask by `stop_signal`, after `timeout_s` kill. True if it went by itself."""
        process = self.process()
        if process is None:
            return True
        try:
            process.send_signal(stop_signal)
            process.wait(timeout_s)
        except psutil.NoSuchProcess:
            return True
        except psutil.TimeoutExpired:
            kill_group(self.pid)
            return False
        return True


def kill_group(pid: int) -> None:
    """SIGKILL a process that leads its own group, with its children."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class Isolation(TypedDict):
    """How every process of the stack is started: see `isolation`."""

    stdin: int
    user: str | None
    group: int | None
    extra_groups: list[str] | None
    start_new_session: bool


def isolation(user: str | None = None) -> Isolation:
    """Arguments of `subprocess`: a session of its own, nothing inherited, optionally as another user (needs root).

    Nothing of the starter's terminal or pipes goes on living, so that `make demo | tee` ends when make does.
    """
    return Isolation(
        stdin=subprocess.DEVNULL,
        user=user,
        group=gid_of(user) if user else None,
        extra_groups=[] if user else None,
        start_new_session=True,
    )


def gid_of(user: str) -> int:
    """The main group of a system user. Raises KeyError for an unknown one."""
    return pwd.getpwnam(user).pw_gid


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on `host:port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """`count` different ports that are free now.

    Below the range from which the system takes ports for outgoing connections: else such a connection could sit on the
    port of a service that is just being restarted.
    """
    candidates = random.sample(_OWN_PORTS, k=len(_OWN_PORTS))
    return list(islice(filter(port_is_free, candidates), count))


def port_holder(port: int) -> str:
    """Who listens on `port`, as far as this user may know: `java (pid 12)`, else `another process`."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        connections = []
    for connection in connections:
        local = connection.laddr
        if local and local.port == port and connection.status == psutil.CONN_LISTEN and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.NoSuchProcess:
                break
    return "another process"
