"""How pages are made: Jinja2 with everything escaped, the words of both languages, local times and amounts in yuan."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

Language = Literal["zh", "en"]
LANGUAGE_COOKIE = "language"
_HERE = Path(__file__).parent
_YEAR_S = 365 * 24 * 3600


class View:
    """Renders pages for requests. `zone_name` is the zone in which moments are shown."""

    def __init__(self, zone_name: str, *, secure_cookies: bool) -> None:
        zone = ZoneInfo(zone_name)
        self._secure_cookies = secure_cookies
        self._words: Mapping[str, Mapping[str, Mapping[str, str]]] = tomllib.loads(
            (_HERE / "words.toml").read_text(encoding="utf-8")
        )
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            "yuan": yuan,
            "pretty": _pretty,
            "local": lambda moment: local(moment, zone),
        }

    def page(
        self, request: Request, template: str, *, status: int = 200, signed_in: bool = True, **values: Any
    ) -> HTMLResponse:
        """The page `template` with `values`, in the viewer's language."""
        language = language_of(request)

        def word(group: str, name: str) -> str:
            known = self._words.get(group, {}).get(name)
            return known[language] if known else name

        content = self._environment.get_template(template).render(
            language=language,
            word=word,
            signed_in=signed_in,
            path=request.url.path,
            other_language=request.url.include_query_params(lang="en" if language == "zh" else "zh").query,
            **values,
        )
        response = HTMLResponse(content, status)
        if request.query_params.get("lang") in ("zh", "en"):
            self.remember(response, LANGUAGE_COOKIE, language, _YEAR_S)
        return response

    def remember(self, response: HTMLResponse | Any, name: str, value: str, seconds: int | None) -> None:
        """Set a cookie that scripts cannot read and other sites cannot send."""
        response.set_cookie(
            name, value, max_age=seconds, httponly=True, samesite="strict", secure=self._secure_cookies
        )


def language_of(request: Request) -> Language:
    """The language asked for: `?lang=`, else the cookie's, else English where the browser prefers it, else Chinese."""
    asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    if asked in ("zh", "en"):
        return "en" if asked == "en" else "zh"
    preferred = request.headers.get("accept-language", "")[:2].lower()
    return "en" if preferred == "en" else "zh"


def yuan(amount_fen: int) -> str:
    """`1500000` fen as `15,000.00`."""
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{abs(amount_fen) // 100:,}.{abs(amount_fen) % 100:02d}"


def local(moment: str | None, zone: ZoneInfo) -> str:
    """An RFC 3339 moment as local date and time; what is none stays as it is, nothing is a dash."""
    if not moment:
        return "–"
    try:
        return datetime.fromisoformat(moment).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return moment


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
