"""What a person, a test or `make` does with a stack: bring it up, look at it, take it down, forget it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from faultline.stack.layout import HOST, Layout, copy_names
from faultline.stack.logs import rotate
from faultline.stack.postgres import DATABASE, SUPERUSER, create_database
from faultline.stack.processes import Identity, free_ports, isolation, port_holder, port_is_free
from faultline.stack.settings import PARTS, SERVICES, StackSettings
from faultline.stack.state import PROJECT_ROOT, Home, Plan, Secrets, read_json, write_json
from faultline.stack.supervisor import running_supervisor, stop_leftovers
from faultline.stack.topics import create_topics
from shared.errors import FaultlineError

_POLL_S = 0.05
_GIVE_UP_AFTER_FAILURES = 4
_SUPERVISOR_START_TIMEOUT_S = 60

BASE = ("broker", "database")

_supervisors: list[subprocess.Popen[bytes]] = []
"""Kept as long as this process lives: a dropped handle of a running process is reported as a leak."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What `up` is asked for. An empty `parts` means everything; copies and ports name only what shall differ."""

    parts: Sequence[str] = ()
    copies: Mapping[str, int] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    any_ports: bool = False
    external: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Started:
    """The result of `up`: where things are, and whether everything ran already."""

    plan: Plan
    secrets: Secrets
    ran_already: bool


def up(home: Home, request: Request, progress: Progress = lambda _line: None) -> Started:
    """Bring up what is asked for and wait until it answers; what runs already stays as it is.

    Raises FaultlineError with one clear reason where that is impossible.
    """
    with home.locked():
        supervisor = running_supervisor(home)
        if supervisor is None and (left := stop_leftovers(home)):
            progress(f"stopped what a killed supervisor had left: {', '.join(left)}")
        before = Plan.load(home) if supervisor else Plan()
        plan = make_plan(home, request, before)
        if supervisor and plan == before and _all_up(home, _processes(plan)):
            return Started(plan, Layout(home, plan).secrets, ran_already=True)
        _check_disk(home)
        _check_ports(plan, before)
        if not home.clock_file.exists():
            write_json(home.clock_file, {"moves": []})
        layout = Layout(home, plan)
        _prepare(layout, before, progress)
        first = replace(plan, parts=[part for part in plan.parts if part in BASE or part in before.parts])
        _apply(home, first, [part for part in first.parts if part in BASE], progress)
        _furnish(layout, progress)
        _apply(home, plan, _processes(plan), progress)
        return Started(plan, layout.secrets, ran_already=False)


def down(home: Home, progress: Progress = lambda _line: None) -> bool:
    """Stop everything this stack started, and nothing else. False if nothing ran."""
    if not home.root.exists():
        return False
    with home.locked():
        supervisor = running_supervisor(home)
        if supervisor:
            progress("stopping the services, then the broker and the database")
            longest_s = 3 * StackSettings().stop_timeout_ms / 1000
            supervisor.stop(signal.SIGTERM, longest_s)
        left = stop_leftovers(home)
        home.status_file.unlink(missing_ok=True)
        return bool(supervisor or left)


def reset(home: Home, progress: Progress = lambda _line: None) -> None:
    """Stop the stack and forget its data, logs, keys and ports."""
    down(home, progress)
    if not home.root.exists():
        return
    # By name: FAULTLINE_HOME could be a directory that has other things in it.
    for directory in (home.broker_dir, home.database_dir, home.logs):
        shutil.rmtree(directory, ignore_errors=True)
    files = (home.plan_file, home.status_file, home.secrets_file, home.clock_file, home.sample_file)
    for file in (*files, home.root / "lock"):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        home.root.rmdir()


