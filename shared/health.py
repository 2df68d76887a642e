"""The state of a dependency, as `GET /readyz` lists it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Check:
    """The state of one dependency: `detail` says in a sentence what is wrong, `values` are its figures (lag in records)."""

    ok: bool
    detail: str = ""
    values: Mapping[str, int | float] = field(default_factory=dict)
