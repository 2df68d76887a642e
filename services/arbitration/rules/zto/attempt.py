"""The delivery attempt and what has to be shown of it (ZT-01; 000 签收未收到, 撤销条件, 两者缺一不可)."""

from __future__ import annotations

from typing import Any

from services.arbitration.rules.case import Case
from services.arbitration.rules.custody import Link
from services.arbitration.rules.localtime import day_of, seconds
from services.arbitration.rules.stream import Known
from shared.events import EvidenceSubmitted


def attempts(delivery: Link, until: int) -> list[tuple[int, int]]:
    """First and last local day of each attempt to deliver: from going out to what ended it, at most to the moment `until`;
    and the day of each signature."""
    ends = sorted(known.at for known in (*delivery.departures, *delivery.problems, *delivery.signatures))
    days = []
    for out in delivery.out:
        end = next((at for at in ends if at >= out.at), out.at)
        days.append((out.day, day_of(min(end, until))))
    for signature in delivery.signatures:
        signed_at = signature.event.data.signed_at
        day = day_of(seconds(signed_at)) if signed_at is not None else signature.day
        days.append((day, day))
    return days


def contact_at_delivery(case: Case, delivery: Link, until: int) -> Known[EvidenceSubmitted] | None:
    """The first contact log by which the delivery site shows that it contacted the recipient when it delivered."""
    days = attempts(delivery, until)
    for known in case.of(EvidenceSubmitted):
        data = known.event.data
        if data.kind != "contact_log" or data.party == "sender":
            continue
        if known.event.site not in (None, delivery.site):
            continue
        contacted = contacted_at(known)
        if contacted <= until and any(first <= day_of(contacted) <= last for first, last in days):
            return known
    return None


def compliant_photo(case: Case, delivery: Link) -> Known[Any] | None:
    """The first photo, in evidence or of the signature, that is legible and shows the signer's name or who the proxy is."""
    for signature in delivery.signatures:
        photo = signature.event.data.photo
        if photo is not None and photo.legible and (photo.shows_name or photo.shows_identity):
            return signature
    for known in case.of(EvidenceSubmitted):
        data = known.event.data
        if data.kind == "photo" and data.legible and (data.shows_name or data.shows_identity):
            return known
    return None


def contacted_at(log: Known[EvidenceSubmitted]) -> int:
    """When the contact was made, in seconds: as the log says, else when it was submitted."""
    contacted = log.event.data.contacted_at
    return seconds(contacted) if contacted is not None else log.at
