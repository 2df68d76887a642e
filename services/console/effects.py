"""What a decision does to the money: the difference between two verdicts, by site and by finding. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

MONEY_KINDS = frozenset({"fine", "compensation"})
APPEALABLE = frozenset({*MONEY_KINDS, "liability"})
"""The kinds of finding that a liable site may appeal against (rules.md §7)."""
_YUAN_MAX = Decimal(100_000_000)


class Standing(NamedTuple):
    """What somebody pays (more than 0) or receives (less than 0) by a verdict, in fen; `frozen_fen` of it waits for an appeal."""

    owed_fen: int = 0
    frozen_fen: int = 0


class Change(NamedTuple):
    """How a decision changes what `who` (a site, `hq` or a customer's role) pays or receives."""

    who: str
    before: Standing
    after: Standing

    @property
    def moved_fen(self) -> int:
        """More than 0: pays more or receives less."""
        return self.after.owed_fen - self.before.owed_fen

    @property
    def told(self) -> str:
        """What becomes of what it pays or receives: `pays_more`, `pays_less`, `receives_more` or `receives_less`."""
        if self.before.owed_fen + self.after.owed_fen < 0:
            return "receives_less" if self.moved_fen > 0 else "receives_more"
        return "pays_more" if self.moved_fen > 0 else "pays_less"


class FindingChange(NamedTuple):
    """A finding that appears, changes its state or amount, or goes; None: it is not there."""

    finding_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class Effect(NamedTuple):
    """What a decision does, most money first; empty where it changes nothing."""

    changes: list[Change]
    findings: list[FindingChange]


def effect(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Effect:
    """The difference between the findings of two verdicts on one waybill."""
    old, new = _standings(before), _standings(after)
    changes = [
        Change(who, old.get(who, Standing()), new.get(who, Standing())) for who in sorted({*old, *new})
    ]
    return Effect(
        sorted((one for one in changes if one.before != one.after), key=lambda one: -abs(one.moved_fen)),
        _changed(before, after),
    )


def first_issued(versions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """When each standing finding was first issued, from a case's versions, newest first: the term of appeal runs from then.

    What was revoked in between counts from when it came back.
    """
    first: dict[str, str] = {}
    for version in sorted(versions, key=lambda one: int(one["version"])):
        standing = [one["finding_id"] for one in version["findings"] if one["state"] != "revoked"]
        first = {finding: first.get(finding, version["decided_at"]) for finding in standing}
    return first


def fen_of(yuan: str) -> int | None:
    """An amount as people enter it, `1,500.00` or `15`, in fen; None for what is none, is negative or finer than a fen."""
    try:
        amount = Decimal(yuan.replace(",", "").replace("，", "").strip())
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 <= amount <= _YUAN_MAX or amount != amount.quantize(Decimal("0.01")):
        return None
    return int(amount * 100)


def _standings(findings: Iterable[Mapping[str, Any]]) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    for finding in findings:
        if finding["kind"] not in MONEY_KINDS or finding["state"] == "revoked" or finding["site"] is None:
            continue
        moves = [(finding["site"], finding["amount_fen"])]
        moves += [(award["to"], -award["amount_fen"]) for award in finding["awards"]]
        for who, amount_fen in moves:
            owed_fen, frozen_fen = found.get(who, Standing())
            held_fen = amount_fen if finding["state"] == "frozen" else 0
            found[who] = Standing(owed_fen + amount_fen, frozen_fen + held_fen)
    return found


def _changed(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[FindingChange]:
    old, new = ({one["finding_id"]: one for one in findings} for findings in (before, after))
    return [
        FindingChange(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if _told(old.get(name)) != _told(new.get(name))
    ]


def _told(finding: Mapping[str, Any] | None) -> tuple[Any, ...] | None:
    """What of a finding people would call its change; a revoked one is as good as none."""
    if finding is None or finding["state"] == "revoked":
        return None
    return finding["kind"], finding["site"], finding["amount_fen"], finding["state"], finding["awards"]
