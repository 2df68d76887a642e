"""Errors that a person has to act on."""

from __future__ import annotations


class FaultlineError(Exception):
    """An error whose text says what happened, the likely cause and what to do."""

    def __init__(self, happened: str, *, cause: str, remedy: str) -> None:
        super().__init__(f"{happened} Likely cause: {cause} What to do: {remedy}")
        self.happened = happened
        self.cause = cause
        self.remedy = remedy


class StoppedConsumer(FaultlineError):
    """A consumer that must not go on by itself: going on would lose or repeat records."""
