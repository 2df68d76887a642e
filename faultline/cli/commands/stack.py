"""`faultline up`, `down`, `status`, `reset`."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from faultline.cli.app import AnyPorts, Ports, app, pairs, say
from faultline.stack import control
from faultline.stack.control import Request, Started
from faultline.stack.settings import SERVICES
from faultline.stack.state import Home
from shared.errors import FaultlineError


@app.command()
def up(
    only: Annotated[
        str | None, typer.Option(help="Start only these parts, e.g. broker,database.", metavar="PARTS")
    ] = None,
    copies: Annotated[
        list[str] | None,
        typer.Option(help="Copies of a service, e.g. arbitration=2; may be repeated.", metavar="NAME=N"),
    ] = None,
    port: Ports = None,
    any_ports: AnyPorts = False,
) -> None:
    """Start the broker, the database and the services; what runs already stays as it is."""
    counts = pairs(copies or [], "number of copies")
    for name, count in counts.items():
        if name not in SERVICES or not 1 <= count <= 16:
            raise FaultlineError(
                f"There cannot be {count} copies of {name}.",
                cause="only services are copied, 1 to 16 times.",
                remedy=f"name one of {', '.join(SERVICES)}.",
            )
    request = Request(
        parts=[part.strip() for part in only.split(",")] if only else (),
        copies=counts,
        ports=pairs(port or [], "port"),
        any_ports=any_ports,
    )
    started = control.up(Home.find(), request, say)
    print_addresses(started)


def print_addresses(started: Started) -> None:
    """Where things are, and the operator's key."""
    say("The stack runs already." if started.ran_already else "The stack is up.")
    document = control.status(Home.find())
    width = max(len(row["name"]) for row in _rows(document))
    for row in _rows(document):
        if row["state"] != "down":
            say(f"  {row['name']:<{width}}  {row['url']}")
    say(f"  operator's key: {started.secrets.operator_key}")


@app.command()
def down() -> None:
    """Stop everything that this stack started, and nothing else. Data stays."""
    stopped = control.down(Home.find(), say)
    say("Stopped." if stopped else "Nothing was running.")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON document.")] = False,
) -> None:
    """Show each process: state, pid, address and how often it was restarted."""
    document = control.status(Home.find())
    if as_json:
        say(json.dumps(document, indent=2))
        return
    table = Table(box=None)
    for heading in ("part", "state", "pid", "restarts", "address"):
        table.add_column(heading, justify="right" if heading in ("pid", "restarts") else "left")
    colours = {"up": "green", "starting": "yellow", "down": "red"}
    for row in _rows(document):
        state = f"[{colours[row['state']]}]{row['state']}[/]"
        table.add_row(row["name"], state, str(row["pid"] or ""), str(row["restarts"]), row["url"])
    Console().print(table)


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop the stack and forget its data, logs, keys and clock."""
    home = Home.find()
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Delete all data in {home.root}?", abort=True)
    control.reset(home, say)
    say("Reset: the next start begins with nothing.")


def _rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [*document["services"], document["broker"], document["database"]]
