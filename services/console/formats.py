"""How amounts, moments and durations are written. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

Language = Literal["zh", "en"]

_UNITS: dict[Language, tuple[tuple[int, str, str], ...]] = {
    "zh": ((86_400, " 天", " 天"), (3_600, " 小时", " 小时"), (60, " 分", " 分"), (1, " 秒", " 秒")),
    "en": ((86_400, " day", " days"), (3_600, " h", " h"), (60, " min", " min"), (1, " s", " s")),
}


def yuan(amount_fen: int) -> str:
    """`1500000` fen as `15,000.00`."""
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{abs(amount_fen) // 100:,}.{abs(amount_fen) % 100:02d}"


def moment_of(text: Any) -> datetime | None:
    """The moment of an RFC 3339 text with offset; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def local(moment: str | datetime | None, zone: ZoneInfo, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A moment as local date and time; what is none stays as it is, nothing is a dash."""
    if not moment:
        return "–"
    parsed = moment if isinstance(moment, datetime) else moment_of(moment)
    return str(moment) if parsed is None else parsed.astimezone(zone).strftime(form)


def from_local(text: str, zone: ZoneInfo) -> datetime | None:
    """The moment that a form's `datetime-local` field names, in the networks' zone; None where it names none."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if not 1900 <= moment.year <= 2200:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def duration(span: timedelta, language: Language) -> str:
    """A span in words, by its two largest units: `2 days 3 h`, `3 小时 5 分`; a minus sign before one that is over."""
    seconds = abs(round(span.total_seconds()))
    words: list[str] = []
    left = seconds
    for size, one, many in _UNITS[language]:
        count, left = divmod(left, size)
        if count or (size == 1 and not words):
            words.append(f"{count}{one if count == 1 else many}")
        elif words:
            break
        if len(words) == 2:
            break
    return ("−" if span < timedelta(0) and seconds else "") + " ".join(words)


def pretty(value: Any) -> str:
    """A JSON value on several lines."""
    return json.dumps(value, ensure_ascii=False, indent=2)
