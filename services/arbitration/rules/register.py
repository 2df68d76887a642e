"""What a rulebook's module needs to be registered, and the register of all rulebooks.

A rulebook is registered by one line in `REGISTERS`; `README.md` in this folder says how to add a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.arbitration.rules import national, tiantian
from services.arbitration.rules.case import Case
from services.arbitration.rules.rulebook import RuleDef, informs
from shared.events.outputs import Finding

Adjuster = Callable[[Case, list[Finding]], list[Finding]]
"""Looks at everything that was found and changes who is paid or what stands."""

GENERAL: Final = "general"

REGISTERS: Final[Mapping[str, tuple[Sequence[RuleDef], Sequence[Adjuster]]]] = {
    GENERAL: ((RuleDef("GENERAL", informs),), ()),
    "tiantian": (tiantian.RULES, tiantian.ADJUSTERS),
    "national": (national.RULES, national.ADJUSTERS),
}
"""Rulebook id → its rules and its adjusters, in the order in which they are asked."""
