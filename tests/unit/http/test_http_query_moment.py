"""A moment in a query string, as people and programs write it."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.http.fields import QueryMoment

_moment = TypeAdapter(QueryMoment)


@pytest.mark.parametrize(
    "text", ["2026-03-06T10:00:00+08:00", "2026-03-06T10:00:00 08:00", "2026-03-06T02:00:00Z"]
)
def test_an_unescaped_plus_is_understood(text: str) -> None:
    assert _moment.validate_python(text) == datetime.fromisoformat("2026-03-06T10:00:00+08:00")


@pytest.mark.parametrize(
    "text",
    ["2026-03-06T10:00:00", "2026-03-06 08:00", "yesterday", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
)
def test_what_is_no_moment_in_range_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        _moment.validate_python(text)
