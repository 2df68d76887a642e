"""A client for the stack that runs on this machine."""

from __future__ import annotations

from faultline.client import Addresses, Client
from faultline.stack import control
from faultline.stack.settings import DATABASE_ROLES
from faultline.stack.state import Home, Secrets
from shared.errors import FaultlineError

_NEEDED = ("intake", "arbitration", "penalties", "notify")


def local_client(home: Home) -> Client | None:
    """A client with the operator's key; None where the stack, or a service that clients call, does not run."""
    services = {row["name"]: row for row in control.status(home)["services"]}
    if any(services.get(name, {}).get("state") != "up" for name in _NEEDED):
        return None
    addresses = Addresses(**{name: services[name]["url"] for name in _NEEDED})
    return Client(addresses, Secrets.load_or_create(home, DATABASE_ROLES).operator_key)


def require_local_client(home: Home) -> Client:
    """A client for the running stack. Raises FaultlineError where none runs."""
    client = local_client(home)
    if client is None:
        raise FaultlineError(
            "No local stack answers here.",
            cause="it was not started, or a service is down.",
            remedy="start it with `faultline up` (or `make demo`) and look at `faultline status`.",
        )
    return client
