"""A real broker and a real database for a test session: containers where an engine answers, else processes."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from faultline.stack import control
from faultline.stack.control import Request
from faultline.stack.layout import Layout
from faultline.stack.postgres import SUPERUSER, create_database, psql
from faultline.stack.settings import DATABASE_ROLES
from faultline.stack.state import Home, Plan

KAFKA_IMAGE = "apache/kafka:4.1.0"
POSTGRES_IMAGE = "postgres:18"

# A test session shares a small machine with others.
_SMALL = {
    "FAULTLINE_SHARED_BUFFERS_MB": "128",
    "FAULTLINE_BROKER_HEAP_MB": "384",
    "FAULTLINE_MAX_WAL_MB": "1024",
    "FAULTLINE_START_TIMEOUT_MS": "300000",
}


@dataclass
class Parts:
    """Where the broker and the database are. `home` is None where an engine runs them."""

    bootstrap_servers: str
    superuser_url: str
    home: Home | None
    role_passwords: dict[str, str] = field(
        default_factory=lambda: {role: secrets.token_hex(8) for role in DATABASE_ROLES}
    )

    def database_url(self, role: str, database: str) -> str:
        """The address of `database` for a service's role."""
        server = urlsplit(self.superuser_url)
        password = quote(self.role_passwords[role])
        return f"postgresql://{role}:{password}@{server.hostname}:{server.port}/{database}"

    def create_database(self, service: str) -> tuple[str, str]:
        """A fresh database with every role and schema: its name, and its address for `service`."""
        name = f"test_{service}_{secrets.token_hex(6)}"
        create_database(self.superuser_url, name, self.role_passwords)
        return name, self.database_url(service, name)

    def drop_database(self, name: str) -> None:
        """Forget a database, whoever is still connected to it."""
        psql(self.superuser_url, "postgres", "-c", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def engine_answers() -> bool:
    """Whether containers can be used. `FAULTLINE_TEST_PARTS` = `containers` or `processes` decides, else who answers."""
    choice = os.environ.get("FAULTLINE_TEST_PARTS")
    if choice:
        return choice == "containers"
    import docker  # testcontainers' own client
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=3)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except DockerException:
        return False


@contextmanager
def running_parts() -> Iterator[Parts]:
    """Start both on free ports, and take them down with their data at the end."""
    with _containers() if engine_answers() else _processes() as parts:
        yield parts


@contextmanager
def temporary_home() -> Iterator[Home]:
    """A stack's directory that is forgotten at the end, with whatever still runs in it.

    Directly under the temporary directory: PostgreSQL's sockets need short paths, and its user must get there.
    """
    root = Path(tempfile.mkdtemp(prefix="faultline-test-"))
    home = Home(root)
    try:
        yield home
    finally:
        if keep := os.environ.get("FAULTLINE_TEST_KEEP_LOGS"):
            shutil.copytree(home.logs, Path(keep) / root.name, dirs_exist_ok=True)
        control.reset(home)
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def small_machine() -> Iterator[None]:
    """Settings of the stack for a machine that has other things to do; the caller's own win."""
    added = {name: value for name, value in _SMALL.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _processes() -> Iterator[Parts]:
    with temporary_home() as home, small_machine():
        control.up(home, Request(parts=("broker", "database"), any_ports=True))
        layout = Layout(home, Plan.load(home))
        yield Parts(
            layout.bootstrap_servers,
            layout.database_url(SUPERUSER),
            home,
            dict(layout.secrets.role_passwords),
        )


@contextmanager
def _containers() -> Iterator[Parts]:
    from testcontainers.kafka import KafkaContainer
    from testcontainers.postgres import PostgresContainer

    postgres = PostgresContainer(
        POSTGRES_IMAGE, username=SUPERUSER, password=secrets.token_hex(8), driver=None
    )
    kafka = KafkaContainer(KAFKA_IMAGE).with_kraft()
    for name, value in _KAFKA_SETTINGS.items():
        kafka.with_env(name, value)
    with postgres, kafka:
        address = urlsplit(postgres.get_connection_url())
        url = f"postgresql://{address.username}:{address.password}@{address.hostname}:{address.port}/postgres"
        parts = Parts(kafka.get_bootstrap_server(), url, None)
        yield parts


_KAFKA_SETTINGS = {
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "3000",
    "KAFKA_MESSAGE_MAX_BYTES": str(8 * 1024 * 1024),
}

DatabaseFactory = Callable[[str], str]
