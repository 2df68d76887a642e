"""Which duty is told, reminded of and escalated, when and to whom; and what a new list of duties changes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from services.notify.domain.sayings import COMPLAINTS_FIRST, OTHERS, Role, Saying
from services.notify.domain.telling import storable
from shared.events.duties import DutiesData, Duty, DutyKind, missed_at


@dataclass(frozen=True, slots=True)
class Said:
    """One thing said about a duty: the occasion, and to whom."""

    occasion: str
    to: tuple[Role, ...] = ("site",)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is said about one kind of duty: when it comes, `lead` before its due moment, and once that is over."""

    at_once: Said | None = None
    before: Said | None = None
    lead: timedelta = timedelta()
    after: Said | None = None
    bundled: bool = False
    urgency: int = OTHERS


def _complaint(
    at_once: Said | None = None,
    before: Said | None = None,
    *,
    lead: timedelta = timedelta(),
    after: Said | None = None,
) -> Plan:
    return Plan(at_once, before, lead, after, urgency=COMPLAINTS_FIRST)


_ABOVE: Final[tuple[Role, ...]] = ("parent", "manager")
_HOUR: Final = timedelta(hours=1)

PLANS: Final[dict[DutyKind, Plan]] = {
    # SD-01, SD-04 and SD-08: at once.
    "complaint": _complaint(Said("complaint_opened")),
    "major": _complaint(Said("complaint_major", ("manager", "operations", "deputy"))),
    "flagged": _complaint(Said("complaint_flagged", ("deputy",))),
    # SD-02, SD-07, SD-03 and SD-05: before and after.
    "contact": _complaint(before=Said("contact_due"), lead=4 * _HOUR, after=Said("contact_overdue", _ABOVE)),
    "progress": _complaint(
        before=Said("progress_due", ("doer",)), lead=2 * _HOUR, after=Said("progress_overdue", ("doer",))
    ),
    "settle": _complaint(before=Said("settle_due"), lead=24 * _HOUR, after=Said("settle_overdue", _ABOVE)),
    "follow_up": _complaint(
        before=Said("follow_up_due", ("doer",)),
        lead=24 * _HOUR,
        after=Said("follow_up_overdue", ("doer", "manager")),
    ),
    # TT-09 to TT-13, TT-24: the finding that follows a missed term says the rest.
    "return_request": Plan(Said("return_requested"), Said("return_request_due"), 12 * _HOUR),
    "return_answer": Plan(Said("return_answer_wanted"), Said("return_answer_due"), 6 * _HOUR),
    "return": Plan(Said("return_paid"), Said("return_due"), 12 * _HOUR),
    "hold": Plan(Said("hold_begun"), Said("hold_ending"), 24 * _HOUR),
    "return_fee": Plan(Said("return_fee_asked"), Said("return_fee_due"), 24 * _HOUR),
    "disposal": Plan(Said("disposal_allowed")),
    "forward_notice": Plan(Said("forward_wanted"), Said("forward_due"), 4 * _HOUR),
    "answer_notice": Plan(Said("answer_wanted"), Said("answer_due"), 4 * _HOUR),
    # What a site can still turn away: one notice for all that fall due together.
    "report_window": Plan(before=Said("report_windows_closing"), lead=2 * _HOUR, bundled=True),
    "fine": Plan(before=Said("fines_ahead"), lead=3 * _HOUR, bundled=True),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator may choose: other leads, how old what is told and escalated may be, and the bundles' grid."""

    leads: Mapping[DutyKind, timedelta]
    news_within: timedelta
    bundling: timedelta


@dataclass(frozen=True, slots=True)
class Step:
    """What a new list of duties gives cause to: say at once, plan for later, and drop what was planned about."""

    say: list[Saying]
    plan: list[Saying]
    drop: list[str]


def advance(known: Sequence[Duty], new: DutiesData, *, partition: int, now: datetime, limits: Limits) -> Step:
    """The difference between the duties last seen of a waybill and a `new` revision of them.

    `now` only decides what is too old to be said; moments follow from the revision, whenever it is read.
    """
    before = {duty.duty_id: duty for duty in known}
    present = {duty.duty_id: duty for duty in new.duties}
    step = Step([], [], [about(duty_id) for duty_id in before if duty_id not in present])
    for duty in present.values():
        old = before.get(duty.duty_id)
        if duty == old:
            continue
        if old and (old.due_at, _holder(old)) != (duty.due_at, _holder(duty)):
            step.drop.append(about(duty.duty_id))
        plan = PLANS[duty.kind]
        goes_over = old is not None and _holder(old) != _holder(duty)
        if plan.at_once and (old is None or goes_over) and _is_news(duty, new, goes_over, now, limits):
            step.say.append(_opening(duty, plan, plan.at_once, new, partition))
        step.plan.extend(_planned(duty, plan, new, partition, now, limits))
    return step


def _is_news(duty: Duty, new: DutiesData, goes_over: bool, now: datetime, limits: Limits) -> bool:
    """Whether a duty began not long ago; for who takes it over also where one of its terms is no old news yet."""
    since = now - limits.news_within
    terms = [duty, *_of_complaint(duty, new)] if goes_over else []
    return duty.begun_at > since or any(one.due_at and one.due_at > since for one in terms)


def about(duty_id: str) -> str:
    """What sayings about a duty are known by."""
    return f"duty/{storable(duty_id)}"


def _holder(duty: Duty) -> tuple[str | None, str | None]:
    return duty.site, duty.desk


def _opening(duty: Duty, plan: Plan, said: Said, new: DutiesData, partition: int) -> Saying:
    """`said` when the duty comes, with the terms of its complaint and, for headquarters, the site that is responsible."""
    terms = tuple(other for other in _of_complaint(duty, new) if other.due_at)
    # Whoever has to act is told the first of its terms; headquarters has none.
    site = duty.site or next((other.site for other in _of_complaint(duty, new) if other.site), None)
    own = [other.due_at for other in terms if other.due_at and _holder(other) == _holder(duty)]
    first = min(own, default=None) if said.to == ("site",) else None
    return _saying(
        duty,
        plan,
        said,
        new,
        partition,
        mark=duty.begun_at,
        at=duty.begun_at,
        due_at=duty.due_at or first,
        terms=terms,
        site=site,
    )


def _of_complaint(duty: Duty, new: DutiesData) -> list[Duty]:
    """All duties about the complaint that `duty` is about."""
    if duty.complaint_id is None:
        return []
    return [other for other in new.duties if other.complaint_id == duty.complaint_id]


def _planned(
    duty: Duty, plan: Plan, new: DutiesData, partition: int, now: datetime, limits: Limits
) -> Iterable[Saying]:
    due_at = duty.due_at
    if due_at is None:
        return
    if plan.before and due_at > now:
        at = due_at - limits.leads.get(duty.kind, plan.lead)
        # What was told within that time is its own reminder.
        if not (plan.at_once and at <= duty.begun_at):
            at, bundle = _moment(duty, plan.before, new, max(at, new.as_of), limits, bundled=plan.bundled)
            yield _saying(
                duty,
                plan,
                plan.before,
                new,
                partition,
                mark=due_at,
                at=at,
                until=due_at,
                due_at=due_at,
                bundle=bundle,
            )
    if plan.after and due_at > now - limits.news_within:
        yield _saying(
            duty,
            plan,
            plan.after,
            new,
            partition,
            mark=due_at,
            at=missed_at(due_at, new.as_of),
            until=due_at + limits.news_within,
            due_at=due_at,
            escalation=True,
        )


def _moment(
    duty: Duty, said: Said, new: DutiesData, at: datetime, limits: Limits, *, bundled: bool
) -> tuple[datetime, str | None]:
    """When a reminder is said, and its bundle: the grid brings together what would come in drops."""
    if not bundled or duty.due_at is None:
        return at, None
    at = _on_grid(at, limits.bundling, not_before=new.as_of)
    at = at if at < duty.due_at else new.as_of
    return at, f"{new.network}/{duty.site}/{said.occasion}/{at.isoformat()}"


def _on_grid(moment: datetime, step: timedelta, *, not_before: datetime) -> datetime:
    """The grid's point at or before `moment`; the next one where that lies before `not_before`."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    point = moment - (moment - epoch) % step
    return point if point >= not_before else point + step


def _saying(
    duty: Duty,
    plan: Plan,
    said: Said,
    new: DutiesData,
    partition: int,
    *,
    mark: datetime,
    at: datetime,
    until: datetime | None = None,
    due_at: datetime | None = None,
    escalation: bool = False,
    bundle: str | None = None,
    terms: tuple[Duty, ...] = (),
    site: str | None = None,
) -> Saying:
    return Saying(
        occasion=said.occasion,
        to=said.to,
        network=new.network,
        waybill=new.waybill,
        about=about(duty.duty_id),
        mark=mark,
        at=at,
        until=until,
        urgency=plan.urgency,
        escalation=escalation,
        bundle=bundle,
        partition=partition,
        site=site or duty.site,
        desk=duty.desk,
        due_at=due_at,
        duty=duty,
        terms=terms,
    )
