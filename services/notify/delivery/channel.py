"""What the sender asks of a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.notify.delivery.policy import Answer
from services.notify.store.deliveries import Claim, Places, Queued


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt: what it came to, and for how many notices, counted from the first."""

    answer: Answer
    notices: int = 1


class Channel(Protocol):
    """A way to reach sites."""

    name: str
    places: Places
    """How much may be under way at once."""

    async def send(self, claim: Claim, address: str, notices: Sequence[Queued]) -> Sent:
        """Try to bring the first of `notices`, or the first few, to `address`. Failures are answers, not errors."""

    async def close(self) -> None:
        """Give up connections."""
