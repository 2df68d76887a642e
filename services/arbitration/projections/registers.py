"""The registers that offices keep: which waybills stand on which page of them, and what stands there. Pure.

What is kept is only where a waybill stands. What the page says is worked out from its events when it is read: no person's
data is kept twice, and an entry is as fresh as the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, get_args

from services.arbitration.projections.looked import Looked
from services.arbitration.rules.case import Case
from services.arbitration.rules.custody import Link
from services.arbitration.rules.freight.late import due_day
from services.arbitration.rules.localtime import day_of, moment_of, say_day, seconds
from services.arbitration.rules.stream import Known
from shared.events import (
    Event,
    GoodsFound,
    NoticePosted,
    ReceiptAudited,
    ReceiptLost,
    ReceiptRequired,
    ReceiptReturned,
    ReportFiled,
    ScanArrived,
    ScanCollected,
    ScanDeparted,
    ScanOutForDelivery,
    ScanProblem,
    ScanReturned,
    SignaturePhoto,
    SignatureRecorded,
)

Register = Literal["anomalies", "problems", "deliveries", "missorts", "receipts", "photos"]
REGISTERS: Final[tuple[Register, ...]] = get_args(Register)

_ORDINARY: Final = frozenset(
    {ScanCollected, ScanDeparted, ScanArrived, ScanOutForDelivery, SignatureRecorded}
)
_MOVES: Final = (ScanOutForDelivery, ScanDeparted, ScanReturned, SignatureRecorded)
_HARMS: Final = {
    "goods_missing": "goods_missing",
    "waybill_missing": "waybill_missing",
    "damage": "damage",
    "outer_damage": "damage",
    "inner_damage": "damage",
    "damaged": "damage",
    "loss": "loss",
    "shortage": "shortage",
}
"""What a notice, a report or a problem scan says is wrong with the goods, as the bulletin calls it."""


class Entry(NamedTuple):
    """One line of a register. `site` keeps it, `against` is the other site that it is about.

    `day`: the local day under which it stands. `closed`: the local day since which nothing is left to do about it.
    `persons`: of the details that tell about a person, whose they are: who employs the courier, who wrote the note.
    """

    register: Register
    site: str
    against: str | None
    day: int
    at: int
    closed: int | None
    details: dict[str, Any]
    persons: Mapping[str, str | None]


class Place(NamedTuple):
    """Where a waybill stands: the page, whose it is, and whether by that site or about it."""

    register: Register
    site: str
    own: bool
    day: int
    closed: int | None


def concerns(looked: Looked) -> bool:
    """Whether the waybill may stand in a register, or have stood there.

    A parcel that was simply delivered on its day, as was known on that day, never does: that is most of them.
    """
    if not _ORDINARY.issuperset([known.event.__class__ for known in looked.known]):
        return True
    delivery = looked.custody.delivery
    if delivery is None or not delivery.signatures or len(delivery.out) != 1:
        return True
    signed = delivery.signatures[0]
    out_day = delivery.out[0].day
    if signed.day != out_day or day_of(signed.recorded) != out_day:
        return True
    return bool(_defects(signed.event.data.photo))


def places(looked: Looked) -> list[Place]:
    """Where a waybill that concerns the registers stands, as the look found it; the same place once."""
    found: dict[tuple[Register, str, int], Place] = {}
    case = Case(looked.known, looked.facts, looked.rules, seconds(looked.now))
    for entry in entries(case):
        for site, own in ((entry.site, True), (entry.against, False)):
            if site is None:
                continue
            key = entry.register, site, entry.day
            known = found.get(key)
            closed = entry.closed
            if known is not None:
                own = own or known.own
                closed = None if None in (closed, known.closed) else max(closed or 0, known.closed or 0)
            found[key] = Place(entry.register, site, own, entry.day, closed)
    return list(found.values())


def entries(case: Case) -> Iterator[Entry]:
    """All lines that the waybill has in the registers."""
    yield from _anomalies(case)
    yield from _problems(case)
    yield from _deliveries(case)
    yield from _missorts(case)
    yield from _receipts(case)
    yield from _photos(case)


def _anomalies(case: Case) -> Iterator[Entry]:
    """What is wrong with goods or papers (004, 2 (5) and anomalies): by whom it was found, on which vehicle it came."""
    found = next(iter(case.of(GoodsFound)), None)
    told: list[tuple[Known[Any], str, str | None]] = [
        *((known, known.event.data.kind, known.event.data.to_site) for known in case.of(NoticePosted)),
        *((known, known.event.data.kind, known.event.data.against_site) for known in case.of(ReportFiled)),
        *((known, known.event.data.reason, None) for known in case.of(ScanProblem)),
    ]
    for known, said, against in told:
        kind = _HARMS.get(said)
        if kind is None:
            continue
        site = known.event.data.site
        brought = _brought(case, site, known.at)
        closed = found if found is not None and kind in ("goods_missing", "loss") else None
        yield _entry(
            "anomalies",
            known,
            against or brought.get("from_site"),
            closed,
            kind=kind,
            said_by=known.event.__class__.__struct_config__.tag,
            bag=getattr(known.event.data, "bag", None) or brought.get("bag"),
            vehicle=brought.get("vehicle"),
            found_at=None if closed is None else moment_of(closed.at),
        )


def _brought(case: Case, site: str, at: int) -> dict[str, Any]:
    """The last departure towards `site` by then: from where, in which bag, on which vehicle."""
    left = [
        known.event.data
        for known in case.of(ScanDeparted)
        if known.event.data.next_site == site and known.at <= at
    ]
    if not left:
        return {}
    return {"from_site": left[-1].site, "bag": left[-1].bag, "vehicle": left[-1].vehicle}


def _problems(case: Case) -> Iterator[Entry]:
    """Problem pieces of a day (002, 6-4): who had it out, when it was announced, and what came of it."""
    for known in case.of(ScanProblem):
        data = known.event.data
        after = _next_move(case, known)
        told = _first_after(case.of(NoticePosted), known, data.site)
        yield _entry(
            "problems",
            known,
            None,
            after,
            reason=data.reason,
            note=data.note,
            courier=_courier(case, data.site, known.at),
            announced_at=None if told is None else moment_of(told.at),
            then=None if after is None else after.event.__class__.__struct_config__.tag,
            then_at=None if after is None else moment_of(after.at),
        )


def _deliveries(case: Case) -> Iterator[Entry]:
    """Delivery scans that are not answered by a signature of the same day, and the other way round (002, 6-3, 6-8).

    Couriers hand in at the end of the day: before it has ended nothing is missing.
    """
    for link in case.custody.links:
        handed_in = {known.day: known for known in reversed(link.signatures)}
        for day, out in {known.day: known for known in link.out}.items():
            if day < case.today and day not in handed_in:
                yield _not_handed_in(link, out)
        if link.signatures and not link.out:
            yield _entry(
                "deliveries",
                link.signatures[0],
                None,
                link.signatures[0],
                state="no_delivery_scan",
                courier=None,
            )


def _not_handed_in(link: Link, out: Known[Any]) -> Entry:
    signed = next((known for known in link.signatures if known.at >= out.at), None)
    problem = next((known for known in link.problems if known.at >= out.at and known.day == out.day), None)
    again = next((known for known in link.out if known.day > out.day), None)
    state = "handed_in_late" if signed is not None else "out_again" if again is not None else "missing"
    if problem is not None:
        state = "problem"
    return _entry(
        "deliveries",
        out,
        None,
        problem or signed or again,
        state=state,
        courier=out.event.data.courier,
        reason=None if problem is None else problem.event.data.reason,
        signed_at=None if signed is None else moment_of(signed.at),
    )


def _missorts(case: Case) -> Iterator[Entry]:
    """The missort statement (错分件说明表, 002 annex): where it should have gone, from whom it came, for what reason.

    A report is a line where no scan has said it.
    """
    scans: list[Known[Any]] = [
        known for known in case.of(ScanProblem) if known.event.data.reason == "missorted"
    ]
    reports = [
        known for known in case.of(ReportFiled) if known.event.data.kind in ("mistransit", "mark_miswritten")
    ]
    unclear = any(known.event.data.reason == "address_unclear" for known in case.of(ScanProblem))
    parcel = case.parcel
    destination = None if parcel is None else parcel.destination_site
    for known in scans or reports:
        site = known.event.data.site
        against = getattr(known.event.data, "against_site", None) or _brought(case, site, known.at).get(
            "from_site"
        )
        after = _next_move(case, known)
        yield _entry(
            "missorts",
            known,
            against if against != site else None,
            after,
            correct_site=destination,
            correct_mark=None if parcel is None else parcel.destination_mark,
            origin=case.custody.origin_site,
            reason="address_unclear" if unclear else "plain" if destination is not None else "other",
            said_by=known.event.__class__.__struct_config__.tag,
            sent_on_at=None if after is None else moment_of(after.at),
        )


def _receipts(case: Case) -> Iterator[Entry]:
    """The receipt register (004, 回单管理): one line a waybill whose signed receipt has to come back."""
    asked = next(iter(case.of(ReceiptRequired)), None)
    if asked is None:
        return
    custody, keeper = case.custody, case.custody.origin_site or asked.event.data.site
    back, sent = (_returned_by(case, site) for site in (keeper, custody.delivery_site))
    lost = next(iter(case.of(ReceiptLost)), None)
    audits = case.of(ReceiptAudited)
    rule = case.rules.by_id.get("LR-01")
    due = None if rule is None else due_day(case, rule)
    delivery = custody.delivery
    state = "returned" if back else "lost" if lost else "on_its_way" if sent else "waiting"
    yield _entry(
        "receipts",
        asked,
        custody.delivery_site,
        back or lost,
        state=state,
        arrived_at=moment_of(delivery.arrived.at)
        if delivery is not None and delivery.arrived is not None
        else None,
        due_on=None if due is None else say_day(due),
        sent_at=None if sent is None else moment_of(sent.at),
        returned_at=None if back is None else moment_of(back.at),
        lost_at=None if lost is None else moment_of(lost.at),
        abnormal=any(known.event.data.abnormal for known in audits),
        returnable=not any(known.event.data.returnable is False for known in audits),
    )._replace(site=keeper)


def _photos(case: Case) -> Iterator[Entry]:
    """Photos of signatures that prove nothing (000, 签收未收到): neither name nor who signed can be read."""
    for known in case.custody.signatures:
        if defects := _defects(known.event.data.photo):
            data = known.event.data
            courier = data.handler or _courier(case, data.site, known.at)
            yield _entry("photos", known, None, None, defects=defects, signer=data.signer, courier=courier)


def _defects(photo: SignaturePhoto | None) -> list[str]:
    if photo is None:
        return []
    seen = photo.shows_name or photo.shows_identity
    return [name for name, wrong in (("not_legible", not photo.legible), ("nobody_named", not seen)) if wrong]


def _entry(
    register: Register, known: Known[Any], against: str | None, closed: Known[Any] | None, **details: Any
) -> Entry:
    site: str = known.event.data.site
    closed_on = None if closed is None else max(closed.day, known.day)
    persons = {"courier": site, "note": known.event.source_site}
    return Entry(register, site, against, known.day, known.at, closed_on, details, persons)


def _next_move(case: Case, known: Known[Any]) -> Known[Event] | None:
    """What happened to the parcel next: out again, sent on or back, signed for."""
    later = (one for one in case.events if one.at > known.at and isinstance(one.event, _MOVES))
    return next(later, None)


def _first_after(notices: Sequence[Known[Any]], known: Known[Any], site: str) -> Known[Any] | None:
    return next((one for one in notices if one.event.data.site == site and one.at >= known.at), None)


def _courier(case: Case, site: str, at: int) -> str | None:
    """Who had the parcel out of `site` last by then."""
    outs = [
        one.event.data for one in case.of(ScanOutForDelivery) if one.event.data.site == site and one.at <= at
    ]
    return outs[-1].courier if outs else None


def _returned_by(case: Case, site: str | None) -> Known[ReceiptReturned] | None:
    return next((known for known in case.of(ReceiptReturned) if known.event.data.site == site), None)
