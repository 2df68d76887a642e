"""A sample telling for each occasion, from the file beside the templates: for previews, and to test every template."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from services.notify.domain.findings import Stake
from services.notify.domain.telling import Telling
from services.notify.texts import TEMPLATES
from shared.errors import FaultlineError
from shared.events.duties import Duty
from shared.events.outputs import Finding

SAMPLES = TEMPLATES / "samples.yaml"

_TYPES: Mapping[str, Any] = {
    "duty": Duty,
    "terms": list[Duty],
    "items": list[tuple[str, list[Duty]]],
    "finding": Finding,
    "before": Finding | None,
    "stake": Stake,
    "stake_before": Stake | None,
}
"""Values of these names are of these types; all others are put in as they stand."""


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One occasion's entry of the file."""

    site: str
    values: dict[str, Any]
    waybill: str | None = "560000000001"
    version: int = 2
    due_at: datetime | None = None


def sample_tellings(file: Path = SAMPLES) -> dict[str, Telling]:
    """The sample of each occasion. Raises msgspec.ValidationError where a value is not of its type."""
    entries = yaml.safe_load(file.read_text(encoding="utf-8"))["occasions"]
    return {
        occasion: _telling(occasion, msgspec.convert(entry, Sample)) for occasion, entry in entries.items()
    }


def sample_of(occasion: str) -> Telling:
    """The sample of `occasion`. Raises FaultlineError where there is none."""
    tellings = sample_tellings()
    if occasion not in tellings:
        raise FaultlineError(
            f"There is no occasion {occasion}.",
            cause="its name is misspelt, or it has no sample.",
            remedy=f"take one of: {', '.join(sorted(tellings))}.",
        )
    return tellings[occasion]


def _telling(occasion: str, sample: Sample) -> Telling:
    return Telling(
        occasion=occasion,
        network="tiantian",
        site=sample.site,
        identity=("sample",),
        values={
            name: msgspec.convert(value, _TYPES[name]) if name in _TYPES else value
            for name, value in sample.values.items()
        },
        waybill=sample.waybill,
        version=sample.version,
        due_at=sample.due_at,
    )
