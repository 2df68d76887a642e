"""What another rulebook would change: findings and money by rule and site, summed up over waybills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from services.arbitration.rules.library import OverrideError, Overrides, Rulebooks
from shared.events.outputs import Finding


def overridden_for(rulebooks: Rulebooks, network: str, overrides: Overrides) -> Rulebooks:
    """The rulebooks with other values, every one of which judges waybills of `network`. Raises OverrideError."""
    changed = rulebooks.overridden(overrides)
    rules = changed.of(network)
    for rule_id in overrides:
        if rule_id not in rules.by_id and rule_id != rules.general.id:
            raise OverrideError(f"does not judge waybills of {network}: it would change nothing.", rule_id)
    return changed


@dataclass(slots=True)
class Sums:
    """Findings of one rule at one site, what it owes by them, and what findings of others award to it."""

    findings: int = 0
    charged_fen: int = 0
    awarded_fen: int = 0


@dataclass(slots=True)
class Tally:
    """One rule at one site before and after. A finding is `changed` whose kind, state, amount or awards differ.

    `example`: the subject of a waybill where something differs.
    """

    before: Sums = field(default_factory=Sums)
    after: Sums = field(default_factory=Sums)
    added: int = 0
    removed: int = 0
    changed: int = 0
    example: str | None = None


class Difference:
    """The sum over some waybills. `rows` is keyed by (rule, site or None); an award's `to` stands for a site too."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str | None], Tally] = {}
        self.judged = 0
        self.not_judged = 0
        self.changed = 0
        """Waybills on which anything differs."""
        self.baselines_differing = 0
        """Waybills whose findings under the rulebook in force are not the ones issued."""

    def add(
        self, subject: str, issued: Iterable[Finding], before: Iterable[Finding], after: Iterable[Finding]
    ) -> None:
        """Add a waybill: what was issued, what stands under the rulebook in force and what under the other one."""
        old, new = _standing(before), _standing(after)
        self.judged += 1
        self.baselines_differing += _substances(old) != _substances(_standing(issued))
        self.changed += _substances(old) != _substances(new)
        for finding_id in dict.fromkeys((*old, *new)):
            self._compare(subject, old.get(finding_id), new.get(finding_id))

    def _compare(self, subject: str, old: Finding | None, new: Finding | None) -> None:
        touched = [
            *(self._count(old, "before") if old is not None else ()),
            *(self._count(new, "after") if new is not None else ()),
        ]
        if old is not None and new is not None and _substance(old) == _substance(new):
            return
        own = touched[0]
        own.added += old is None
        own.removed += new is None
        own.changed += old is not None and new is not None
        for row in touched:
            row.example = row.example or subject

    def _count(self, finding: Finding, side: Literal["before", "after"]) -> list[Tally]:
        """Add a finding to one side; the rows it stands in, its own first."""
        own = self._row(finding.rule, finding.site)
        sums: Sums = getattr(own, side)
        sums.findings += 1
        sums.charged_fen += finding.amount_fen
        rows = [own]
        for award in finding.awards:
            row = self._row(finding.rule, award.to)
            sums = getattr(row, side)
            sums.awarded_fen += award.amount_fen
            rows.append(row)
        return rows

    def _row(self, rule: str, site: str | None) -> Tally:
        return self.rows.setdefault((rule, site), Tally())


def _standing(findings: Iterable[Finding]) -> dict[str, Finding]:
    return {finding.finding_id: finding for finding in findings if finding.state != "revoked"}


def _substances(findings: dict[str, Finding]) -> dict[str, Any]:
    return {finding_id: _substance(finding) for finding_id, finding in findings.items()}


def _substance(finding: Finding) -> tuple[Any, ...]:
    """What of a finding has consequences; its wording and the parameters that led to it have none."""
    return finding.site, finding.kind, finding.state, finding.amount_fen, finding.awards
