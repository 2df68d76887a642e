"""What happens to findings after the rules: appeals freeze and change them, officers' rulings win (rules.md §7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from services.arbitration.rules.case import Case, yuan
from services.arbitration.rules.localtime import day_of, moment_of, seconds, start_of
from services.arbitration.rules.stream import Known
from shared.events import AppealDecided, AppealFiled, NoticePosted, RulingMade, RulingMadeData
from shared.events.outputs import HEADQUARTERS, Award, Clause, Finding, FindingKind, Text

APPEALABLE: Final[frozenset[FindingKind]] = frozenset({"fine", "compensation", "liability"})
PER_EVENT: Final = frozenset(
    {
        *(f"ZT-{number:02d}" for number in (*range(1, 11), 13)),
        *(f"YD-{number:02d}" for number in range(1, 4)),
        *(f"TT-{number:02d}" for number in (5, 8, 14, 15, 16, 17, 20, 21, 24, 27)),
        *(f"SD-{number:02d}" for number in range(1, 9)),
        "LR-04",
        "GB-02",
    }
)
"""Rules whose finding ids end with the id of what they are judged for (contract.md §4)."""
_OFFICER: Final = "officer"


class Standing:
    """The findings under the hands of appeals and rulings."""

    def __init__(self, case: Case, findings: list[Finding]) -> None:
        self._case = case
        self._by_id = {finding.finding_id: finding for finding in findings}
        self._renamed: dict[str, str] = {}
        self.overturned: dict[str, Finding] = {}
        self.fixed: dict[str, int] = {}
        """When a decision first took a finding away or fixed its amount: it grows no more from then on."""

    def findings(self) -> list[Finding]:
        """What stands, in the register's order."""
        return sorted(self._by_id.values(), key=self._case.rules.place)

    def resolve(self, finding_id: str) -> Finding | None:
        """The finding that an id stands for now: a decision that moved it to another site gave it another id."""
        for _ in range(len(self._renamed) + 1):
            if finding_id in self._by_id or finding_id not in self._renamed:
                break
            finding_id = self._renamed[finding_id]
        return self._by_id.get(finding_id)

    def named(self, ruling: RulingMadeData) -> list[Finding]:
        """What a ruling is about: the finding that it names, else all findings of its rule on its site."""
        if ruling.finding_id is not None:
            found = self.resolve(ruling.finding_id)
            return [found] if found is not None else []
        return [f for f in self._by_id.values() if f.rule == ruling.rule and f.site == ruling.site]

    def overturn(self, finding: Finding, decision: Known[Any], text: str, reference: str) -> None:
        """Take a finding out: it stays readable as revoked, with the decision as its reason."""
        del self._by_id[finding.finding_id]
        self.fixed.setdefault(finding.finding_id, decision.at)
        self.overturned[finding.finding_id] = msgspec.structs.replace(
            self._ruled(finding, decision, text, reference), state="revoked"
        )

    def change(
        self,
        finding: Finding,
        decision: Known[Any],
        text: str,
        reference: str,
        *,
        amount_fen: int | None,
        site: str | None,
        to: str | None = None,
    ) -> None:
        """Give a finding another amount, site or recipient; what is decided is provisional no more."""
        amount = finding.amount_fen if amount_fen is None else amount_fen
        liable = site or finding.site
        awards = _shared_out(self._recipients(finding, to), amount, liable)
        moved = liable != finding.site
        if moved or amount_fen is not None:
            self.fixed.setdefault(finding.finding_id, decision.at)
        changed = msgspec.structs.replace(
            finding,
            finding_id=self._free_id(finding, liable, reference) if moved else finding.finding_id,
            site=liable,
            role=self._case.role_of(liable) if moved else finding.role,
            kind=_kind(finding.kind, amount_fen),
            amount_fen=amount,
            awards=awards,
            state="active",
            triggered_at=moment_of(decision.at) if moved else finding.triggered_at,
        )
        ruled = self._ruled(changed, decision, text, reference)
        if moved:
            del self._by_id[finding.finding_id]
            self.overturned[finding.finding_id] = msgspec.structs.replace(
                finding, state="revoked", ruling=True, reason=ruled.reason, clause=ruled.clause
            )
            self._renamed[finding.finding_id] = ruled.finding_id
        self._by_id[ruled.finding_id] = ruled

    def add(self, ruling: Known[RulingMade]) -> None:
        """A finding that only an officer's ruling makes."""
        data = ruling.event.data
        plain = f"{data.rule}/{data.site}"
        amount = data.amount_fen or 0
        finding = Finding(
            finding_id=f"{plain}/{data.ruling_id}"
            if data.rule in PER_EVENT or plain in self._by_id
            else plain,
            rule=data.rule,
            kind="fine",
            site=data.site,
            role=self._case.role_of(data.site),
            amount_fen=amount,
            awards=_shared_out([Award(data.to or HEADQUARTERS, 1)], amount, data.site),
            evidence=self._case.evidence(self._urging(data.rule, data.site)),
            reason=Text("", ""),
            clause=Clause("", ""),
            triggered_at=moment_of(ruling.at),
        )
        self._by_id[finding.finding_id] = self._ruled(finding, ruling, "ruling_add", data.ruling_id)

    def freeze(self, finding: Finding, assumed: frozenset[str]) -> None:
        """Keep a finding's money unsettled while an appeal is undecided."""
        self._by_id[finding.finding_id] = msgspec.structs.replace(
            finding, state="frozen", assumed=sorted({*finding.assumed, *assumed})
        )

    def _ruled(self, finding: Finding, decision: Known[Any], text: str, reference: str) -> Finding:
        """The finding as a decision states it: the reason, the clause and the evidence are the decision's."""
        terms = self._case.general(decision.day)
        values = {"ruling": reference, "site": finding.site or "-", "amount": yuan(finding.amount_fen)}
        evidence = [*finding.evidence, *self._case.evidence([decision])]
        return msgspec.structs.replace(
            finding,
            ruling=True,
            evidence=list(dict.fromkeys(evidence)),
            calculation={**finding.calculation, "decision": reference, "amount_fen": finding.amount_fen},
            reason=Text(terms.texts[text].zh.format_map(values), terms.texts[text].en.format_map(values)),
            clause=Clause(_OFFICER, terms.texts["clause"].zh.format_map(values)),
        )

    def _recipients(self, finding: Finding, to: str | None) -> list[Award]:
        if to is not None:
            return [Award(to, 1)]
        if finding.awards:
            return finding.awards
        payees: Mapping[str, str] = self._case.memo.get("payees", {})
        return [Award(payees.get(finding.finding_id, HEADQUARTERS), 1)]

    def _free_id(self, finding: Finding, site: str | None, reference: str) -> str:
        tail = finding.finding_id.split("/", 2)[2:]
        wanted = "/".join((finding.rule, site or "-", *tail))
        return f"{wanted}/{reference}" if wanted in self._by_id else wanted

    def _urging(self, rule: str, site: str) -> list[Known[Any]]:
        """TT-05: the notices by which the site was urged."""
        if rule != "TT-05":
            return []
        notices = self._case.of(NoticePosted)
        return [n for n in notices if n.event.data.kind == "urge" and n.event.data.to_site == site]


