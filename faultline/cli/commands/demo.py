"""`faultline demo`: everything up, a sample network loaded, and what came of it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from faultline import demo as demonstration
from faultline import sample
from faultline.cli.app import AnyPorts, Ports, app, pairs
from faultline.stack.control import Request
from faultline.stack.state import Home


@app.command()
def demo(
    parcels: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Parcels of the sample.")
    ] = sample.PARCELS,
    seed: Annotated[int, typer.Option(help="Another seed is another sample.")] = sample.SEED,
    port: Ports = None,
    any_ports: AnyPorts = False,
) -> None:
    """Start everything, load a sample network through intake, show verdicts, fines and notices; leave it running."""
    request = Request(ports=pairs(port or [], "port"), any_ports=any_ports)
    demonstration.run(Home.find(), request, Console(), seed=seed, parcels=parcels)
