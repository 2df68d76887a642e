"""The stack's directory: what it remembers between two commands, and who is allowed to read it.

Everything lies under `.faultline/` of the project, or under `FAULTLINE_HOME`: two homes are two stacks that know nothing
of one another.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import FaultlineError

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Home:
    """The directory of one stack, and the names of the files in it."""

    root: Path

    @classmethod
    def find(cls) -> Home:
        """The home that this command is about: `FAULTLINE_HOME`, else `.faultline` in the project."""
        given = os.environ.get("FAULTLINE_HOME")
        return cls(Path(given).expanduser().resolve() if given else PROJECT_ROOT / ".faultline")

    @property
    def plan_file(self) -> Path:
        """What is to run, on which ports: written by `up`, read by the supervisor."""
        return self.root / "plan.json"

    @property
    def status_file(self) -> Path:
        """What runs: written by the supervisor at every change."""
        return self.root / "status.json"

    @property
    def secrets_file(self) -> Path:
        return self.root / "secrets.json"

    @property
    def clock_file(self) -> Path:
        return self.root / "clock.json"

    @property
    def sample_file(self) -> Path:
        """Which sample the demo has loaded here, or began to."""
        return self.root / "sample.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def broker_dir(self) -> Path:
        return self.root / "broker"

    @property
    def database_dir(self) -> Path:
        return self.root / "database"

    def log_of(self, name: str) -> Path:
        """The log of one process, JSON lines."""
        return self.logs / f"{name}.jsonl"

    def create(self) -> None:
        """Make the directories. Raises FaultlineError where that is impossible (read-only, no disk)."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FaultlineError(
                f"Cannot write the stack's directory {self.root}: {error.strerror}.",
                cause="the disk is full or read-only, or the directory belongs to another user.",
                remedy="free some space, or set FAULTLINE_HOME to a directory of yours.",
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the stack against other `up`, `down` and `reset` commands; waits for the one at work."""
        self.create()
        with (self.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@dataclass
class Plan:
    """What is to run. `copies` names services with more than one; ports are chosen, never 0.

    `external` has the address of a `broker` (bootstrap servers) or `database` (URL of a superuser) that somebody else
    runs, a container for instance: such a part is used, not started.
    """

    ports: dict[str, int] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    copies: dict[str, int] = field(default_factory=dict)
    external: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, home: Home) -> Plan:
        """The plan of the last `up`; an empty one before the first."""
        raw = read_json(home.plan_file) or {}
        return cls(
            ports={str(name): int(port) for name, port in raw.get("ports", {}).items()},
            parts=[str(part) for part in raw.get("parts", [])],
            copies={str(name): int(count) for name, count in raw.get("copies", {}).items()},
            external={str(name): str(address) for name, address in raw.get("external", {}).items()},
        )

    def save(self, home: Home) -> None:
        """Write the plan so that a reader sees the old or the new one, never half of it."""
        write_json(home.plan_file, asdict(self), mode=0o600)


@dataclass(frozen=True)
class Secrets:
    """Passwords of the database's roles and the operator's key. Only the owner may read the file."""

    operator_key: str
    superuser_password: str
    role_passwords: dict[str, str]

    @classmethod
    def load_or_create(cls, home: Home, roles: tuple[str, ...]) -> Secrets:
        """The stack's secrets, made at the first start; `FAULTLINE_OPERATOR_KEY` wins over the stored key."""
        raw = read_json(home.secrets_file) or {}
        passwords = dict(raw.get("role_passwords", {}))
        for role in roles:
            passwords.setdefault(role, secrets.token_urlsafe(24))
        stored = cls(
            operator_key=os.environ.get("FAULTLINE_OPERATOR_KEY")
            or raw.get("operator_key")
            or f"flt_op_{secrets.token_urlsafe(24)}",
            superuser_password=raw.get("superuser_password") or secrets.token_urlsafe(24),
            role_passwords=passwords,
        )
        if vars(stored) != raw:
            write_json(home.secrets_file, vars(stored), mode=0o600)
        return stored


def read_json(file: Path) -> Any:
    """The JSON of `file`; None where there is no such file or it is not JSON (a torn copy of somebody's)."""
    try:
        return json.loads(file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def write_json(file: Path, value: object, *, mode: int = 0o644) -> None:
    """Replace `file` by `value` in one step."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(value, stream, indent=1)
    fresh.replace(file)
