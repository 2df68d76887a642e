"""Tiantian's rules TT-* (rules.md §1, source 002), in the order in which they are asked.

TT-07 comes before TT-04: a loss on a link replaces its delay.
"""

from services.arbitration.rules.rulebook import RuleDef, informs
from services.arbitration.rules.tiantian.claims import tt_06, tt_07, tt_14, tt_15, tt_17, tt_20
from services.arbitration.rules.tiantian.delay import tt_04
from services.arbitration.rules.tiantian.money import one_award_per_link, other_companys_label
from services.arbitration.rules.tiantian.notices import tt_08, tt_24
from services.arbitration.rules.tiantian.returns import tt_09, tt_10, tt_11, tt_12, tt_13, tt_26, tt_28
from services.arbitration.rules.tiantian.scans import tt_01, tt_02, tt_03
from services.arbitration.rules.tiantian.sorting import tt_21, tt_27
from shared.events import (
    ComplaintOpened,
    GoodsDisposed,
    NoticePosted,
    ReportFiled,
    ReturnAnswered,
    ReturnFeeNotified,
    ReturnFeePaid,
    ReturnRequested,
    SignatureRecorded,
)

RULES = (
    RuleDef("TT-01", tt_01),
    RuleDef("TT-02", tt_02),
    RuleDef("TT-03", tt_03, (SignatureRecorded,)),
    RuleDef("TT-07", tt_07, (ReportFiled,)),
    RuleDef("TT-06", tt_06, (ReportFiled,)),
    RuleDef("TT-04", tt_04, (ReportFiled, ComplaintOpened)),
    RuleDef("TT-08", tt_08, (ReportFiled,)),
    RuleDef("TT-09", tt_09, (ReturnRequested,)),
    RuleDef("TT-10", tt_10, (ReturnRequested,)),
    RuleDef("TT-11", tt_11, (ReturnAnswered,)),
    RuleDef("TT-12", tt_12, (ReturnFeeNotified,)),
    RuleDef("TT-13", tt_13, (ReturnFeePaid,)),
    RuleDef("TT-14", tt_14, (ReportFiled,)),
    RuleDef("TT-15", tt_15, (ReportFiled,)),
    RuleDef("TT-17", tt_17, (ReportFiled,)),
    RuleDef("TT-20", tt_20, (ReportFiled,)),
    RuleDef("TT-27", tt_27, (ReportFiled,)),
    RuleDef("TT-21", tt_21, (ReportFiled,)),
    RuleDef("TT-24", tt_24, (NoticePosted,)),
    RuleDef("TT-26", tt_26, (GoodsDisposed,)),
    RuleDef("TT-28", tt_28, (ReturnAnswered,)),
    RuleDef("TT-05", informs),
    RuleDef("TT-16", informs),
    RuleDef("TT-18", informs),
    RuleDef("TT-22", informs),
    RuleDef("TT-23", informs),
    RuleDef("TT-25", informs),
)

ADJUSTERS = (other_companys_label, one_award_per_link)
