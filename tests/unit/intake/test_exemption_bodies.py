"""The days of an exemption: as days, or as moments that lie in them."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from services.intake.registry_bodies import ExemptionBody


def body(first: object) -> ExemptionBody:
    return ExemptionBody.model_validate(
        {
            "sites": ["GZ01"],
            "from": first,
            "to": "2026-03-08",
            "ground": "flood",
            "reason": "r",
            "officer": "o",
        }
    )


@pytest.mark.parametrize(
    "said", ["2026-03-06", "2026-03-06T00:00:00+08:00", "2026-03-05T16:00:00Z", "2026-03-06T15:59:59.9Z"]
)
def test_a_moment_stands_for_its_local_day(said: str) -> None:
    assert body(said).from_ == date(2026, 3, 6)


@pytest.mark.parametrize(
    "said",
    [
        "2026-03-06T00:00:00",
        "2026-03-06 ",
        "6 March",
        20260306,
        "0001-01-01T00:00:00+14:00",
        "2026-13-06T00:00:00Z",
    ],
)
def test_what_is_neither_is_refused(said: object) -> None:
    with pytest.raises(ValidationError, match="from"):
        body(said)
