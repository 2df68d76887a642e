"""The complaint desk's list: one row for each complaint, with its clocks (rules.md §4). Pure.

A row holds no person's data: neither texts nor names.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from services.arbitration.projections.looked import Looked
from services.arbitration.rules.case import Case
from services.arbitration.rules.clocks import (
    DESKS,
    contact_term,
    contacts_of,
    desk_of,
    form_received,
    settle_term,
    settlements,
)
from services.arbitration.rules.complaints import Complaint, complaints, responsible_site
from services.arbitration.rules.localtime import HOUR_S, moment_of
from services.arbitration.rules.stream import Known
from shared.events import ComplaintEscalated, ComplaintFlagged, ComplaintOpened, Event

State = Literal["open", "contacted", "settled", "closed"]
PROGRESS: Final = frozenset({"progress", "resolved", "compensated", "declined"})
"""Outcomes of a reply that tell the customer how far the complaint is (SD-07: progress or later)."""


class ComplaintRow(NamedTuple):
    """A complaint and its clocks, to the second; a due moment is the last one of its term."""

    complaint_id: str
    desk: str | None
    channel: str
    category: str
    claimant: str
    against_site: str | None
    responsible_site: str | None
    major: bool
    major_ground: str | None
    closed_at_intake: bool
    opened_at: datetime
    flagged_at: datetime | None
    contacted_at: datetime | None
    first_settled_at: datetime | None
    """What SD-03 looks at: reopening starts no new term."""
    reopened: int
    """How often the customer came back."""
    reopened_at: datetime | None
    escalations: int

    # What the desk recorded at closing, as it last said it.
    class_: str | None = None
    subclass: str | None = None
    satisfied: bool | None = None

    # Since the customer last came back.
    state: State = "open"
    handled_at: datetime | None = None
    closed_at: datetime | None = None
    settled_at: datetime | None = None
    follow_up_due_at: datetime | None = None
    followed_up_at: datetime | None = None
    follow_up_missed: bool = False
    """Whether an earlier settlement had no follow-up in time."""

    # By which the responsible site is measured: none where nobody had to be asked.
    forward_due_at: datetime | None = None
    forwarded_at: datetime | None = None
    received_at: datetime | None = None
    contact_due_at: datetime | None = None
    progress_due_at: datetime | None = None
    progressed_at: datetime | None = None
    """When the customer was told how far it is, at the latest by its settlement."""
    settle_due_at: datetime | None = None


def concerns_desk(looked: Looked) -> bool:
    """Whether a desk spoke about the waybill: only then can there be a complaint, or have been one."""
    return any(known.event.source.startswith(DESKS) for known in looked.known)


def rows_of(looked: Looked) -> list[ComplaintRow]:
    """The rows of a waybill that was looked at."""
    if not any(known.event.__class__ is ComplaintOpened for known in looked.known):
        return []
    return complaint_rows(looked.case())


def complaint_rows(case: Case) -> list[ComplaintRow]:
    """The rows of a waybill about which all rules were asked, in the order in which the complaints were opened."""
    return [_row(case, complaint) for complaint in complaints(case)]


def _row(case: Case, complaint: Complaint) -> ComplaintRow:
    data = complaint.opened.event.data
    site = responsible_site(case, complaint.opened)
    contacts = [at for at, _ in contacts_of(case, complaint, site)] if site is not None else []
    at_intake = complaint.closed_at_intake(_value(case, complaint, "SD-01", "forward_hours")) is not None
    row = ComplaintRow(
        complaint_id=complaint.id,
        desk=desk_of(complaint.opened),
        channel=data.channel,
        category=data.category,
        claimant=data.claimant,
        against_site=data.against_site,
        responsible_site=site,
        major=data.major,
        major_ground=data.major_ground,
        closed_at_intake=at_intake,
        opened_at=moment_of(complaint.opened.at),
        flagged_at=_first(_about(case, ComplaintFlagged, complaint)),
        contacted_at=moment_of(contacts[0]) if contacts else None,
        first_settled_at=_first(complaint.settlements),
        reopened=len(complaint.reopened),
        reopened_at=_first(complaint.reopened[-1:]),
        escalations=len(_about(case, ComplaintEscalated, complaint)),
    )
    row = _with_closing(_with_settlement(row, case, complaint, contacts), complaint)
    return row if site is None or at_intake else _with_site_clocks(row, case, complaint, site)


def _with_closing(row: ComplaintRow, complaint: Complaint) -> ComplaintRow:
    """The row with the classification (SD-06) and the customer's satisfaction."""
    for known in complaint.closed:
        data = known.event.data
        if data.class_ is not None:
            row = row._replace(class_=data.class_, subclass=data.subclass)
        if data.satisfied is not None:
            row = row._replace(satisfied=data.satisfied)
    return row


