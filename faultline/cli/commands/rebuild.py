"""`faultline rebuild`: a projection built anew beside the live one."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from faultline.access import require_local_client
from faultline.cli.app import app, say
from faultline.client import Client, Document
from faultline.stack.state import Home
from shared.errors import FaultlineError

_LOOK_S = 0.5


@app.command()
def rebuild(
    projection: Annotated[str, typer.Argument(help="complaints, scorecards, silences or registers.")],
    wait: Annotated[bool, typer.Option(help="Show the progress and return when the new one is read.")] = True,
) -> None:
    """Build a projection anew from the journal; the live one is read and kept up until the new one is complete."""
    with require_local_client(Home.find()) as client:
        if projection not in (names := [item["name"] for item in client.projections()]):
            raise FaultlineError(
                f"There is no projection {projection!r}.",
                cause="its name is another.",
                remedy=f"name one of {', '.join(names)}.",
            )
        started = client.rebuild(projection)
        say(f"Generation {started['building']} of {projection} is being built; {started['live']} is read.")
        if wait:
            _watch(client, projection, started["building"])


def _watch(client: Client, projection: str, generation: int) -> None:
    told = ""
    while (now := _progress(client, projection))["live"] != generation:
        done = now["waybills_planned"] - now["waybills_left"]
        line = f"  {max(0, done)} waybills replayed, {now['waybills_left']} wait ({now['state']})"
        if line != told:
            say(line)
            told = line
        time.sleep(_LOOK_S)
    say(f"Generation {generation} of {projection} is read now: {now['waybills_planned']} waybills.")


def _progress(client: Client, projection: str) -> Document:
    return next(item for item in client.projections() if item["name"] == projection)
