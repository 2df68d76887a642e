"""What follows from an attempt: is the notice done, when is the destination tried again. Pure.

A destination is `open`, `broken` (it failed so often in a row that only one notice at a time tries it, now and then) or
`ended` (it said 410: nothing is sent there any more).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Kind = Literal["delivered", "failed", "rejected", "undeliverable", "ended"]
"""What an attempt came to.

`failed`: the destination could not take it, another time it may. `rejected`: it read this notice and does not want it, so
fewer attempts are made and the destination is not held to be broken. `undeliverable`: there is no sense in trying.
`ended`: the receiver wants no notices any more.
"""
State = Literal["open", "broken", "ended"]
Fate = Literal["queued", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attempt came to, in words that may be shown, and how long the receiver asked to be left alone."""

    kind: Kind
    detail: str | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How a destination fares. `failures` in a row; `next_attempt_at` None: at once."""

    state: State = "open"
    failures: int = 0
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The limits of trying again, times in seconds."""

    attempts_max: int
    rejected_attempts_max: int
    pause_min_s: float
    pause_first_s: float
    pause_max_s: float
    retry_after_max_s: float
    broken_after_failures: int
    broken_pause_min_s: float

    def fate(self, answer: Answer, tries: int) -> Fate:
        """The state of a notice after its attempt number `tries` (from 1) since it was queued."""
        if answer.kind == "delivered":
            return "delivered"
        limits = {"failed": self.attempts_max, "rejected": self.rejected_attempts_max}
        return "queued" if tries < limits.get(answer.kind, 0) else "failed"

    def after(
        self, before: Health, answer: Answer, tries: int, now: datetime, chance: Callable[[], float]
    ) -> Health:
        """The destination's health after an attempt at `now`; `chance()` is uniform in [0, 1)."""
        if answer.kind == "delivered":
            return Health()
        if answer.kind == "ended":
            return Health("ended")
        if answer.kind == "undeliverable":
            return Health(before.state, before.failures)
        if answer.kind == "rejected":
            over = self.fate(answer, tries) == "failed"
            pause_s = 0.0 if over else self._pause_s(tries, answer, chance)
            return Health(before.state, before.failures, now + timedelta(seconds=pause_s))
        failures = before.failures + 1
        pause_s = self._pause_s(failures, answer, chance)
        if failures < self.broken_after_failures:
            return Health("open", failures, now + timedelta(seconds=pause_s))
        pause_s = max(pause_s, self.broken_pause_min_s)
        return Health("broken", failures, now + timedelta(seconds=pause_s))

    def _pause_s(self, failures: int, answer: Answer, chance: Callable[[], float]) -> float:
        """Full jitter under an exponentially growing bound: those that failed together do not come back together."""
        # 2 ** 40 first pauses are longer than any bound; more would only overflow.
        bound_s = min(self.pause_max_s, self.pause_first_s * 2.0 ** min(failures - 1, 40))
        asked_s = min(answer.retry_after_s or 0.0, self.retry_after_max_s)
        return max(self.pause_min_s, chance() * bound_s, asked_s)
