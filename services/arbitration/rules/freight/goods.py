"""The goods themselves: handed to the wrong person LR-04, urgent freight that stayed LR-06."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.arbitration.rules.case import Case, yuan
from services.arbitration.rules.localtime import say_day, say_moment, start_of
from services.arbitration.rules.rulebook import Rule
from services.arbitration.rules.stream import Known
from services.arbitration.rules.value import worth
from shared.events import CompensationSettledPrivately, ComplaintOpened, SignatureRecordedData
from shared.events.outputs import SENDER, Award, Finding

Words = tuple[str, str]
_NO_RECORD: Words = ("没有核验记录", "no record of any check")
_CONSIGNEE: Words = ("收货人证件原件", "the consignee's original document")
_PROXY: Words = ("代收人证件原件", "the proxy's original document")
_CALL: Words = ("与收货人电话确认", "a call to the consignee")
_NAME: Words = (
    "姓名不符时的电话确认或寄件人变更证明",
    "a call or the sender's change certificate, as the name did not match",
)
_COMPANY: Words = ("单位公章或盖章委托书", "the company's seal or a stamped authorisation")


def lr_04(case: Case, rule: Rule) -> Iterable[Finding]:
    """Handed to the wrong person without the identity checks (004, 4-1 to 4-3): the value, on the signing site."""
    complaint = _first_in_force(case, rule)
    signature = case.custody.signature
    if complaint is None or signature is None:
        return ()
    data, terms = signature.event.data, rule.at(complaint.day)
    missing = list(missing_checks(data))
    if not missing:
        return ()
    goods = worth(case, complaint.day)
    settled = case.of(CompensationSettledPrivately)
    pending = goods.amount_fen is None
    amount_fen = 0 if settled or goods.amount_fen is None else goods.amount_fen
    finding = case.finding(
        rule,
        terms,
        kind="liability" if pending else "compensation",
        site=data.site,
        role="delivery",
        trigger=complaint.at,
        amount_fen=amount_fen,
        awards=[Award(SENDER, amount_fen)] if amount_fen else [],
        evidence=[complaint, signature, goods.proof, *settled],
        text="pending" if pending else "main",
        values={
            "complained": say_moment(complaint.at),
            "signed": say_moment(signature.at),
            "missing": ("、".join(zh for zh, _ in missing), "; ".join(en for _, en in missing)),
            "amount": yuan(amount_fen),
        },
        assumed=goods.assumed,
        calculation={**goods.calculation, **({"settled_privately": True} if settled else {})},
        suffix=complaint.event.data.complaint_id,
        person=data.handler,
    )
    case.memo.setdefault("payees", {})[finding.finding_id] = SENDER
    return [finding]


def missing_checks(signature: SignatureRecordedData) -> Iterator[Words]:
    """The identity checks that the signature should show and does not.

    A company has no document of its own: it shows itself by a seal on the receipt or by a stamped authorisation.
    """
    checks = signature.id_checks
    if checks is None:
        yield _NO_RECORD
        return
    if checks.company:
        if not (checks.sealed or checks.authorisation):
            yield _COMPANY
        return
    if not checks.consignee_original:
        yield _CONSIGNEE
    proxy = signature.signer == "proxy"
    if proxy and not checks.proxy_original:
        yield _PROXY
    if proxy and not checks.consignee_called:
        yield _CALL
    if not (checks.name_matches or checks.consignee_called or checks.change_certificate):
        yield _NAME


def lr_06(case: Case, rule: Rule) -> Iterable[Finding]:
    """Urgent freight not departed on the day of its collection (004, 2-3)."""
    origin, parcel = case.custody.origin, case.parcel
    if parcel is None or not parcel.urgent or origin is None or origin.collected is None:
        return ()
    collected = origin.collected
    terms = rule.on(collected.day)
    if terms is None:
        return ()
    last = collected.day + terms["departure_days"]
    over = start_of(last + 1)
    left = [known.at for known in (*origin.departures, *origin.out, *origin.signatures)]
    if origin.next_first is not None:
        left.append(origin.next_first.at)  # scanned elsewhere: it had left
    if any(at < over for at in left) or not case.review(over):
        return ()
    return [
        case.finding(
            rule,
            terms,
            kind="alert",
            site=origin.site,
            role="origin",
            trigger=over,
            evidence=[collected, *origin.departures[:1]],
            values={"collected": say_moment(collected.at), "last": say_day(last)},
            calculation={"last_day": say_day(last)},
        )
    ]


def _first_in_force(case: Case, rule: Rule) -> Known[ComplaintOpened] | None:
    """The first complaint of misdelivery: the goods' value is due once."""
    for known in case.of(ComplaintOpened):
        if known.event.data.category == "misdelivery" and rule.on(known.day) is not None:
            return known
    return None