def status(home: Home) -> dict[str, Any]:
    """The document of `faultline status --json`; everything is `down` where no supervisor lives."""
    plan = Plan.load(home)
    parts = {part["name"]: part for part in (read_json(home.status_file) or {}).get("parts", [])}
    supervised = running_supervisor(home) is not None

    def row(name: str, url: str) -> dict[str, Any]:
        if name in plan.external:
            # Somebody else runs it: what it does is theirs to say.
            address = urlsplit(
                plan.external[name] if "//" in plan.external[name] else f"//{plan.external[name]}"
            )
            place = f"{address.hostname}:{address.port}"
            return {"name": name, "pid": None, "url": place, "state": "up", "restarts": 0}
        part = parts.get(name, {})
        identity = Identity.read(part)
        alive = identity is not None and identity.alive()
        state = part.get("state", "down") if supervised and alive else "down"
        return {
            "name": name,
            "pid": identity.pid if alive and identity else None,
            "url": url,
            "state": state,
            "restarts": int(part.get("restarts", 0)),
        }

    def url(name: str) -> str:
        return f"http://{HOST}:{plan.ports.get(name, StackSettings().port_of(name.split('-')[0]))}"

    names = [name for service in SERVICES for name in copy_names(service, plan)]
    broker_port = plan.ports.get("broker", StackSettings().broker_port)
    database_port = plan.ports.get("database", StackSettings().database_port)
    return {
        "services": [row(name, url(name)) for name in names],
        "broker": row("broker", f"{HOST}:{broker_port}"),
        "database": row("database", f"postgresql://{HOST}:{database_port}/faultline"),
    }


def make_plan(home: Home, request: Request, running: Plan) -> Plan:
    """What shall run after an `up`: what runs already, and what is asked for, each on a chosen port."""
    unknown = [name for name in (*request.parts, *request.copies) if name not in PARTS]
    if unknown:
        raise FaultlineError(
            f"There is no part called {unknown[0]}.",
            cause="a misspelt name.",
            remedy=f"use some of {', '.join(PARTS)}.",
        )
    external = {**running.external, **request.external}
    wanted = {*(request.parts or PARTS), *running.parts} - set(external)
    copies = {**running.copies, **request.copies}
    plan = Plan(parts=[part for part in PARTS if part in wanted], external=external)
    plan.copies = {name: count for name, count in copies.items() if count != 1}
    names = ["broker", "controller", "database", *SERVICES]
    names += [name for service in SERVICES for name in copy_names(service, plan)[1:]]
    remembered, spare = Plan.load(home).ports, iter(free_ports(len(names)))
    for name in names:
        port = running.ports.get(name) or _wanted_port(name, request, remembered)
        plan.ports[name] = port or next(spare)
    return plan


def _wanted_port(name: str, request: Request, remembered: Mapping[str, int]) -> int:
    """The port by the flags, else the environment, else the last start, else the default; 0 for any."""
    settings = StackSettings()
    default = 0 if name not in (*BASE, *SERVICES, "controller") else settings.port_of(name)
    if name in request.ports:
        wanted = request.ports[name]
    elif request.any_ports:
        wanted = 0
    elif f"{name}_port" in settings.model_fields_set:
        wanted = default
    else:
        wanted = remembered.get(name, default)
    return wanted or remembered.get(name, 0)


def _check_disk(home: Home) -> None:
    free_mb = shutil.disk_usage(home.root).free // (1024 * 1024)
    least_mb = StackSettings().free_disk_least_mb
    if free_mb < least_mb:
        raise FaultlineError(
            f"Only {free_mb} MB are free where {home.root} lies; the stack needs {least_mb} MB.",
            cause="the disk is almost full.",
            remedy="free some space, or set FAULTLINE_HOME to a directory on another disk.",
        )


def _check_ports(plan: Plan, before: Plan) -> None:
    new = [part for part in _processes(plan) if part not in _processes(before)]
    for name in [*new, *(["controller"] if "broker" in new else [])]:
        port = plan.ports[name]
        if not port_is_free(port):
            raise FaultlineError(
                f"Port {port} of the {name} is in use by {port_holder(port)}.",
                cause="another program, or another stack, listens there.",
                remedy=f"stop it, or choose another: `faultline up --port {name}=0` takes any free one"
                f" (for make: FAULTLINE_{name.split('-')[0].upper()}_PORT=0).",
            )


def _prepare(layout: Layout, before: Plan, progress: Progress) -> None:
    try:
        if "broker" in layout.plan.parts and "broker" not in before.parts:
            layout.broker.prepare(progress)
        if "database" in layout.plan.parts and "database" not in before.parts:
            layout.database.prepare(progress)
    except OSError as error:
        raise FaultlineError(
            f"Cannot lay out the stack: {error.strerror or error} ({error.filename or layout.home.root}).",
            cause="the disk is full, or files there belong to another user (was the stack once started as root?).",
            remedy="free some space or change the owner; `make reset` starts over.",
        ) from error


