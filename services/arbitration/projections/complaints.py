"""The complaint desk's list: one row for each complaint, with its clocks (rules.md §4). Pure.

A row holds no person's data: neither texts nor names.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from services.arbitration.rules.case import Case
from services.arbitration.rules.clocks import (
    Settlement,
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
from shared.events import ComplaintEscalated

State = Literal["open", "contacted", "settled", "closed"]
PROGRESS: Final = frozenset({"progress", "resolved", "compensated", "declined"})
"""Outcomes of a reply that tell the customer how far the complaint is (SD-07: progress or later)."""


class ComplaintRow(NamedTuple):
    """A complaint and its clocks, to the second; a due moment is the last one of its term.

    `state`, `settled_at`, `follow_up_due_at` and `followed_up_at` are those since the customer last came back.
    The clocks from `forward_due_at` to `settle_due_at` are None where no site had to be asked.
    """

    complaint_id: str
    desk: str | None
    channel: str
    category: str
    class_: str | None
    """None: not classified yet (SD-06)."""
    subclass: str | None
    major: bool
    major_ground: str | None
    site: str | None
    """The responsible site (SD-06)."""
    state: State
    closed_at_intake: bool
    opened_at: datetime
    contacted_at: datetime | None
    first_settled_at: datetime | None
    """What SD-03 looks at: reopening starts no new term."""
    settled_at: datetime | None
    follow_up_due_at: datetime | None
    followed_up_at: datetime | None
    follow_up_missed: bool
    """Whether an earlier settlement had no follow-up in time."""
    reopenings: int
    reopened_at: datetime | None
    escalations: int
    escalated_at: datetime | None
    forward_due_at: datetime | None = None
    forwarded_at: datetime | None = None
    received_at: datetime | None = None
    contact_due_at: datetime | None = None
    progress_due_at: datetime | None = None
    progress_told_at: datetime | None = None
    """When the customer was told how far it is, at the latest by its settlement."""
    settle_due_at: datetime | None = None


def complaint_rows(case: Case) -> list[ComplaintRow]:
    """The rows of a waybill about which all rules were asked, in the order in which the complaints were opened."""
    return [_row(case, complaint) for complaint in complaints(case)]


def _row(case: Case, complaint: Complaint) -> ComplaintRow:
    data = complaint.opened.event.data
    site = responsible_site(case, complaint.opened)
    at_intake = complaint.closed_at_intake(_value(case, complaint, "SD-01", "forward_hours")) is not None
    contacts = [at for at, _ in contacts_of(case, complaint, site)] if site is not None else []
    rounds = settlements(case, complaint, _value(case, complaint, "SD-05", "follow_up_working_days"))
    current = rounds[-1]
    classified = [known.event.data for known in complaint.closed if known.event.data.class_ is not None]
    escalated = [
        known for known in case.of(ComplaintEscalated) if known.event.data.complaint_id == complaint.id
    ]
    row = ComplaintRow(
        complaint_id=complaint.id,
        desk=desk_of(complaint.opened),
        channel=data.channel,
        category=data.category,
        class_=classified[-1].class_ if classified else None,
        subclass=classified[-1].subclass if classified else None,
        major=data.major,
        major_ground=data.major_ground,
        site=site,
        state=_state(complaint, contacts, current),
        closed_at_intake=at_intake,
        opened_at=moment_of(complaint.opened.at),
        contacted_at=moment_of(contacts[0]) if contacts else None,
        first_settled_at=_at(next(iter(complaint.settlements), None)),
        settled_at=_at(current.settled) if current is not None else None,
        follow_up_due_at=moment_of(current.term.last) if current is not None else None,
        followed_up_at=_at(current.followed_up) if current is not None else None,
        follow_up_missed=any(one is not None and one.missed for one in rounds[:-1]),
        reopenings=len(complaint.reopened),
        reopened_at=_at(complaint.reopened[-1] if complaint.reopened else None),
        escalations=len(escalated),
        escalated_at=_at(next(iter(escalated), None)),
    )
    return row if site is None or at_intake else _with_site_clocks(row, case, complaint, site)


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
        progress_told_at=moment_of(min(told)) if told else None,
        settle_due_at=moment_of(settle_term(case, complaint, site, settle_days).last),
    )


def _state(complaint: Complaint, contacts: Sequence[int], current: Settlement | None) -> State:
    """How far the complaint is since the customer last came to the desk with it."""
    begun = complaint.reopened[-1].at if complaint.reopened else complaint.opened.at
    if current is not None:
        return "closed" if any(known.at >= begun for known in complaint.closed) else "settled"
    return "contacted" if any(at >= begun for at in contacts) else "open"


def _value(case: Case, complaint: Complaint, rule_id: str, name: str) -> int:
    """A parameter of a desk rule in force on the day of the opening; of its first block on days before that."""
    rule = case.rules.by_id[rule_id]
    return (rule.on(complaint.opened.day) or rule.blocks[0])[name]


def _at(known: Known[Any] | None) -> datetime | None:
    return moment_of(known.at) if known is not None else None
