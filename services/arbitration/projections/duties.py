"""What is to be done or to be known about a waybill, and until when: its duties, from a look at it. Pure.

The terms are those that the rules judge by: what is told here beforehand is found there afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from services.arbitration.projections.complaints import ComplaintRow, complaint_rows
from services.arbitration.projections.foresight import Ahead, foresee
from services.arbitration.projections.looked import Looked
from services.arbitration.rules.case import Case
from services.arbitration.rules.harm import damage_statement
from services.arbitration.rules.liability import damage
from services.arbitration.rules.localtime import HOUR_S, day_of, moment_of, seconds, start_of
from services.arbitration.rules.rulebook import Rule
from services.arbitration.rules.stream import Known
from services.arbitration.rules.tiantian.fees import may_dispose_from, notified_fee, paid_before
from services.arbitration.rules.tiantian.notices import passing_on
from services.arbitration.rules.tiantian.reports import DAMAGE_KINDS, term_start
from services.arbitration.rules.tiantian.returns import Return, asked_back, held, paid_back, unanswered
from shared.events import (
    ComplaintFlagged,
    GoodsDisposed,
    NoticePosted,
    ReportFiled,
    ScanArrived,
    ScanCollected,
    ScanDeparted,
    ScanOutForDelivery,
    SignatureRecorded,
)
from shared.events.duties import Duty, DutyKind

_PLAIN: Final = frozenset({ScanCollected, ScanDeparted, ScanArrived, ScanOutForDelivery, SignatureRecorded})
"""What ordinary parcels consist of: by these nobody asks anybody for anything."""


class Outlook(NamedTuple):
    """A waybill's duties at a look, and when to look again: the verdict could differ, or a duty begins by itself."""

    duties: list[Duty]
    next_look_at: datetime | None


def outlook(looked: Looked, review_at: datetime | None, ahead: Ahead) -> Outlook:
    """The duties of a waybill as a look finds them. `review_at`: when its verdict could next differ.

    The same events, facts, rulebooks and moment give the same duties, however the events came.
    """
    plain = _PLAIN.issuperset({known.event.__class__ for known in looked.known})
    signature = looked.custody.signature
    if plain and review_at is None and signature is not None and not _is_noted(signature):
        return Outlook([], None)
    duties = [] if plain and not (signature and _is_noted(signature)) else [*_asked(looked.case())]
    foreseen = foresee(looked, review_at, ahead.fines)
    told = {(duty.rule, duty.site) for duty in duties}
    duties += [duty for duty in foreseen.duties if (duty.rule, duty.site) not in told]
    looks = [foreseen.next_look_at]
    window = _bag_window(looked, ahead)
    if window is not None and window.begun_at > looked.now:
        looks.append(window.begun_at)
    elif window is not None:
        duties.append(window)
    duties.sort(key=lambda duty: duty.duty_id)
    return Outlook(duties, min((at for at in looks if at is not None), default=None))


def _asked(case: Case) -> Iterator[Duty]:
    """What people ask for: everything but what time alone brings."""
    for row in complaint_rows(case):
        yield from _of_complaint(case, row)
    yield from _flags(case)
    if "TT-09" in case.rules.by_id:
        yield from _of_return(case)
        yield from _of_notices(case)
        yield from _damage_window(case)


# Complaints (SD-*)


