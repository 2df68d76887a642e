"""The national standard GB-* (rules.md §3, source 000 part two); applies in every network."""

from services.arbitration.rules.national.delay import gb_01
from services.arbitration.rules.national.delivery import gb_03, gb_06, gb_07
from services.arbitration.rules.national.exemption import gb_02, without_exempt_compensation
from services.arbitration.rules.national.service import gb_04, gb_05
from services.arbitration.rules.rulebook import RuleDef, informs
from shared.events import (
    EvidenceSubmitted,
    RedirectRequested,
    ScanProblem,
    SignatureRecorded,
)

RULES = (
    RuleDef("GB-01", gb_01),
    RuleDef("GB-02", gb_02, (EvidenceSubmitted,)),
    RuleDef("GB-03", gb_03, (ScanProblem,)),
    RuleDef("GB-04", gb_04),
    RuleDef("GB-05", gb_05, (SignatureRecorded,)),
    RuleDef("GB-06", gb_06, (SignatureRecorded,)),
    RuleDef("GB-07", gb_07, (RedirectRequested,)),
    RuleDef("GB-08", informs),
)

ADJUSTERS = (without_exempt_compensation,)
