"""Where the worked cases are: the public ones, which lie outside the repository, and the project's own."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
PUBLIC = Path(os.environ.get("FAULTLINE_CASES") or _ROOT.parent / "shared" / "cases")
OWN = _ROOT / "tests" / "cases"


def case_files() -> list[Path]:
    """All cases at hand, the public ones first."""
    return sorted(PUBLIC.glob("*.json")) + sorted(OWN.glob("*.json"))
