"""The words of a notice: Jinja2 templates as data, one folder a language, one file an occasion.

A template's first line is the notice's title, the rest its body. Both are plain text: what is put into them is made
harmless for plain text here (one line, no control characters); who shows them in HTML escapes them there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

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


class Texts:
    """Renders tellings. `evidence_max` bounds the evidence listed; the rest is counted."""

    def __init__(
        self, folder: Path = TEMPLATES, *, evidence_max: int, appeal_days: int, zone_name: str
    ) -> None:
        # autoescape is for HTML; the notices are plain text, and `finalize` makes each inserted value safe for that.
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=False,
            undefined=StrictUndefined,
            finalize=_finalize,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters["yuan"] = yuan
        self._environment.globals.update(
            evidence_max=evidence_max,
            appeal_days=appeal_days,
            zone_name=zone_name,
            changed_members=changed_members,
        )
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

    def _template(self, language: str, occasion: str) -> Template:
        key = (language, occasion)
        if key not in self._templates:
            self._templates[key] = self._environment.get_template(f"{language}/{occasion}.j2")
        return self._templates[key]


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
