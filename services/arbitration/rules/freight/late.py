"""The signed receipt that is not back in time: LR-01."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from services.arbitration.rules.case import ROLE_NAMES, Case, yuan
from services.arbitration.rules.custody import Link
from services.arbitration.rules.localtime import say_day, start_of
from services.arbitration.rules.rulebook import Rule, Terms
from services.arbitration.rules.stream import Known
from shared.events import ReceiptAudited, ReceiptRequired, ReceiptReturned, ScanArrived
from shared.events.outputs import HEADQUARTERS, Award, Finding

_DIRECT, _ONE = 0, 1


class Haul(NamedTuple):
    """What the term depends on: the goods' arrival at the delivery branch, and the transfers on the way."""

    origin: Link
    delivery: Link
    arrived: Known[Any]
    transfers: int
    transfers_told: bool


class Stage(NamedTuple):
    """A term that has passed: what follows, after how many days, and its last day."""

    kind: str
    days: int
    last: int

    @property
    def over(self) -> int:
        """The first second after the term."""
        return start_of(self.last + 1)


class Payment(NamedTuple):
    """What is known about a payment held up: None where nobody said; and who said it."""

    delayed: bool | None
    said: Known[Any] | None


def lr_01(case: Case, rule: Rule) -> Iterable[Finding]:
    """Receipt not back at the sending branch (004, 3-7, 4-6): 10, 15 or 25 days after the goods' arrival, by transfers."""
    haul = _haul(case)
    terms = rule.on(haul.arrived.day) if haul is not None else None
    if haul is None or terms is None:
        return ()
    back = _returned_by(case, haul.origin.site)
    payment = _payment(case, haul.origin.site)
    stage = _stage(case, terms, haul, back, payment)
    if stage is None:
        return ()
    passed_on = _returned_by(case, haul.delivery.site)
    in_time = passed_on is not None and passed_on.at < stage.over
    link = haul.origin if in_time else haul.delivery
    amount_fen = terms["fine_fen"] if stage.kind == "fine" else 0
    assumed = [] if haul.transfers_told else ["transfers_from_chain"]
    if amount_fen and payment.delayed is None:
        assumed.append("payment_delayed_unless_denied")
    return [
        case.finding(
            rule,
            terms,
            kind="fine" if stage.kind == "fine" else "alert",
            site=link.site,
            role="origin" if link is haul.origin else "delivery",
            trigger=stage.over,
            amount_fen=amount_fen,
            awards=[Award(HEADQUARTERS, amount_fen)] if amount_fen else [],
            evidence=[*case.of(ReceiptRequired), haul.arrived, passed_on, back, payment.said],
            text=stage.kind,
            values={
                "role": ROLE_NAMES["origin" if link is haul.origin else "delivery"],
                "delivery": haul.delivery.site,
                "origin": haul.origin.site,
                "arrived": say_day(haul.arrived.day),
                "transfers": haul.transfers,
                "days": stage.days,
                "last": say_day(stage.last),
                "how": _how(haul, in_time=in_time),
                "amount": yuan(amount_fen),
            },
            uses=assumed,
            calculation={"transfers": haul.transfers, "days": stage.days, "last_day": say_day(stage.last)},
            person=_person(case, link.site),
        )
    ]


def due_day(case: Case, rule: Rule) -> int | None:
    """The last local day of the receipt's longest term; None while none has begun, and where the rule is not in force."""
    haul = _haul(case)
    terms = rule.on(haul.arrived.day) if haul is not None else None
    return None if haul is None or terms is None else _stages(terms, haul)[-1].last


def _haul(case: Case) -> Haul | None:
    """None while the term has not begun, and where the receipt has no way to go: one branch sends and delivers."""
    origin, delivery = case.custody.origin, case.custody.delivery
    if origin is None or delivery is None or delivery.site == origin.site:
        return None
    arrived = _arrival(case, delivery)
    if arrived is None:
        return None
    told = [known for known in case.of(ReceiptRequired) if known.event.data.transfers is not None]
    if told:
        last = _last_recorded(case, told)
        return Haul(origin, delivery, arrived, last.event.data.transfers or 0, transfers_told=True)
    between = {
        link.site for link in case.custody.links if link.leg == "forward" and link.role == "transit"
    } - {origin.site, delivery.site}
    return Haul(origin, delivery, arrived, len(between), transfers_told=False)


