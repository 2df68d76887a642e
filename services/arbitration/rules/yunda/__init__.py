"""Yunda's rules YD-* (rules.md §5, source 001, which is truncated in places), in the order in which they are asked.

YD-03 is a finisher: the fee is about who is liable after appeals and rulings, and about the award that is left then.
"""

from services.arbitration.rules.rulebook import RuleDef, informs
from services.arbitration.rules.yunda.insured import yd_05, yd_06
from services.arbitration.rules.yunda.reports import yd_01, yd_02, yd_03, yd_04
from shared.events import ComplaintOpened, ReportFiled

RULES = (
    RuleDef("YD-01", yd_01, (ReportFiled,)),
    RuleDef("YD-02", yd_02, (ReportFiled,)),
    RuleDef("YD-03", informs, (ReportFiled,)),
    RuleDef("YD-04", yd_04, (ReportFiled,)),
    RuleDef("YD-05", yd_05, (ReportFiled, ComplaintOpened)),
    RuleDef("YD-06", yd_06),
)

FINISHERS = (yd_03,)
