"""`faultline clock`: look at the local stack's clock, and move it forward to see deadlines pass."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import typer

from faultline.cli.app import app, say
from faultline.stack.state import Home
from faultline.stack.supervisor import running_supervisor
from shared.clock import Clock, advance
from shared.errors import FaultlineError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

clock = typer.Typer(help="Look at the local stack's clock, and move it forward.", no_args_is_help=True)
app.add_typer(clock, name="clock")


@clock.command("show")
def show() -> None:
    """The time that the services see, and how far it is ahead of the machine's."""
    home = _running_home()
    now = Clock(home.clock_file)
    say(f"{now.now():%Y-%m-%d %H:%M:%S} UTC")


@clock.command("advance")
def advance_command(
    by: Annotated[str, typer.Argument(help="How far: 25h, 3d, 90m, 1d12h.", metavar="DURATION")],
) -> None:
    """Move the clock of all services forward; it never goes back, and a restart keeps it."""
    home = _running_home()
    step = parse_duration(by)
    with home.locked():
        ahead = advance(home.clock_file, step)
    say(
        f"The clock shows {Clock(home.clock_file).now():%Y-%m-%d %H:%M:%S} UTC, {ahead} ahead of the machine."
    )


def parse_duration(text: str) -> timedelta:
    """`25h`, `3d`, `90m`, `1d12h` as a duration. Raises FaultlineError for anything else, zero included."""
    found = re.findall(r"(\d+)([smhd])", text)
    total = timedelta()
    for number, unit in found:
        total += timedelta(**{_UNITS[unit]: int(number)})
    if "".join(number + unit for number, unit in found) != text or not total:
        raise FaultlineError(
            f"{text!r} is not a duration by which the clock can go forward.",
            cause="it is written as whole numbers with s, m, h or d; the clock never goes back.",
            remedy="write it like 25h, 3d or 1d12h.",
        )
    return total


def _running_home() -> Home:
    home = Home.find()
    if running_supervisor(home) is None or not home.clock_file.exists():
        raise FaultlineError(
            "No local stack runs here, so there is no clock to move.",
            cause="only the local stack has a movable clock; production follows the machine's.",
            remedy="start it with `faultline up`, or set FAULTLINE_HOME to the running stack's directory.",
        )
    return home