def _arrival(case: Case, delivery: Link) -> Known[Any] | None:
    """The goods' arrival at the delivery branch, of the last batch where they came in parts; None while one is missing.

    A branch without an arrival scan had the goods by its first own scan at the latest.
    """
    returned = case.custody.returned
    arrivals = [
        known
        for known in case.of(ScanArrived)
        if known.event.data.site == delivery.site and (returned is None or known.at <= returned.at)
    ]
    total = max((known.event.data.parts or 1 for known in arrivals), default=1)
    if total == 1:
        return delivery.arrived or delivery.first
    batches: dict[int, Known[ScanArrived]] = {}
    for place, known in enumerate(arrivals):
        data = known.event.data
        if data.part is not None:
            batches.setdefault(data.part, known)
        elif data.parts is not None:
            batches[-1 - place] = known  # not numbered: a batch of its own
    return max(batches.values(), key=lambda known: known.at) if len(batches) >= total else None


def _stage(
    case: Case, terms: Terms, haul: Haul, back: Known[ReceiptReturned] | None, payment: Payment
) -> Stage | None:
    """The last term that has passed without the receipt. Goods sent back unsigned have none to wait for."""
    passed = None
    for stage in _stages(terms, haul):
        if stage.kind == "fine" and payment.delayed is False:
            continue
        ends = [known.at for known in (back, _sent_back(case)) if known is not None]
        if all(end >= stage.over for end in ends) and case.review(stage.over):
            passed = stage
    return passed


def _stages(terms: Terms, haul: Haul) -> list[Stage]:
    start = haul.arrived.day
    if haul.transfers == _DIRECT:
        terms_of = [("fine", terms["direct_days"])]
    elif haul.transfers == _ONE:
        terms_of = [("fine", terms["one_transfer_days"])]
    else:
        terms_of = [("alert", terms["more_transfers_alert_days"]), ("fine", terms["more_transfers_days"])]
    return [Stage(kind, days, start + days) for kind, days in terms_of]


def _sent_back(case: Case) -> Known[Any] | None:
    return case.custody.returned if case.custody.signature is None else None


def _returned_by(case: Case, site: str) -> Known[ReceiptReturned] | None:
    """The first `receipt.returned` of a branch."""
    return next((known for known in case.of(ReceiptReturned) if known.event.data.site == site), None)


def _payment(case: Case, origin: str) -> Payment:
    """Whether payment was held up: the last recorded word of origin's returned receipt and of audits counts."""
    said: list[Known[Any]] = [known for known in case.of(ReceiptReturned) if known.event.data.site == origin]
    said += case.of(ReceiptAudited)
    said = [known for known in said if known.event.data.payment_delayed is not None]
    if not said:
        return Payment(None, None)
    last = _last_recorded(case, said)
    return Payment(last.event.data.payment_delayed, last)


def _last_recorded(case: Case, said: Iterable[Known[Any]]) -> Known[Any]:
    """Of several events the one recorded last, in the order of the walk where the records agree."""
    places = {id(known.event): place for place, known in enumerate(case.events)}
    return max(
        said, key=lambda known: (known.event.recordedtime or known.event.time, places[id(known.event)])
    )


def _how(haul: Haul, *, in_time: bool) -> tuple[str, str]:
    if in_time:
        return (
            f"派件站 {haul.delivery.site} 已按时寄回",
            f"{haul.delivery.site} had passed it on in time",
        )
    return (
        f"派件站 {haul.delivery.site} 未按时寄回",
        f"{haul.delivery.site} had not passed it on in time",
    )


def _person(case: Case, site: str) -> str | None:
    """Whom the branch's own receipt events name, the latest first."""
    kinds: tuple[type[Any], ...] = (ReceiptAudited, ReceiptReturned, ReceiptRequired)
    for kind in kinds:
        for known in reversed(case.of(kind)):
            if known.event.data.site == site and known.event.data.person is not None:
                person: str = known.event.data.person
                return person
    return None
