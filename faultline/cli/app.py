"""The command line application and what its commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from shared.errors import FaultlineError

app = typer.Typer(
    name="faultline",
    help="Who is at fault for a late, lost or damaged parcel, by which clause, with what evidence, at what cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Ports = Annotated[
    list[str] | None,
    typer.Option(help="Port of a part, 0 for any free one; may be repeated.", metavar="NAME=PORT"),
]
AnyPorts = Annotated[bool, typer.Option(help="Take any free port for every part.")]
"""Options of every command that starts the stack."""


def say(line: str) -> None:
    """Print a line for a person, at once also into a pipe."""
    print(line, flush=True)


def pairs(texts: list[str], meaning: str) -> dict[str, int]:
    """Options like `name=2` as a mapping to whole numbers. Raises FaultlineError for anything else."""
    result = {}
    for text in texts:
        name, separator, number = text.partition("=")
        if not separator or not number.isdecimal():
            raise FaultlineError(
                f"{text!r} is not a {meaning}.",
                cause="it is written as name=number.",
                remedy="write it like arbitration=2.",
            )
        result[name.strip()] = int(number)
    return result
