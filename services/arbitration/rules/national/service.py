"""Duties towards the sender: pick-up in time and cash on delivery: GB-04, GB-05."""

from __future__ import annotations

from collections.abc import Iterable

from services.arbitration.rules.case import Case, yuan
from services.arbitration.rules.localtime import (
    HOUR_S,
    day_number,
    day_of,
    one_month_after,
    say_day,
    say_moment,
    seconds,
    start_of,
)
from services.arbitration.rules.rulebook import Rule
from shared.events import CodSettled
from shared.events.outputs import Finding


def gb_04(case: Case, rule: Rule) -> Iterable[Finding]:
    """Pick-up within two hours of the order, or by the moment agreed (000 (二)a)."""
    origin, parcel = case.custody.origin, case.parcel
    if origin is None or parcel is None or origin.collected is None:
        return ()
    if parcel.pickup_agreed_at is None and parcel.order_placed_at is None:
        return ()
    collected = origin.collected
    terms = rule.on(collected.day)
    if terms is None:
        return ()
    if parcel.pickup_agreed_at is not None:
        limit = seconds(parcel.pickup_agreed_at)
    else:
        assert parcel.order_placed_at is not None
        limit = seconds(parcel.order_placed_at) + terms["pickup_hours"] * HOUR_S
    if collected.at <= limit:
        return ()
    return [
        case.finding(
            rule,
            terms,
            kind="alert",
            site=origin.site,
            role="origin",
            trigger=collected.at,
            evidence=[collected],
            values={"limit": say_moment(limit), "collected": say_moment(collected.at)},
            uses=("pickup_hours",) if parcel.pickup_agreed_at is None else (),
        )
    ]


def gb_05(case: Case, rule: Rule) -> Iterable[Finding]:
    """Cash on delivery settled within one month of delivery, or by the day agreed (000 (七))."""
    parcel, delivery, signature = case.parcel, case.custody.delivery, case.custody.signature
    if parcel is None or not parcel.cod_fen or delivery is None or signature is None:
        return ()
    signed_at = signature.event.data.signed_at
    delivered = day_of(seconds(signed_at)) if signed_at is not None else signature.day
    terms = rule.on(delivered)
    if terms is None:
        return ()
    last = day_number(parcel.cod_due_on) if parcel.cod_due_on is not None else one_month_after(delivered)
    over = start_of(last + 1)
    settled = [known for known in case.of(CodSettled) if known.at < over]
    if sum(known.event.data.amount_fen for known in settled) >= parcel.cod_fen or not case.review(over):
        return ()
    return [
        case.finding(
            rule,
            terms,
            kind="alert",
            site=delivery.site,
            role="delivery",
            trigger=over,
            evidence=[signature, *case.of(CodSettled)],
            values={"delivered": say_day(delivered), "last": say_day(last), "cod": yuan(parcel.cod_fen)},
            calculation={
                "cod_fen": parcel.cod_fen,
                "settled_fen": sum(known.event.data.amount_fen for known in settled),
            },
        )
    ]
