"""What a rulebook's module needs to be registered, and the register of all rulebooks.

A rulebook is registered by one line in `REGISTERS`; `README.md` in this folder says how to add a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from services.arbitration.rules import desk, freight, national, tiantian, yunda, zto
from services.arbitration.rules.case import Case
from services.arbitration.rules.rulebook import RuleDef, informs
from shared.events.outputs import Finding

Adjuster = Callable[[Case, list[Finding]], list[Finding]]
"""Looks at everything that was found and changes who is paid or what stands."""
Finisher = Callable[[Case, list[Finding]], list[Finding]]
"""Looks at what stands in the end and returns further findings."""

GENERAL: Final = "general"


class Registered(NamedTuple):
    """A rulebook's part in code."""

    rules: Sequence[RuleDef]
    adjusters: Sequence[Adjuster] = ()
    """Asked after all rules, before appeals and rulings."""
    finishers: Sequence[Finisher] = ()
    """Asked with what stands after appeals and rulings; what they add is subject to appeals and rulings itself."""


REGISTERS: Final[Mapping[str, Registered]] = {
    GENERAL: Registered((RuleDef("GENERAL", informs),)),
    "tiantian": Registered(tiantian.RULES, tiantian.ADJUSTERS),
    "yunda": Registered(yunda.RULES, finishers=yunda.FINISHERS),
    "freight": Registered(freight.RULES),
    "zto": Registered(zto.RULES),
    "national": Registered(national.RULES, national.ADJUSTERS),
    "desk": Registered(desk.RULES),
}
"""Rulebook id → its rules and its adjusters, in the order in which they are asked."""
