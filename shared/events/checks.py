"""What contract.md asks of an event beyond its types: forms, who may say what, and sense of time.

On the hot path `fits` answers in a fraction of a microsecond, because it compares with forms seen before; only what does
not fit at a glance is looked at by `problems`, which says what is wrong and where.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import inspect

from shared.events.complaints import (
    ComplaintClosed,
    ComplaintEscalated,
    ComplaintFlagged,
    ComplaintHandled,
    ComplaintOpened,
    ComplaintReceived,
    ComplaintReopened,
    ReplyAudited,
    ReplyRegistered,
)
from shared.events.envelope import Envelope
from shared.events.evidence import EvidenceSubmitted
from shared.events.payments import (
    CompensationOffered,
    CompensationPaid,
    CompensationSettledPrivately,
    ReceiptRequired,
    ReceiptReturned,
)
from shared.events.reports import GoodsDisposed, NoticeAnswered, NoticeForwarded, NoticePosted, ReportFiled
from shared.events.returns import RedirectRequested, ReturnAnswered, ReturnFeeNotified, ReturnRequested
from shared.events.rulings import AppealDecided, AppealFiled, RulingMade
from shared.events.scans import ScanEvent
from shared.events.signatures import SignatureRecorded, SignatureVoided
from shared.events.values import SITE, SITE_PATTERN, SOURCE_PATTERN, SUBJECT_PATTERN

AHEAD_MAX: Final = timedelta(minutes=10)
"""How far `time` may lie ahead of the receiver's clock (contract.md §1)."""
YEAR_MIN: Final = 2000
YEAR_MAX: Final = 9998
"""Bounds of every date: beyond them a shift into another time zone, or a term added, would leave the calendar."""
SEEN_MAX: Final = 65_536
"""Sources, subjects and site codes remembered at most, each; then forgotten and learnt anew."""

_DESK: Final = "/desks"
_REGULATOR: Final = "/regulators"


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with an event: where (a JSON pointer), and what."""

    pointer: str
    message: str


class _Profile(NamedTuple):
    """How one event type is checked."""

    scan: bool
    may_say: Callable[[Any, str], str | None] | None
    """(event, speaker) → what is wrong with who says it. Speaker: a site's code, `/desks` or `/regulators`."""
    site_names: tuple[str, ...]
    sites: Callable[[Any], tuple[str | None, ...]] | None
    day_names: tuple[str, ...]
    days: Callable[[Any], tuple[Any, ...]] | None


_source_form = re.compile(SOURCE_PATTERN)
_subject_form = re.compile(SUBJECT_PATTERN)
_site_form = re.compile(SITE_PATTERN)

_speakers: dict[str, str] = {}
_subjects: dict[str, bytes] = {}
_sites: set[str | None] = {None}


def fits(event: Envelope, key: bytes | None = None) -> bool:
    """Whether the event is right at a glance. False only means: ask `problems`."""
    speaker = _speakers.get(event.source)
    if speaker is None:
        return False
    subject = event.subject
    known_key = _subjects.get(subject) or _learn_subject(subject)
    if known_key is None or (key is not None and key != known_key) or not event.id.isprintable():
        return False
    scan, may_say, _, sites, _, days = _PROFILES[event.__class__]
    data = event.data  # type: ignore[attr-defined]
    if scan:
        if data.site != speaker:
            return False
    elif may_say is not None and may_say(event, speaker) is not None:
        return False
    if sites is not None and not _sites.issuperset(sites(data)):
        return False
    if not YEAR_MIN <= event.time.year <= YEAR_MAX:
        return False
    if days is not None and not _days_fit(days(data)):
        return False
    return event.recordedtime is None or YEAR_MIN <= event.recordedtime.year <= YEAR_MAX


