"""ZTO's rules ZT-* (rules.md §2, source 000), in the order in which they are asked."""

from services.arbitration.rules.rulebook import RuleDef
from services.arbitration.rules.zto.complained import zt_01, zt_02, zt_03, zt_04, zt_05, zt_06, zt_07
from services.arbitration.rules.zto.escalation import zt_10
from services.arbitration.rules.zto.handling import zt_09, zt_12, zt_13
from services.arbitration.rules.zto.window import zt_08
from shared.events import ComplaintEscalated, ComplaintOpened, ReplyRegistered

RULES = (
    RuleDef("ZT-01", zt_01, (ComplaintOpened,)),
    RuleDef("ZT-02", zt_02, (ComplaintOpened,)),
    RuleDef("ZT-03", zt_03, (ComplaintOpened,)),
    RuleDef("ZT-04", zt_04, (ComplaintOpened,)),
    RuleDef("ZT-05", zt_05, (ComplaintOpened,)),
    RuleDef("ZT-06", zt_06, (ComplaintOpened,)),
    RuleDef("ZT-07", zt_07, (ComplaintOpened,)),
    RuleDef("ZT-08", zt_08, (ComplaintOpened,)),
    RuleDef("ZT-09", zt_09, (ComplaintOpened,)),
    RuleDef("ZT-10", zt_10, (ComplaintEscalated,)),
    RuleDef("ZT-12", zt_12),
    RuleDef("ZT-13", zt_13, (ReplyRegistered,)),
)
