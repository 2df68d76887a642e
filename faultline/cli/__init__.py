"""The command `faultline`. Each command is a file in `faultline/cli/commands/` that registers itself on `app`."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import typer

from faultline.cli import commands
from faultline.cli.app import app
from shared.errors import FaultlineError

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line. An error that a person can act on is one line and exit code 1, never a traceback."""
    for module in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"{commands.__name__}.{module.name}")
    try:
        app()
    except FaultlineError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has seen enough (`faultline logs | head`).
        sys.stderr.close()
        sys.exit(141)
