"""From a plan to processes: the command, the environment and the readiness check of each part."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlsplit

import httpx

from faultline.stack.kafka import Broker
from faultline.stack.postgres import DATABASE, SUPERUSER, Database
from faultline.stack.settings import DATABASE_ROLES, DATABASE_SERVICES, SERVICES, StackSettings
from faultline.stack.state import PROJECT_ROOT, Home, Plan, Secrets
from faultline.stack.unit import Unit

HOST = "127.0.0.1"


class Layout:
    """What a plan means on this machine."""

    def __init__(self, home: Home, plan: Plan) -> None:
        self.home = home
        self.plan = plan
        self.settings = StackSettings()
        self.secrets = Secrets.load_or_create(home, DATABASE_ROLES)
        self.broker = Broker(home, self.settings, plan.ports["broker"], plan.ports["controller"])
        self.database = Database(home, self.settings, self.secrets, plan.ports["database"])

    @property
    def bootstrap_servers(self) -> str:
        """The broker's address, whoever runs it."""
        return self.plan.external.get("broker") or self.broker.bootstrap_servers

    def database_url(self, role: str) -> str:
        """The database's address for a role, with its password, whoever runs it."""
        external = self.plan.external.get("database")
        if not external:
            return self.database.url(role)
        if role == SUPERUSER:
            return external
        server = urlsplit(external)
        password = quote(self.secrets.role_passwords[role])
        return f"postgresql://{role}:{password}@{server.hostname}:{server.port}/{DATABASE}"

    def units(self, changed: Callable[[], None]) -> list[Unit]:
        """The processes of the plan, in the order in which they are to start; none has been started."""
        units = []
        if "broker" in self.plan.parts:
            units.append(
                Unit(
                    "broker",
                    "broker",
                    self.broker.command(),
                    log_file=self.home.log_of("broker"),
                    env=os.environ,
                    cwd=self.home.broker_dir,
                    ready=self.broker.ready,
                    url=self.broker.bootstrap_servers,
                    settings=self.settings,
                    changed=changed,
                )
            )
        if "database" in self.plan.parts:
            units.append(
                Unit(
                    "database",
                    "database",
                    self.database.command(),
                    log_file=self.home.log_of("database"),
                    # Not the environment of the starter: PG* variables would change the server.
                    env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                    cwd=self.home.database_dir,
                    ready=self.database.ready,
                    url=f"postgresql://{HOST}:{self.database.port}/faultline",
                    settings=self.settings,
                    changed=changed,
                    user=self.database.user,
                )
            )
        for service in SERVICES:
            if service in self.plan.parts:
                units += [self._service(service, name, changed) for name in copy_names(service, self.plan)]
        return units

    def service_url(self, name: str) -> str:
        """Where a service, or a copy of it, listens."""
        return f"http://{HOST}:{self.plan.ports[name]}"

    def service_env(self, service: str, name: str) -> dict[str, str]:
        """The environment that makes `python -m services.<service>.main` the copy `name` of this stack."""
        env = {
            **os.environ,
            "PYTHONPATH": str(PROJECT_ROOT),
            "PYTHONUNBUFFERED": "1",
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "FAULTLINE_HTTP_HOST": HOST,
            "FAULTLINE_HTTP_PORT": str(self.plan.ports[name]),
            "FAULTLINE_INSTANCE": name,
            "FAULTLINE_OPERATOR_KEY": self.secrets.operator_key,
            "FAULTLINE_CLOCK_FILE": str(self.home.clock_file),
            "FAULTLINE_PARTITIONS": str(self.settings.partitions),
        }
        for peer in SERVICES:
            if peer in self.plan.ports:
                env[f"FAULTLINE_{peer.upper()}_URL"] = self.service_url(peer)
        # Who tries webhooks on one machine receives them there.
        env.setdefault("FAULTLINE_WEBHOOK_NETWORKS_OPEN", "127.0.0.0/8,::1/128")
        if service == "console":
            copies = {
                name: self.service_url(name)
                for peer in SERVICES
                if peer in self.plan.parts
                for name in copy_names(peer, self.plan)[1:]
            }
            env["FAULTLINE_COPY_URLS"] = json.dumps(copies)
        if service in DATABASE_SERVICES:
            env["DATABASE_URL"] = self.database_url(service)
        return env

    def _service(self, service: str, name: str, changed: Callable[[], None]) -> Unit:
        url = self.service_url(name)
        return Unit(
            name,
            "service",
            [sys.executable, "-m", f"services.{service}.main"],
            log_file=self.home.log_of(name),
            env=self.service_env(service, name),
            cwd=PROJECT_ROOT,
            ready=_answers(f"{url}/readyz"),
            url=url,
            settings=self.settings,
            changed=changed,
        )


def copy_names(service: str, plan: Plan) -> list[str]:
    """The names of a service's copies: `arbitration`, `arbitration-2`, …"""
    count = plan.copies.get(service, 1)
    return [service, *(f"{service}-{number}" for number in range(2, count + 1))][:count]


def _answers(url: str) -> Callable[[], Awaitable[bool]]:
    async def answers() -> bool:
        try:
            async with httpx.AsyncClient(timeout=3, trust_env=False) as client:
                return (await client.get(url)).status_code == 200
        except httpx.HTTPError:
            return False

    return answers