def problems(event: Envelope, key: bytes | None = None) -> list[FieldError]:
    """Everything that is wrong with a decoded event; remembers the forms that are right, for `fits`."""
    errors: list[FieldError] = []
    if not event.id.isprintable():
        errors.append(FieldError("/id", "must be printable characters only"))
    if (_subjects.get(event.subject) or _learn_subject(event.subject)) is None:
        errors.append(FieldError("/subject", f"must be {{network}}/{{waybill}} as {SUBJECT_PATTERN}"))
    elif key is not None and key != event.subject.encode():
        errors.append(FieldError("/subject", "is not the record's key: publish with the subject as key"))
    profile = _PROFILES[type(event)]
    data = event.data  # type: ignore[attr-defined]
    speaker = _speaker(event.source)
    if speaker is None:
        errors.append(FieldError("/source", "must be /sites/{site}, /desks/{desk} or /regulators/{code}"))
    else:
        errors += _check_speaker(profile, event, speaker)
    for name in dict.fromkeys(profile.site_names):
        if not _is_site(getattr(data, name)):
            errors.append(FieldError(f"/data/{name}", f"must be a site code as {SITE_PATTERN}"))
    for pointer, day in _days_of(event, profile):
        if day is not None and not YEAR_MIN <= day.year <= YEAR_MAX:
            errors.append(FieldError(pointer, f"must lie in the years {YEAR_MIN} to {YEAR_MAX}"))
    return errors


def check_time(event: Envelope, now: datetime) -> FieldError | None:
    """What is wrong with the event's time for a receiver whose clock shows `now`: more than 10 minutes ahead."""
    latest = now + AHEAD_MAX
    if event.time > latest:
        return FieldError(
            "/time", "lies more than 10 minutes ahead of the receiver's clock: check the sender's clock"
        )
    if event.recordedtime is not None and event.recordedtime > latest:
        return FieldError("/recordedtime", "lies more than 10 minutes ahead of the receiver's clock")
    return None


def is_network_of(network: str, subject: str) -> bool:
    """Whether the subject belongs to the network."""
    return subject.startswith(f"{network}/")


def _check_speaker(profile: _Profile, event: Envelope, speaker: str) -> list[FieldError]:
    if profile.scan:
        site = event.data.site  # type: ignore[attr-defined]
        if site == speaker:
            return []
        return [
            FieldError(
                "/data/site", "a scan is told by the site that made it: source must be /sites/{data.site}"
            )
        ]
    wrong = profile.may_say(event, speaker) if profile.may_say else None
    if wrong is None:
        return []
    pointer, _, message = wrong.partition(" ")
    return [FieldError(pointer, message)]


def _days_of(event: Envelope, profile: _Profile) -> list[tuple[str, Any]]:
    data = event.data  # type: ignore[attr-defined]
    inner = [(f"/data/{name}", getattr(data, name)) for name in dict.fromkeys(profile.day_names)]
    return [("/time", event.time), ("/recordedtime", event.recordedtime), *inner]


def _days_fit(days: tuple[Any, ...]) -> bool:
    for day in days:  # noqa: SIM110 - a generator costs more than the loop on the hot path
        if day is not None and not YEAR_MIN <= day.year <= YEAR_MAX:
            return False
    return True


def _learn_subject(subject: str) -> bytes | None:
    """The key of a subject of the right form."""
    if _subject_form.fullmatch(subject) is None:
        return None
    if len(_subjects) >= SEEN_MAX:
        _subjects.clear()
    key = _subjects[subject] = subject.encode()
    return key


def _speaker(source: str) -> str | None:
    speaker = _speakers.get(source)
    if speaker is None and _source_form.fullmatch(source) is not None:
        _, kind, name = source.split("/")
        if len(_speakers) >= SEEN_MAX:
            _speakers.clear()
        speaker = _speakers[source] = name if kind == "sites" else f"/{kind}"
    return speaker


def _is_site(code: str | None) -> bool:
    if code in _sites:
        return True
    if code is None or _site_form.fullmatch(code) is None:
        return False
    if len(_sites) >= SEEN_MAX:
        _sites.clear()
        _sites.add(None)
    _sites.add(code)
    return True


def _only_desks(_event: Any, speaker: str) -> str | None:
    return None if speaker == _DESK else "/source only a desk may say this: source must be /desks/{desk}"


def _desk_or_regulator(_event: Any, speaker: str) -> str | None:
    if speaker in (_DESK, _REGULATOR):
        return None
    return (
        "/source only a regulator or a desk may say this: source must be /regulators/{code} or /desks/{desk}"
    )


