"""Freight's rules LR-* (rules.md §6, source 004): signed receipts, handing over, urgent freight."""

from services.arbitration.rules.freight.goods import lr_04, lr_06
from services.arbitration.rules.freight.late import lr_01
from services.arbitration.rules.freight.receipts import lr_02, lr_03, lr_05
from services.arbitration.rules.rulebook import RuleDef
from shared.events import ComplaintOpened, ReceiptAudited, ReceiptLost, ReceiptRequired

RULES = (
    RuleDef("LR-01", lr_01, (ReceiptRequired,)),
    RuleDef("LR-02", lr_02, (ReceiptLost,)),
    RuleDef("LR-03", lr_03, (ReceiptAudited,)),
    RuleDef("LR-04", lr_04, (ComplaintOpened,)),
    RuleDef("LR-05", lr_05, (ReceiptAudited,)),
    RuleDef("LR-06", lr_06),
)
