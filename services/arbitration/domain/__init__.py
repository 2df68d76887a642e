"""The decisions of arbitration: pure, without clock, storage or network.

`distinct` brings a waybill's events into the order of the walk, `decide` judges them, `merge` makes the next version of
the verdict, `adjudicate` is the dry run of all that, `Difference` sums up what another rulebook would change.
"""

from services.arbitration.domain.adjudication import AdjudicationRefused, adjudicate
from services.arbitration.domain.comparison import Difference, Tally, overridden_for
from services.arbitration.domain.decision import Decision, Status, decide, merge
from services.arbitration.rules.facts import (
    ExemptionFact,
    Facts,
    FixedRates,
    Rate,
    SiteFact,
    facts_from_members,
)
from services.arbitration.rules.library import OverrideError, Overrides, Rulebooks, load_rulebooks
from services.arbitration.rules.rulebook import RulebookError
from services.arbitration.rules.stream import Conflict, Known, distinct

__all__ = [
    "AdjudicationRefused",
    "Conflict",
    "Decision",
    "Difference",
    "ExemptionFact",
    "Facts",
    "FixedRates",
    "Known",
    "OverrideError",
    "Overrides",
    "Rate",
    "RulebookError",
    "Rulebooks",
    "SiteFact",
    "Status",
    "Tally",
    "adjudicate",
    "decide",
    "distinct",
    "facts_from_members",
    "load_rulebooks",
    "merge",
    "overridden_for",
]
