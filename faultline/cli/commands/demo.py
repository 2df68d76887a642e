"""`faultline demo`: bring the stack up, load the sample network, show what came out of it."""

from __future__ import annotations

import importlib
import importlib.util

from faultline.cli.app import app
from shared.errors import FaultlineError


@app.command()
def demo() -> None:
    """Start everything, load the sample network through intake, and show the verdicts, fines and notices."""
    if importlib.util.find_spec("faultline.demo") is None:
        raise FaultlineError(
            "The demonstration is not part of this installation.",
            cause="the package was installed without faultline/demo.",
            remedy="use a checkout of the project.",
        )
    importlib.import_module("faultline.demo").run()
