"""The fee of a return: since when it counts as unpaid for good (TT-12), so that claims of origin are barred."""

from __future__ import annotations

from typing import NamedTuple

from services.arbitration.rules.case import Case
from services.arbitration.rules.localtime import start_of
from services.arbitration.rules.stream import Known
from shared.events import ReturnFeeNotified, ReturnFeePaid


class Fee(NamedTuple):
    """A return fee that was notified: the first notice and the last second of its term, then the same of the second.

    The second counts only where the first term had lapsed and the notice was given by phone as well.
    """

    first: Known[ReturnFeeNotified]
    first_until: int
    second: Known[ReturnFeeNotified] | None
    second_until: int | None


def notified_fee(case: Case) -> Fee | None:
    """The fee that the delivery link has notified, None where it has not."""
    rule = case.rules.by_id.get("TT-12")
    notified = [n for n in case.of(ReturnFeeNotified) if n.event.data.site == case.custody.delivery_site]
    first = next((n for n in notified if n.event.data.round == 1), None)
    terms = rule.on(first.day) if rule is not None and first is not None else None
    if first is None or terms is None:
        return None
    # Three days, the day of the notice included.
    days = terms["fee_days_incl"]
    first_until = start_of(first.day + days) - 1
    for second in notified:
        data = second.event.data
        if data.round == 2 and data.by_phone and second.at > first_until:
            return Fee(first, first_until, second, start_of(second.day + days) - 1)
    return Fee(first, first_until, None, None)


def unpaid_notices(case: Case) -> tuple[Known[ReturnFeeNotified], Known[ReturnFeeNotified], int] | None:
    """The first and the second notice of the fee and the moment from which the goods may be disposed of.

    Both terms were, or will be, let pass: whether the second has passed by now is for the caller to compare.
    """
    fee = notified_fee(case)
    if fee is None or fee.second is None or fee.second_until is None:
        return None
    over = fee.second_until + 1
    return None if paid_before(case, over, fee.first.event.data.fee_fen) else (fee.first, fee.second, over)


def may_dispose_from(case: Case) -> int | None:
    """From when the delivery link may dispose of the goods (TT-12); may lie in the future. None: never."""
    notices = unpaid_notices(case)
    return notices[2] if notices is not None else None


def paid_before(case: Case, moment: int, fee_fen: int) -> bool:
    """Whether origin had paid the fee before a moment."""
    paid_fen = sum(
        payment.event.data.fee_fen
        for payment in case.of(ReturnFeePaid)
        if payment.at < moment and payment.event.data.site == case.custody.origin_site
    )
    return case.of(ReturnFeePaid) != [] and paid_fen >= fee_fen