def _with_settlement(
    row: ComplaintRow, case: Case, complaint: Complaint, contacts: Sequence[int]
) -> ComplaintRow:
    """The row with how far the complaint is since the customer last came to the desk with it."""
    rounds = settlements(case, complaint, _value(case, complaint, "SD-05", "follow_up_working_days"))
    missed = any(one is not None and one.missed for one in rounds[:-1])
    begun = complaint.reopened[-1].at if complaint.reopened else complaint.opened.at
    current = rounds[-1]
    if current is None:
        contacted = any(at >= begun for at in contacts)
        return row._replace(state="contacted" if contacted else "open", follow_up_missed=missed)
    closed_at = _first(complaint.closed, begun)
    return row._replace(
        state="settled" if closed_at is None else "closed",
        handled_at=_first(complaint.handled, begun),
        closed_at=closed_at,
        settled_at=moment_of(current.settled.at),
        follow_up_due_at=moment_of(current.term.last),
        followed_up_at=_first([current.followed_up] if current.followed_up is not None else []),
        follow_up_missed=missed,
    )


def _with_site_clocks(row: ComplaintRow, case: Case, complaint: Complaint, site: str) -> ComplaintRow:
    """The row with the clocks that the responsible site is measured by.

    The list shows a complaint to its site as soon as the system knows of it: that is its forwarding (SD-01).
    """
    opened = complaint.opened
    start = form_received(complaint, site)
    forward_s = _value(case, complaint, "SD-01", "forward_hours") * HOUR_S
    contact_hours = _value(case, complaint, "SD-02", "contact_hours")
    progress_hours = _value(case, complaint, "SD-07", "progress_hours")
    settle_days = _value(case, complaint, "SD-03", "settle_working_days")
    told = [known.at for known in complaint.replies if known.event.data.outcome in PROGRESS]
    told += [known.at for known in complaint.settlements[:1]]
    return row._replace(
        forward_due_at=moment_of(opened.at + forward_s),
        forwarded_at=moment_of(max(opened.at, opened.recorded)),
        received_at=moment_of(start.at) if start is not opened else None,
        contact_due_at=moment_of(contact_term(case, complaint, site, contact_hours).last),
        progress_due_at=moment_of(contact_term(case, complaint, site, progress_hours).last),
        progressed_at=moment_of(min(told)) if told else None,
        settle_due_at=moment_of(settle_term(case, complaint, site, settle_days).last),
    )


def _value(case: Case, complaint: Complaint, rule_id: str, name: str) -> int:
    """A parameter of a desk rule in force on the day of the opening; of its first block on days before that."""
    rule = case.rules.by_id[rule_id]
    return (rule.on(complaint.opened.day) or rule.blocks[0])[name]


def _about(case: Case, kind: type[Event], complaint: Complaint) -> list[Known[Any]]:
    """The events of one class that name the complaint."""
    return [known for known in case.by_type.get(kind, ()) if known.event.data.complaint_id == complaint.id]


def _first(events: Sequence[Known[Any]], begun: int = 0) -> datetime | None:
    """When the first of these events happened that came no earlier than `begun`."""
    return next((moment_of(known.at) for known in events if known.at >= begun), None)
