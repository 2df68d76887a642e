"""What a verdict's calculations say about time: terms that ended, and stretches that were late. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

_ENDS = frozenset(("due", "entry_due", "last_day", "due_day", "by"))
_TEXT = re.compile(r"(\d{4}-\d\d-\d\d)(?: (\d\d:\d\d(?::\d\d)?))?")
_DAY = timedelta(days=1)


class Term(NamedTuple):
    """The end of a term by a rule, on a site's duty."""

    at: datetime
    rule: str
    site: str | None


class Late(NamedTuple):
    """A stretch in which a site was late, by a rule's reckoning of whole days."""

    site: str
    rule: str
    begin: datetime
    end: datetime


def terms_of(findings: Iterable[Mapping[str, Any]], zone: ZoneInfo) -> list[Term]:
    """The ends of the terms that the findings' calculations name, without repetition; a day's term ends with the day."""
    found = {
        Term(at, finding["rule"], finding["site"])
        for finding in findings
        for at in _ends(finding["calculation"], zone)
    }
    return sorted(found, key=lambda term: (term.at, term.rule, term.site or ""))


def late_of(findings: Iterable[Mapping[str, Any]], zone: ZoneInfo) -> list[Late]:
    """The late stretches that the calculations' stages name: from the end of the day that was due to that of the last."""
    late = []
    for finding in findings:
        stages = finding["calculation"].get("stages")
        for stage in stages if isinstance(stages, list) else []:
            begin, end = (moment_of(stage.get(name), zone) for name in ("due", "until"))
            if finding["site"] and begin and end and begin < end:
                late.append(Late(finding["site"], finding["rule"], begin, end))
    return late


def _ends(value: Any, zone: ZoneInfo) -> Iterator[datetime]:
    if isinstance(value, list):
        for item in value:
            yield from _ends(item, zone)
    elif isinstance(value, dict):
        for name, item in value.items():
            at = moment_of(item, zone) if name in _ENDS else None
            if at is not None:
                yield at
            else:
                yield from _ends(item, zone)


def moment_of(text: Any, zone: ZoneInfo) -> datetime | None:
    """A local day (its end) or moment as calculations write them; None for anything else."""
    match = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    try:
        day = datetime.fromisoformat(match[1]).replace(tzinfo=zone)
        return (
            datetime.fromisoformat(f"{match[1]} {match[2]}").replace(tzinfo=zone) if match[2] else day + _DAY
        )
    except (ValueError, OverflowError):
        return None
