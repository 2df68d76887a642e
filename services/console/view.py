"""How pages are made: Jinja2 with everything escaped, the words of both languages, local times and amounts in yuan."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.console.drawing.charts import short
from services.console.formats import Language, duration, local, pretty, yuan
from services.console.viewer import Viewer
from services.console.vocabulary import Words
from shared.clock import Clock

if TYPE_CHECKING:
    from services.console.kit import Item

LANGUAGE_COOKIE = "language"
_HERE = Path(__file__).parent
STATIC = _HERE / "static"
_YEAR_S = 365 * 24 * 3600


class View:
    """Renders pages for requests. `zone_name` is the zone in which moments are shown."""

    def __init__(
        self, zone_name: str, clock: Clock, *, secure_cookies: bool, navigation: Iterable[Item] = ()
    ) -> None:
        self.zone = ZoneInfo(zone_name)
        self.words = Words()
        self._clock = clock
        self._navigation = tuple(navigation)
        self._secure_cookies = secure_cookies
        self._assets = {
            path.name: f"/static/{path.name}?v={hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
            for path in STATIC.iterdir()
        }
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
            "pretty": pretty,
            "short": short,
            "local": lambda moment: local(moment, self.zone),
            "minute": lambda moment: local(moment, self.zone, "%m-%d %H:%M"),
            "day": lambda moment: local(moment, self.zone, "%Y-%m-%d"),
            "field": lambda moment: local(moment, self.zone, "%Y-%m-%dT%H:%M:%S") if moment else "",
        }
        self._environment.globals["asset"] = self._assets.__getitem__

    def page(
        self,
        request: Request,
        template: str,
        *,
        viewer: Viewer | None,
        status: int = 200,
        **values: Any,
    ) -> HTMLResponse:
        """The page `template` with `values`, in the viewer's language. `viewer` None: nobody has signed in."""
        language = language_of(request)
        content = self._environment.get_template(template).render(
            language=language,
            word=self.word(request),
            choices=partial(self.words.choices, language),
            until=partial(self._until, language),
            span=partial(duration, language=language),
            viewer=viewer,
            navigation=self._shown(viewer),
            path=quote(request.scope["path"]),
            query=request.query_params,
            other_language=request.url.include_query_params(lang="en" if language == "zh" else "zh").query,
            **values,
        )
        response = HTMLResponse(content, status)
        if request.query_params.get("lang") in ("zh", "en"):
            self.remember(response, LANGUAGE_COOKIE, language, _YEAR_S)
        return response

    def word(self, request: Request) -> partial[str]:
        """`word(group, name)` in the viewer's language."""
        return partial(self.words.say, language_of(request))

    def remember(self, response: Response, name: str, value: str, seconds: int | None) -> None:
        """Set a cookie that scripts cannot read and other sites cannot send."""
        response.set_cookie(
            name, value, max_age=seconds, httponly=True, samesite="strict", secure=self._secure_cookies
        )

    def _shown(self, viewer: Viewer | None) -> Mapping[str, list[Item]]:
        groups: dict[str, list[Item]] = {}
        for item in self._navigation:
            if viewer is not None and item.shown(viewer):
                groups.setdefault(item.group, []).append(item)
        return groups

    def _until(self, language: Language, moment: str | datetime) -> str:
        """How long it is to `moment`, in words; with a minus sign where it is over."""
        there = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
        return duration(timedelta(seconds=round((there - self._clock.now()).total_seconds())), language)


def language_of(request: Request) -> Language:
    """The language asked for: `?lang=`, else the cookie's, else English where the browser prefers it, else Chinese."""
    asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    if asked in ("zh", "en"):
        return "en" if asked == "en" else "zh"
    preferred = request.headers.get("accept-language", "")[:2].lower()
    return "en" if preferred == "en" else "zh"