def _desk_or_own_site(event: Any, speaker: str) -> str | None:
    if speaker in (_DESK, event.data.site):
        return None
    return "/source only a desk or the site itself may say this: source must be /desks/{desk} or /sites/{data.site}"


def _own_site(event: Any, speaker: str) -> str | None:
    """A site speaks for itself; desks and regulators may enter what a site told them."""
    if speaker == event.data.site or speaker in (_DESK, _REGULATOR):
        return None
    return "/data/site a site speaks for itself only: source must be /sites/{data.site}"


def _audited_by_desk(event: Any, speaker: str) -> str | None:
    if event.data.audited and speaker != _DESK:
        return "/data/audited only a desk may submit audited evidence: leave it out or send it from /desks/{desk}"
    return None


def _redirect(event: Any, _speaker_code: str) -> str | None:
    if event.data.by == "recipient":
        return "/data/by a redirect before delivery is asked for by the sender (GB-07)"
    if event.data.new_recipient is not None:
        return (
            "/data/new_recipient a redirect before delivery may change the address, not the recipient (GB-07)"
        )
    return None


_MAY_SAY: Final[dict[type[Envelope], Callable[[Any, str], str | None]]] = {
    **dict.fromkeys(
        (
            ComplaintOpened,
            ComplaintReopened,
            ComplaintFlagged,
            ComplaintHandled,
            ComplaintClosed,
            ReplyAudited,
            AppealDecided,
            RulingMade,
        ),
        _only_desks,
    ),
    ComplaintReceived: _desk_or_own_site,
    ComplaintEscalated: _desk_or_regulator,
    **dict.fromkeys(
        (
            SignatureRecorded,
            SignatureVoided,
            ReplyRegistered,
            ReportFiled,
            NoticePosted,
            NoticeForwarded,
            NoticeAnswered,
            GoodsDisposed,
            ReturnRequested,
            ReturnAnswered,
            ReturnFeeNotified,
            CompensationOffered,
            CompensationPaid,
            CompensationSettledPrivately,
            ReceiptRequired,
            ReceiptReturned,
            AppealFiled,
        ),
        _own_site,
    ),
    EvidenceSubmitted: _audited_by_desk,
    RedirectRequested: _redirect,
}


def _profile(event_class: type[Envelope]) -> _Profile:
    data = next(f.type for f in _struct(event_class).fields if f.name == "data")
    assert isinstance(data, inspect.StructType)
    scan = event_class in ScanEvent.__args__
    # A scan's site equals the source's, whose form is checked; the other sites of the data are not.
    site_names = tuple(f.name for f in data.fields if _marks_site(f.type) and not (scan and f.name == "site"))
    day_names = tuple(f.name for f in data.fields if _holds(f.type, (inspect.DateTimeType, inspect.DateType)))
    return _Profile(
        scan, _MAY_SAY.get(event_class), site_names, _getter(site_names), day_names, _getter(day_names)
    )


def _struct(event_class: type[Envelope]) -> inspect.StructType:
    described = inspect.type_info(event_class)
    assert isinstance(described, inspect.StructType)
    return described


def _alternatives(described: inspect.Type) -> tuple[inspect.Type, ...]:
    return described.types if isinstance(described, inspect.UnionType) else (described,)


def _holds(described: inspect.Type, kinds: tuple[type[inspect.Type], ...]) -> bool:
    return any(isinstance(kind, kinds) for kind in _alternatives(described))


def _marks_site(described: inspect.Type) -> bool:
    return any(
        isinstance(kind, inspect.Metadata) and bool((kind.extra or {}).get(SITE))
        for kind in _alternatives(described)
    )


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]] | None:
    # attrgetter returns a tuple for two names or more: a single one is asked twice.
    return attrgetter(*names, names[-1]) if names else None


_PROFILES: dict[type[Envelope], _Profile] = {}


def register(event_classes: tuple[type[Envelope], ...]) -> None:
    """Prepare the checks of these event types; done once, when the package is imported."""
    _PROFILES.update({event_class: _profile(event_class) for event_class in event_classes})
