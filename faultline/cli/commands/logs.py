"""`faultline logs`: the JSON lines of all processes, or of some, for a person or as they are."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from faultline.cli.app import app
from faultline.stack.logs import Follower, files_of, read_lines
from faultline.stack.state import Home

_POLL_S = 0.25
_COLOURS = {"warning": "yellow", "error": "red", "critical": "red", "fatal": "red", "debug": "dim"}
_SHOWN_BY_PLACE = ("timestamp", "level", "event", "service", "instance", "logger", "exception", "output")


@app.command()
def logs(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Processes as in `faultline status`, also supervisor; all if none."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="So many of the last lines.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="The lines as JSON.")] = False,
) -> None:
    """Show the logs of the stack's processes, in the order of time."""
    files = files_of(Home.find(), names)
    console = Console(soft_wrap=True, highlight=False)
    follower = Follower(files)
    records = [record for file in files for record in read_lines(file)]
    records.sort(key=lambda record: str(record.get("timestamp", "")))
    for record in records[len(records) - lines :] if lines < len(records) else records:
        _show(console, record, as_json)
    while follow:
        for record in follower.new_records():
            _show(console, record, as_json)
        time.sleep(_POLL_S)


def _show(console: Console, record: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(record, ensure_ascii=False), flush=True)
        return
    level = str(record.get("level", ""))
    rest = " ".join(
        f"{key}={value}"
        for key, value in record.items()
        if key not in _SHOWN_BY_PLACE and value not in ("", None)
    )
    who = str(record.get("instance") or record.get("service") or "")
    line = Text.assemble(
        (f"{str(record.get('timestamp', ''))[11:23]} ", "dim"),
        (f"{who:<14} ", "cyan"),
        (f"{level:<8}", _COLOURS.get(level, "")),
        f"{record.get('event', '')} ",
        (rest, "dim"),
    )
    console.print(line)
    for key in ("exception", "output"):
        if record.get(key):
            console.print(Text(str(record[key]), style="dim"))
