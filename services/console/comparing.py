"""What changed from one version of a verdict to the next. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

_COMPARED = ("amount_fen", "state", "awards", "evidence", "calculation", "reason", "clause")


class Change(NamedTuple):
    """One finding's change. `fields`: which of its members differ, where it stands in both versions."""

    kind: Literal["added", "changed", "gone"]
    finding_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    fields: tuple[str, ...] = ()

    @property
    def money_fen(self) -> int:
        """By how much the finding's standing amount differs."""
        return _standing_fen(self.after) - _standing_fen(self.before)


class Step(NamedTuple):
    """A version, and what it changed of the one before it."""

    version: Mapping[str, Any]
    changes: tuple[Change, ...]

    @property
    def money_fen(self) -> int:
        """By how much the sum of the standing amounts differs."""
        return sum(change.money_fen for change in self.changes)


def steps(versions: Sequence[Mapping[str, Any]], *, whole: bool) -> list[Step]:
    """Each of `versions` (newest first) beside its predecessor. `whole`: the first version is among them."""
    first: Mapping[str, Any] | None = {"findings": []} if whole else None
    older = [*versions[1:], first] if versions else []
    return [
        Step(version, () if before is None else tuple(changes(before["findings"], version["findings"])))
        for version, before in zip(versions, older, strict=True)
    ]


def changes(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Change]:
    """The differences between the findings of two verdicts, in the order of the newer one."""
    old = {finding["finding_id"]: finding for finding in before}
    new = {finding["finding_id"]: finding for finding in after}
    found = []
    for finding_id in [*new, *(key for key in old if key not in new)]:
        change = _change(finding_id, old.get(finding_id), new.get(finding_id))
        if change is not None:
            found.append(change)
    return found


def _change(
    finding_id: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Change | None:
    stood, stands = _stands(before), _stands(after)
    if not stood and not stands:
        return None
    if not stood or not stands:
        return Change("added" if stands else "gone", finding_id, before, after)
    assert before is not None
    assert after is not None
    fields = tuple(name for name in _COMPARED if before.get(name) != after.get(name))
    return Change("changed", finding_id, before, after, fields) if fields else None


def _stands(finding: Mapping[str, Any] | None) -> bool:
    return finding is not None and finding["state"] != "revoked"


def _standing_fen(finding: Mapping[str, Any] | None) -> int:
    return int(finding["amount_fen"]) if finding is not None and _stands(finding) else 0