def _of_complaint(case: Case, row: ComplaintRow) -> Iterator[Duty]:
    def duty(kind: DutyKind, rule: str, begun: datetime, due: datetime | None = None, **more: Any) -> Duty:
        again = f"/{row.reopened}" if row.reopened and kind in ("complaint", "follow_up") else ""
        about = f"{row.complaint_id}{again}"
        return _duty(case, kind, about, rule, begun, due, complaint_id=row.complaint_id, **more)

    if row.major:
        # Told also where it was settled since: headquarters has to know.
        yield duty("major", "SD-04", row.opened_at, note=row.major_ground)
    if row.settled_at is not None:
        if row.followed_up_at is None:
            yield duty("follow_up", "SD-05", row.settled_at, row.follow_up_due_at, desk=row.desk)
        return
    site = row.responsible_site
    yield duty("complaint", "SD-01", row.reopened_at or row.opened_at, site=site, note=row.category)
    if site is None or row.first_settled_at is not None:
        return
    begun = row.received_at or row.opened_at
    finding = f"{site}/{row.complaint_id}"
    if row.contacted_at is None:
        yield duty("contact", "SD-02", begun, row.contact_due_at, site=site, finding_id=f"SD-02/{finding}")
    if row.progressed_at is None:
        yield duty("progress", "SD-07", begun, row.progress_due_at, desk=row.desk)
    yield duty("settle", "SD-03", begun, row.settle_due_at, site=site, finding_id=f"SD-03/{finding}")


def _flags(case: Case) -> Iterator[Duty]:
    for flag in case.of(ComplaintFlagged):
        data = flag.event.data
        about = f"{data.complaint_id}/{flag.event.id}"
        yield _duty(
            case,
            "flagged",
            about,
            "SD-08",
            moment_of(flag.at),
            complaint_id=data.complaint_id,
            note=data.ground,
        )


# Returns (TT-09 to TT-13) and damage notices (TT-24)


def _of_return(case: Case) -> Iterator[Duty]:
    origin, delivery = case.custody.origin_site, case.custody.delivery_site
    for kind, rule_id, find in _RETURNS:
        asked = find(case, case.rules.by_id[rule_id])
        if asked is not None and asked.ended is None:
            yield _duty(
                case,
                kind,
                asked.link.site,
                rule_id,
                moment_of(max(asked.trigger.at, asked.link.first.at)),
                moment_of(start_of(asked.last + 1) - 1),
                site=asked.link.site,
                finding_id=f"{rule_id}/{asked.link.site}",
            )
    if _is_over(case):
        return
    waiting = unanswered(case, case.rules.by_id["TT-10"])
    if waiting is not None:
        request, until = waiting
        yield _duty(
            case, "return_answer", "request", "TT-10", moment_of(request.at), moment_of(until), site=origin
        )
    hold = held(case, case.rules.by_id["TT-11"])
    if hold is not None and case.now <= hold.until:
        begun, due = moment_of(hold.answer.at), moment_of(hold.until)
        yield _duty(case, "hold", str(delivery), "TT-11", begun, due, site=delivery)
        yield _duty(case, "return_answer", "hold", "TT-11", begun, due, site=origin)
    yield from _of_fee(case)


_RETURNS: Final[tuple[tuple[DutyKind, str, Callable[[Case, Rule], Return | None]], ...]] = (
    ("return_request", "TT-09", asked_back),
    ("return", "TT-13", paid_back),
)


def _of_fee(case: Case) -> Iterator[Duty]:
    """The fee to be paid, by its newest notice; once it is unpaid for good, the goods that may be disposed of."""
    fee = notified_fee(case)
    if fee is None:
        return
    since = may_dispose_from(case)
    if since is not None and since <= case.now:
        site = case.custody.delivery_site
        yield _duty(case, "disposal", str(site), "TT-12", moment_of(since), site=site)
        return
    fee_fen = fee.first.event.data.fee_fen
    if not paid_before(case, case.now + 1, fee_fen):
        notice, until = (
            (fee.second, fee.second_until) if fee.second is not None else (fee.first, fee.first_until)
        )
        assert notice is not None
        assert until is not None
        yield _duty(
            case,
            "return_fee",
            str(notice.event.data.round),
            "TT-12",
            moment_of(notice.at),
            moment_of(until),
            site=case.custody.origin_site or notice.event.data.to_site,
            amount_fen=fee_fen,
        )


def _is_over(case: Case) -> bool:
    """Whether there is nothing left to return: signed for, gone back, or disposed of."""
    custody = case.custody
    return custody.signature is not None or custody.returned is not None or bool(case.of(GoodsDisposed))


