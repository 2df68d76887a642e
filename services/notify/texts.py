"""The words of a notice: Jinja2 templates as data, one folder a language, one file an occasion.

A template's first line is the notice's title, the rest its body. Both are plain text: what is put into them is made
harmless for plain text here (one line, no control characters); who shows them in HTML escapes them there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from services.notify.domain.findings import changed_members
from services.notify.domain.telling import Telling

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
TEMPLATES = Path(__file__).parent / "templates"

# C0 and C1 controls, zero-width and bidirectional marks (they can make a text read as another one), line and
# paragraph separators, and surrogates, which UTF-8 cannot carry.
_CONTROLS = "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+"
_UNSAFE = re.compile(_CONTROLS)


@dataclass(frozen=True, slots=True)
class Words:
    """A notice's title (one line) and body (several), plain text."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a message shows of a notice. `due_at`: the last second to act."""

    title: str
    body: str
    due_at: datetime | None


class Texts:
    """Renders tellings. `evidence_max` bounds the evidence listed; the rest is counted."""

    def __init__(
        self, folder: Path = TEMPLATES, *, evidence_max: int, appeal_days: int, zone_name: str
    ) -> None:
        zone = ZoneInfo(zone_name)
        values = {
            "evidence_max": evidence_max,
            "appeal_days": appeal_days,
            "zone_name": zone_name,
            "changed_members": changed_members,
        }
        filters = {
            "yuan": yuan,
            "moment": partial(moment, zone=zone),
            "deadline": partial(deadline, zone=zone),
        }
        # The notices are plain text: `finalize` makes each inserted value safe for that. HTML is escaped instead.
        plain = Environment(autoescape=False, finalize=_finalize, **_common(folder))
        html = Environment(autoescape=True, **_common(folder))
        for environment in (plain, html):
            environment.filters.update(filters)
            environment.globals.update(values)
        self._plain = plain
        self._html = html
        self._templates: dict[tuple[str, str], Template] = {}

    def render(self, telling: Telling, language: Language) -> Words:
        """The words of `telling` in `language`. A missing template or value raises: a defect of the templates."""
        text = self._template(language, telling.occasion).render(
            telling.values,
            network=telling.network,
            waybill=telling.waybill,
            site=telling.site,
            version=telling.version,
            due_at=telling.due_at,
        )
        title, _, body = text.strip().partition("\n")
        return Words(title.strip(), re.sub(r"\n{3,}", "\n\n", body.strip()))

    def mail(self, notices: Sequence[Shown], *, site: str, subject: str, language: Language) -> str:
        """One HTML message to `site` that shows `notices`, in their order; everything put in is escaped."""
        layout = self._html.get_template(f"{language}/_mail.html.j2")
        return layout.render(notices=notices, site=site, subject=subject)

    def _template(self, language: str, occasion: str) -> Template:
        key = (language, occasion)
        if key not in self._templates:
            self._templates[key] = self._plain.get_template(f"{language}/{occasion}.j2")
        return self._templates[key]


def _common(folder: Path) -> dict[str, Any]:
    return {
        "loader": FileSystemLoader(folder),
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "auto_reload": False,
    }


def moment(at: datetime, *, zone: tzinfo) -> str:
    """`at` in local time, to the minute."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def deadline(last_second: datetime, *, zone: tzinfo) -> str:
    """The end of a term in local time; a day's last second is that day's 24:00, as the rules say it."""
    local = last_second.astimezone(zone)
    if (local.hour, local.minute, local.second) == (23, 59, 59):
        return f"{local:%Y-%m-%d} 24:00"
    return moment(local + timedelta(seconds=1) if local.second == 59 else local, zone=zone)


def yuan(amount_fen: int) -> str:
    """`15000` fen as `150.00`."""
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{abs(amount_fen) // 100}.{abs(amount_fen) % 100:02d}"


def harmless(text: str) -> str:
    """`text` on one line of printable characters that any store and channel can carry."""
    return _UNSAFE.sub(" ", text) if not text.isprintable() else text


def _finalize(value: object) -> object:
    if isinstance(value, str):
        return harmless(value)
    return value.isoformat() if isinstance(value, datetime) else value