def after_rules(case: Case, findings: list[Finding]) -> Standing:
    """Apply appeals and rulings, in the order in which they were decided."""
    standing = Standing(case, findings)
    if not (case.by_type.keys() & _KINDS):
        return standing
    filed = {appeal.event.data.appeal_id: appeal for appeal in reversed(case.of(AppealFiled))}
    for known in _decisions(case):
        if isinstance(known.event, AppealDecided):
            _decide_appeal(standing, known, filed)
        else:
            _rule(standing, known)
    decided = {known.event.data.appeal_id for known in case.of(AppealDecided)}
    for appeal_id, appeal in filed.items():
        if appeal_id not in decided:
            _freeze(case, standing, appeal)
    return standing


_KINDS: Final = frozenset({AppealFiled, AppealDecided, RulingMade})


def _decisions(case: Case) -> Iterator[Known[Any]]:
    """Rulings and, of each appeal, the last decision, in order."""
    last = {known.event.data.appeal_id: known for known in case.of(AppealDecided)}
    for known in case.events:
        event = known.event
        if isinstance(event, RulingMade) or (
            isinstance(event, AppealDecided) and last[event.data.appeal_id] is known
        ):
            yield known


def _decide_appeal(
    standing: Standing, decided: Known[AppealDecided], filed: Mapping[str, Known[AppealFiled]]
) -> None:
    data = decided.event.data
    appeal = filed.get(data.appeal_id)
    finding = standing.resolve(appeal.event.data.finding_id) if appeal is not None else None
    if appeal is None or finding is None or finding.site != appeal.event.data.site:
        return
    if data.outcome == "upheld":
        standing.overturn(finding, decided, "appeal_upheld", data.appeal_id)
    elif data.outcome == "changed":
        standing.change(
            finding, decided, "appeal_changed", data.appeal_id, amount_fen=data.amount_fen, site=data.site
        )


def _rule(standing: Standing, ruling: Known[RulingMade]) -> None:
    data = ruling.event.data
    named = standing.named(data)
    if data.action == "add" or (data.action == "change" and not named):
        standing.add(ruling)
        return
    for finding in named:
        if data.action == "remove":
            standing.overturn(finding, ruling, "ruling_remove", data.ruling_id)
        else:
            standing.change(
                finding,
                ruling,
                "ruling_change",
                data.ruling_id,
                amount_fen=data.amount_fen,
                site=data.site,
                to=data.to,
            )


def _freeze(case: Case, standing: Standing, appeal: Known[AppealFiled]) -> None:
    """Freeze the finding where its liable site appealed in time."""
    finding = standing.resolve(appeal.event.data.finding_id)
    if finding is None or finding.site != appeal.event.data.site or finding.kind not in APPEALABLE:
        return
    noticed = case.facts.first_issued.get(finding.finding_id, finding.triggered_at)
    terms = case.general(appeal.day)
    if appeal.at < start_of(day_of(seconds(noticed)) + terms["appeal_days"] + 1):
        standing.freeze(finding, terms.assumed & {"appeal_days"})


def _kind(kind: FindingKind, amount_fen: int | None) -> FindingKind:
    """What a finding is once a decision gave it an amount: what was pending is compensation, what cost nothing a fine."""
    if kind == "liability" and amount_fen is not None:
        return "compensation"
    return "fine" if kind not in APPEALABLE and amount_fen else kind


def _shared_out(recipients: list[Award], amount_fen: int, liable: str | None) -> list[Award]:
    """The amount to the same recipients, in the same proportion; the last takes what does not divide."""
    whole = sum(award.amount_fen for award in recipients)
    parts: dict[str, int] = {}
    left = amount_fen
    for place, award in enumerate(recipients, 1):
        share = left if place == len(recipients) or not whole else amount_fen * award.amount_fen // whole
        to = award.to if award.to != liable else HEADQUARTERS
        parts[to] = parts.get(to, 0) + share
        left -= share
    return [Award(to, fen) for to, fen in parts.items()]