def _of_notices(case: Case) -> Iterator[Duty]:
    for step in passing_on(case, case.rules.by_id["TT-24"]):
        if step.done is None:
            notice_id = step.notice.event.data.notice_id
            kind: DutyKind = "forward_notice" if step.step == "forward" else "answer_notice"
            yield _duty(
                case,
                kind,
                notice_id,
                "TT-24",
                moment_of(step.since.at),
                moment_of(step.limit),
                site=step.site,
                finding_id=f"TT-24/{step.site}/{notice_id}",
            )


# Last moments for a report or a notice


def _damage_window(case: Case) -> Iterator[Duty]:
    """Damage that the signature or the delivery site admits: origin may report it, while the term of TT-14 runs."""
    custody, origin, start = case.custody, case.custody.origin_site, term_start(case)
    signature = custody.signature
    noted = signature if signature is not None and _is_noted(signature) else None
    shown: Known[Any] | None = noted or damage_statement(case, custody)
    terms = case.rules.by_id["TT-14"].on(case.today)
    if shown is None or start is None or origin is None or terms is None or _is_barred(case, origin):
        return
    until = start_of(start + terms["report_days"] + 1) - 1
    blame = damage(case, shown.at)
    if case.now <= until and blame is not None and blame.link.site != origin:
        yield _duty(
            case,
            "report_window",
            f"outer_damage/{origin}",
            "TT-14",
            moment_of(shown.at),
            moment_of(until),
            site=origin,
            note="outer_damage",
        )


def _is_barred(case: Case, site: str) -> bool:
    """Whether the site has reported the damage already, or no report of its would be accepted (TT-12, TT-15)."""
    reported = any(
        known.event.data.site == site and known.event.data.kind in DAMAGE_KINDS
        for known in case.of(ReportFiled)
    )
    since = may_dispose_from(case)
    cash = case.parcel is not None and case.parcel.goods == "cash"
    return reported or cash or (since is not None and since <= case.now)


def _bag_window(looked: Looked, ahead: Ahead) -> Duty | None:
    """A bag came and the parcel in it was not scanned: until when its site can say that it is missing (rules.md §0)."""
    link = looked.custody.links[-1] if looked.custody.links else None
    if link is None or not link.only_by_bag or link.arrived is None:
        return None
    day = link.arrived.day
    until = moment_of(link.arrived.at + looked.rules.general.at(day)["notice_hours"] * HOUR_S)
    posted = (k for k in looked.known if k.event.__class__ is NoticePosted and k.at >= link.arrived.at)
    if looked.now > until or any(known.event.source_site == link.site for known in posted):
        return None
    rule = looked.rules.by_id.get("TT-07")
    terms = rule.on(day) if rule is not None else None
    return Duty(
        duty_id=f"report_window/goods_missing/{link.site}",
        kind="report_window",
        site=link.site,
        begun_at=max(until - ahead.windows, moment_of(link.arrived.at)),
        due_at=until,
        rule="TT-07" if terms is not None else None,
        clause=terms.clause if terms is not None else None,
        note="goods_missing",
    )


def _is_noted(signature: Known[SignatureRecorded]) -> bool:
    """Whether damage reported after this signature is still accepted (TT-17)."""
    return signature.event.data.outer_damage_noted or signature.event.data.struck_out


def _duty(
    case: Case,
    kind: DutyKind,
    about: str,
    rule_id: str,
    begun: datetime,
    due: datetime | None = None,
    *,
    site: str | None = None,
    **more: Any,
) -> Duty:
    """A duty by a rule, with the clause in force on the day on which it came into being, else its first."""
    rule = case.rules.by_id[rule_id]
    terms = rule.on(day_of(seconds(begun))) or rule.blocks[0]
    return Duty(
        duty_id=f"{kind}/{about}",
        kind=kind,
        site=site,
        begun_at=begun,
        due_at=due,
        rule=rule_id,
        clause=terms.clause,
        **more,
    )


__all__ = ["Ahead", "Outlook", "outlook"]
