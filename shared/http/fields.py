"""Types of members that requests have in common, with the checks of contract.md §1."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from shared.registry import NETWORK_PATTERN, SITE_PATTERN

# C0 and C1 controls and lone surrogates: PostgreSQL, UTF-8 or a terminal cannot carry them.
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_OFFSET_AFTER_SPACE = re.compile(r"(T\d\d:[\d:.]+) (\d\d:\d\d)$")
_NUMBER = re.compile(r"\s*[-+]?[\d._]+([eE][-+]?\d+)?\s*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


def _printable(text: str) -> str:
    if _UNPRINTABLE.search(text):
        raise ValueError("must not contain control characters or lone surrogates")
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(_printable(text))
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError("must be an absolute URL such as https://example.com/hook") from None
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}")
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or not port_ok or " " in text:
        raise ValueError("must be an absolute http or https URL such as https://example.com/hook")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("must have neither a user name nor a fragment")
    return text


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(_printable(text)):
        raise ValueError("must be an e-mail address such as outlet@example.com")
    return text


def _day_text(value: Any) -> Any:
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("must be a day as yyyy-mm-dd")
    return _only_text(value)


def _only_text(value: Any) -> Any:
    # pydantic would also take a number as seconds since 1970, which the contract does not know.
    if not isinstance(value, str | date):
        raise ValueError("must be a string")
    return value


Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
"""One line of text, not blank, without control characters."""

LongLine = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_printable)]
"""A longer text, not blank, without control characters."""

WebUrl = Annotated[
    str, Field(min_length=1, max_length=2048, json_schema_extra={"format": "uri"}), AfterValidator(_url)
]
"""An absolute http or https URL without user name and fragment."""

Email = Annotated[
    str, Field(min_length=3, max_length=254, json_schema_extra={"format": "email"}), AfterValidator(_email)
]

Day = Annotated[date, BeforeValidator(_day_text)]
"""A day, `yyyy-mm-dd`."""

Moment = Annotated[AwareDatetime, BeforeValidator(_only_text)]
"""RFC 3339 with offset."""

NetworkCode = Annotated[str, Field(pattern=NETWORK_PATTERN)]
SiteCode = Annotated[str, Field(pattern=SITE_PATTERN)]

NetworkPath = Annotated[str, Path(pattern=NETWORK_PATTERN, description="the network's code")]
SitePath = Annotated[str, Path(pattern=SITE_PATTERN, description="the site's code")]


def _with_its_plus(value: Any) -> Any:
    """A plus sign that the sender did not escape arrives as a space; before an offset it can be nothing else."""
    if not isinstance(value, str):
        return value
    if _NUMBER.fullmatch(value):
        # pydantic would take it as seconds since 1970, which the contract does not know.
        raise ValueError("must be a moment in RFC 3339 with its offset")
    return _OFFSET_AFTER_SPACE.sub(r"\1+\2", value)


def in_range(moment: datetime) -> datetime:
    """Refuse a moment that no term can be added to."""
    if not 1900 <= moment.year <= 2200:
        raise ValueError("must lie in the years 1900 to 2200")
    return moment


QueryMoment = Annotated[AwareDatetime, BeforeValidator(_with_its_plus), AfterValidator(in_range)]
"""A moment with its offset as a query parameter, in a range that every term can be added to; `+08:00` may stand there
unescaped."""
