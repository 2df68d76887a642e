"""What stands against one site, and until when it may appeal. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from services.console.effects import APPEALABLE
from services.console.formats import moment_of

_ISSUED = ("finding_issued", "finding_changed")


class Own(NamedTuple):
    """A finding against the site, in its case. `due_at`: the last second to appeal, where the site was told one.

    `open`: whether it may still appeal.
    """

    case: Mapping[str, Any]
    finding: Mapping[str, Any]
    due_at: str | None
    open: bool


def own_findings(
    cases: Sequence[Mapping[str, Any]], site: str, notices: Sequence[Mapping[str, Any]], now: datetime
) -> list[Own]:
    """What stands against `site` in `cases`, nothing of others; the terms as `notices` told the site last."""
    until = _terms(notices)
    found = []
    for case in cases:
        for finding in (case["verdict"] or {}).get("findings", []):
            if finding["site"] != site or finding["state"] == "revoked":
                continue
            due_at = until.get((case["network"], case["waybill"], finding["finding_id"]))
            last = moment_of(due_at)
            open_ = finding["kind"] in APPEALABLE and finding["state"] in ("active", "provisional")
            found.append(Own(case, finding, due_at, open_ and last is not None and now <= last))
    return found


def _terms(notices: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], str]:
    told = sorted(notices, key=lambda one: str(one["created_at"]))
    return {
        (one["network"], one["waybill"], one["finding_id"]): one["due_at"]
        for one in told
        if one["occasion"] in _ISSUED and one.get("due_at")
    }
