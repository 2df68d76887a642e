"""Names that nothing else in a run has."""

from __future__ import annotations

from itertools import count

_numbers = count(1)


def fresh(digits: int = 12) -> str:
    """Digits no other test has. They grow, so that what the order of names decides is decided alike in every run."""
    return f"{next(_numbers):0{digits}d}"