def _furnish(layout: Layout, progress: Progress) -> None:
    """What the services find when they start: topics, roles, schemas."""
    here = {*layout.plan.parts, *layout.plan.external}
    if "database" in here:
        create_database(layout.database_url(SUPERUSER), DATABASE, layout.secrets.role_passwords)
    if "broker" in here:
        settings = layout.settings
        created = asyncio.run(
            create_topics(layout.bootstrap_servers, settings.partitions, settings.topic_replication)
        )
        if created:
            progress(f"created {len(created)} topics")


def _apply(home: Home, plan: Plan, names: Sequence[str], progress: Progress) -> None:
    """Make the supervisor follow `plan`, and wait until `names` are up."""
    plan.save(home)
    known_up = {part["name"] for part in _parts(home) if part["state"] == "up"}
    supervisor = running_supervisor(home)
    if supervisor:
        os.kill(supervisor.pid, signal.SIGHUP)
    else:
        supervisor = _start_supervisor(home)
    limit_s = time.monotonic() + StackSettings().start_timeout_ms / 1000
    waiting, began_s = set(names), time.monotonic()
    failed: dict[str, dict[str, Any]] = {}
    while waiting:
        for part in _parts(home):
            name = part["name"]
            if name in waiting and part["state"] == "up":
                waiting.discard(name)
                if name not in known_up:
                    progress(f"{name} is up ({time.monotonic() - began_s:.1f} s)")
            elif name in waiting and part["failures"] >= _GIVE_UP_AFTER_FAILURES:
                waiting.discard(name)
                failed[name] = part
        if waiting and (time.monotonic() > limit_s or not supervisor.alive()):
            raise _never_came_up(home, sorted(waiting), supervisor)
        time.sleep(_POLL_S)
    for name, part in failed.items():
        last = (str(part["last_words"]).strip().splitlines() or ["it printed nothing"])[-1]
        raise FaultlineError(
            f"{name} ended {part['failures']} times in a row as soon as it had started (exit code {part['exit_code']}).",
            cause=last[:300],
            remedy=f"read `faultline logs {name}`; the supervisor goes on trying.",
        )


def _never_came_up(home: Home, names: Sequence[str], supervisor: Identity) -> FaultlineError:
    if not supervisor.alive():
        return FaultlineError(
            "The supervisor ended while it was starting the stack.",
            cause="somebody stopped it, or the machine ran out of memory.",
            remedy=f"read {home.log_of('supervisor')}, then start again.",
        )
    return FaultlineError(
        f"No answer from {', '.join(names)} within {StackSettings().start_timeout_ms // 1000} s.",
        cause="a slow or busy machine, or a dependency that is away.",
        remedy=f"look at `faultline status` and `faultline logs {names[0]}`; it may still come up."
        " FAULTLINE_START_TIMEOUT_MS sets the wait.",
    )


def _start_supervisor(home: Home) -> Identity:
    home.status_file.unlink(missing_ok=True)
    log = home.log_of("supervisor")
    rotate(log)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "faultline.stack.supervisor", str(home.root)],
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
            cwd=PROJECT_ROOT,
            **isolation(),
        )
    _supervisors.append(process)
    limit_s = time.monotonic() + _SUPERVISOR_START_TIMEOUT_S
    while time.monotonic() < limit_s and process.poll() is None:
        if supervisor := running_supervisor(home):
            return supervisor
        time.sleep(_POLL_S)
    raise FaultlineError(
        "The supervisor did not start.",
        cause="the installation is incomplete, or the machine is out of memory.",
        remedy=f"read {log}.",
    )


def _parts(home: Home) -> list[dict[str, Any]]:
    return list((read_json(home.status_file) or {}).get("parts", []))


def _processes(plan: Plan) -> list[str]:
    """The names of the processes of a plan."""
    base = [part for part in BASE if part in plan.parts]
    return base + [name for part in SERVICES if part in plan.parts for name in copy_names(part, plan)]


def _all_up(home: Home, names: Sequence[str]) -> bool:
    states = {part["name"]: part["state"] for part in _parts(home)}
    return all(states.get(name) == "up" for name in names)
