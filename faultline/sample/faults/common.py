"""What several families of scenarios tell alike."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from faultline.sample.journey import person
from faultline.sample.parcel import ARBITRATION_DESK, COMPLAINT_DESK, Draft, Parcel

BOTH = ("tiantian", "zto")


def report(
    parcel: Parcel, kind: str, by: str, at: datetime, against: str | None = None, **data: Any
) -> Draft:
    """A site asks for arbitration."""
    report_id = parcel.reference("R")
    return parcel.tell(
        "report.filed", by, at, report_id=report_id, site=by, kind=kind, against_site=against, **data
    )


def notice(parcel: Parcel, kind: str, by: str, to: str, at: datetime, **data: Any) -> Draft:
    """A site tells another what is wrong with what it received."""
    notice_id = parcel.reference("N")
    return parcel.tell("notice.posted", by, at, notice_id=notice_id, site=by, to_site=to, kind=kind, **data)


def value_proof(parcel: Parcel, after: Draft, *, days: int = 1) -> Draft:
    """The desk enters an invoice that shows what the goods were worth."""
    amount_fen = 100 * parcel.random.choice((45, 80, 120, 180, 260, 450, 1200))
    return parcel.tell(
        "evidence.submitted",
        ARBITRATION_DESK,
        parcel.office_hour(after.time, days),
        evidence_id=parcel.reference("E"),
        site=parcel.origin.code,
        kind="value_proof",
        amount_fen=amount_fen,
        audited=True,
    )


def contact_log(parcel: Parcel, after: Draft, party: str = "recipient") -> Draft:
    """The delivery site telephoned, within two hours."""
    at = parcel.minutes_after(after, 10, 120)
    return parcel.tell(
        "evidence.submitted",
        parcel.destination.code,
        at,
        evidence_id=parcel.reference("E"),
        site=parcel.destination.code,
        kind="contact_log",
        party=party,
        contacted_at=at,
        purpose="派件联系",
    )


def complaint(
    parcel: Parcel, category: str, at: datetime, *, claimant: str = "recipient", **data: Any
) -> Draft:
    """A customer complains at the desk."""
    return parcel.tell(
        "complaint.opened",
        COMPLAINT_DESK,
        at,
        complaint_id=parcel.reference("C"),
        channel=parcel.random.choice(("phone", "phone", "web", "message")),
        category=category,
        claimant=claimant,
        **data,
    )


def received(parcel: Parcel, opened: Draft, site: str) -> Draft:
    """The site has the complaint's form."""
    at = parcel.minutes_after(opened, 3, 25)
    return parcel.tell("complaint.received", site, at, complaint_id=opened.data["complaint_id"], site=site)


def reply(parcel: Parcel, opened: Draft, site: str, outcome: str, hours: int) -> Draft:
    """The site registers what it answered, about so many hours after the opening."""
    return parcel.tell(
        "reply.registered",
        site,
        parcel.minutes_after(opened, hours * 60 - 40, hours * 60 + 10),
        complaint_id=opened.data["complaint_id"],
        site=site,
        outcome=outcome,
        text="已电话联系客户，说明处理情况。",
    )


def handled(parcel: Parcel, opened: Draft, site: str, hours: int) -> Draft:
    """The desk learned that it was settled."""
    return parcel.tell(
        "complaint.handled",
        COMPLAINT_DESK,
        parcel.minutes_after(opened, hours * 60, hours * 60 + 30),
        complaint_id=opened.data["complaint_id"],
        site=site,
    )


def closed(parcel: Parcel, opened: Draft, hours: int, *, satisfied: bool = True) -> Draft:
    """The desk asked the customer and closed the complaint."""
    return parcel.tell(
        "complaint.closed",
        COMPLAINT_DESK,
        parcel.minutes_after(opened, hours * 60, hours * 60 + 50),
        complaint_id=opened.data["complaint_id"],
        satisfied=satisfied,
        **{"class": parcel.random.choice(("service_quality", "operations"))},
    )


def settle(parcel: Parcel, opened: Draft, site: str) -> None:
    """Everything that the desk's rules ask for, in time."""
    received(parcel, opened, site)
    reply(parcel, opened, site, "contacted", 2)
    reply(parcel, opened, site, "resolved", 18)
    handled(parcel, opened, site, 20)
    closed(parcel, opened, 23)


def ruling(parcel: Parcel, action: str, rule: str, site: str, at: datetime, **data: Any) -> Draft:
    """An officer rules."""
    return parcel.tell(
        "ruling.made",
        ARBITRATION_DESK,
        at,
        ruling_id=parcel.reference("L"),
        action=action,
        rule=rule,
        site=site,
        officer=person(parcel.random),
        **data,
    )


def photo_taken(parcel: Parcel, at: datetime) -> dict[str, Any]:
    """How a notice describes goods without label, so that others recognise them."""
    return {
        "packaging": "纸箱",
        "shape": "方形",
        "size": f"{parcel.random.randint(20, 60)}×{parcel.random.randint(15, 40)}×{parcel.random.randint(10, 30)} cm",
        "photo_published_at": at - timedelta(minutes=5),
    }
