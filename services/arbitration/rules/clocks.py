"""The clocks of a complaint (rules.md §4, source 003): its terms, and what was done by when.

The desk's rules judge by them, and the desk's list shows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from services.arbitration.rules.case import EXEMPT_DAYS_MAX, Case
from services.arbitration.rules.complaints import Complaint
from services.arbitration.rules.localtime import HOUR_S, date_of, day_number, day_of, seconds, start_of
from services.arbitration.rules.stream import Known
from shared.events import ComplaintClosed, ComplaintOpened, EvidenceSubmitted
from shared.workdays import working_term

DESKS: Final = "/desks/"
"""How the sources of complaint desks and arbitration officers begin."""


class Term(NamedTuple):
    """A term: its last second, and the assumed calendars and exemptions that it rests on."""

    last: int
    calendars: tuple[str, ...]
    exemptions: frozenset[str]


class Settlement(NamedTuple):
    """A settlement, the term of its follow-up (SD-05), the follow-up, and whether the customer came back before the
    term was over, so that none was needed."""

    settled: Known[Any]
    term: Term
    followed_up: Known[ComplaintClosed] | None
    lapsed: bool

    @property
    def missed(self) -> bool:
        """Whether no follow-up came within the term, once it is over."""
        in_time = self.followed_up is not None and self.followed_up.at <= self.term.last
        return not in_time and not self.lapsed


def desk_of(opened: Known[ComplaintOpened]) -> str | None:
    """The code of the desk that took the complaint."""
    source = opened.event.source
    return source.removeprefix(DESKS) if source.startswith(DESKS) else None


def form_received(complaint: Complaint, site: str) -> Known[Any]:
    """What starts the site's clocks: its receipt of the form, else the opening, since forwarding is immediate."""
    return next((known for known in complaint.received if known.event.data.site == site), complaint.opened)


def contact_term(case: Case, complaint: Complaint, site: str, hours: int) -> Term:
    """Until when the site has to contact the customer (SD-02), or the customer is told the progress (SD-07)."""
    return _hours_term(case, form_received(complaint, site).at, hours, site)


def settle_term(case: Case, complaint: Complaint, site: str, working_days: int) -> Term:
    """Until when the complaint has to be settled (SD-03)."""
    return _working_days_term(case, form_received(complaint, site).day, working_days, site)


def contacts_of(case: Case, complaint: Complaint, site: str) -> list[tuple[int, Known[Any]]]:
    """When the site contacted the customer about the complaint and what shows it, in order."""
    shown: list[tuple[int, Known[Any]]] = [
        *((reply.at, reply) for reply in complaint.replies if reply.event.data.site == site),
        *((handled.at, handled) for handled in complaint.handled),
        *((at, log) for at, log in _contact_logs(case, site) if at >= complaint.opened.at),
    ]
    return sorted(shown, key=lambda contact: contact[0])


def _contact_logs(case: Case, site: str) -> Iterator[tuple[int, Known[EvidenceSubmitted]]]:
    for log in case.of(EvidenceSubmitted):
        data = log.event.data
        if data.kind == "contact_log" and log.event.site == site:
            yield seconds(data.contacted_at) if data.contacted_at is not None else log.at, log


def settlements(case: Case, complaint: Complaint, follow_up_working_days: int) -> list[Settlement | None]:
    """The first settlement after the opening and after each reopening, in order; None where there was none."""
    follow_ups = [closed for closed in complaint.closed if closed.event.data.satisfied is not None]
    rounds: list[Settlement | None] = []
    begun = complaint.opened.at
    for again in (*(known.at for known in complaint.reopened), None):
        settled = next(
            (
                known
                for known in complaint.settlements
                if known.at >= begun and (again is None or known.at < again)
            ),
            None,
        )
        if again is not None:
            begun = again
        if settled is None:
            rounds.append(None)
            continue
        term = _working_days_term(case, settled.day, follow_up_working_days, None)
        followed_up = next((known for known in follow_ups if known.at >= settled.at), None)
        lapsed = again is not None and again <= term.last
        rounds.append(Settlement(settled, term, followed_up, lapsed))
    return rounds


def _hours_term(case: Case, start: int, hours: int, site: str) -> Term:
    """The last second of a term of hours; the hours of days exempt at the site do not count."""
    exempt, left, at = case.exempt, hours * HOUR_S, start
    if exempt is None:
        return Term(start + left, (), frozenset())
    touched: set[str] = set()
    first = day_of(start)
    for day in range(first, first + EXEMPT_DAYS_MAX):
        ids = exempt.on(day, site)
        touched.update(ids)
        over = start_of(day + 1)
        if not ids:
            if at + left < over:
                break
            left -= over - at
        at = over
    case.exemptions |= touched
    return Term(at + left, (), frozenset(touched))


def _working_days_term(case: Case, start: int, working_days: int, site: str | None) -> Term:
    """The last second of a term of working days after a local day; days exempt at the site do not count."""
    touched: set[str] = set()
    calendars: set[str] = set()
    day, left, limit = start, working_days, start + EXEMPT_DAYS_MAX
    while left and day < limit:
        last, assumed = working_term(date_of(day), 1)
        day = day_number(last)
        calendars.update(assumed)
        ids = case.exempt.on(day, site) if case.exempt is not None and site is not None else []
        touched.update(ids)
        left -= not ids
    case.exemptions |= touched
    return Term(start_of(day + 1) - 1, tuple(sorted(calendars)), frozenset(touched))
