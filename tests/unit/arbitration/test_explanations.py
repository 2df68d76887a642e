"""What a finding shows is what it rests on, and who redoes its calculation by hand comes to its amount.

All own cases are judged, and what their findings show is held against the tables here. Evidence, names in calculations and
assumed values are read by others: they may grow, but nothing of them may get lost.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import pytest

from services.arbitration.domain import adjudicate
from services.arbitration.rules.case import Case
from services.arbitration.rules.rulebook import Rule, Terms
from shared.events.outputs import Finding
from tests.support.cases import OWN
from tests.unit.arbitration.build import BOOKS
from tests.unit.arbitration.words import WORDS

SCANS: Final = "scan.arrived scan.departed scan.out_for_delivery"
VALUE: Final = "cap cap_fen proven_fen value_fen"
EVIDENCE: Final = {
    "TT-01": f"{SCANS} scan.problem signature.recorded",
    "TT-02": "scan.arrived scan.collected scan.out_for_delivery",
    "TT-03": "signature.recorded signature.voided",
    "TT-04": f"{SCANS} complaint.opened evidence.submitted report.filed scan.collected scan.problem signature.recorded",
    "TT-06": f"{SCANS} evidence.submitted notice.posted report.filed scan.collected signature.recorded",
    "TT-07": f"{SCANS} compensation.settled_privately evidence.submitted notice.posted report.filed scan.collected "
    "scan.returned signature.recorded",
    "TT-08": "goods.found notice.posted report.filed scan.arrived",
    "TT-09": "return.requested scan.returned",
    "TT-10": "return.requested",
    "TT-11": "return.answered return.requested",
    "TT-12": "report.filed return.fee_notified",
    "TT-13": "return.fee_paid scan.returned",
    "TT-14": "report.filed scan.collected scan.departed",
    "TT-15": "report.filed scan.collected",
    "TT-17": "report.filed signature.recorded",
    "TT-20": "report.filed scan.collected",
    "TT-21": "report.filed scan.collected scan.departed scan.problem",
    "TT-24": "notice.forwarded notice.posted",
    "TT-26": "goods.disposed",
    "TT-27": "report.filed scan.collected",
    "TT-28": "return.answered return.requested scan.returned",
    "ZT-01": "complaint.opened evidence.submitted signature.recorded",
    "ZT-02": "complaint.opened scan.arrived scan.collected scan.departed",
    "ZT-03": f"{SCANS} compensation.offered compensation.paid complaint.opened evidence.submitted report.filed "
    "signature.recorded",
    "ZT-04": "complaint.opened",
    "ZT-05": "complaint.opened",
    "ZT-06": "complaint.opened signature.recorded",
    "ZT-07": "complaint.opened",
    "ZT-08": f"{SCANS} compensation.paid complaint.opened evidence.submitted scan.collected signature.recorded",
    "ZT-09": "complaint.closed complaint.handled complaint.opened complaint.reopened reply.audited reply.registered",
    "ZT-10": "complaint.escalated complaint.opened",
    "ZT-12": "scan.collected",
    "ZT-13": "reply.registered",
    "GB-01": "scan.collected signature.recorded",
    "GB-02": "evidence.submitted",
    "GB-03": "scan.problem",
    "GB-04": "scan.collected",
    "GB-05": "cod.settled signature.recorded",
    "GB-06": "signature.recorded",
    "GB-07": "redirect.requested",
    "SD-02": "complaint.handled complaint.opened reply.registered",
    "SD-03": "complaint.handled complaint.opened",
    "SD-05": "complaint.closed complaint.handled complaint.opened",
    "YD-01": "report.filed scan.arrived scan.collected",
    "YD-02": "evidence.submitted report.filed scan.arrived scan.collected",
    "YD-03": "appeal.decided report.filed ruling.made scan.arrived scan.collected",
    "YD-04": "report.filed scan.arrived scan.out_for_delivery",
    "YD-05": "complaint.opened notice.posted report.filed scan.arrived scan.departed",
    "YD-06": "scan.collected",
    "LR-01": "receipt.required receipt.returned scan.arrived",
    "LR-02": "receipt.lost",
    "LR-03": "receipt.audited",
    "LR-04": "complaint.opened evidence.submitted signature.recorded",
    "LR-05": "receipt.audited",
    "LR-06": "scan.collected scan.departed",
}
"""Rule → the types of the events that its findings rest on, over all cases."""
CALCULATION: Final = {
    "TT-01": "fine_fen missing_scans",
    "TT-02": "entry_due fine_fen",
    "TT-03": "entries entry_due fine_fen",
    "TT-04": "cap_fen days rate_fen stages to_hq_by",
    "TT-06": f"{VALUE} struck_out_percent to_hq_by",
    "TT-07": f"{VALUE} settled_privately to_hq_by",
    "TT-08": "fine_fen reporter_fen to_hq_by",
    "TT-09": "cap_fen days rate_fen",
    "TT-13": "cap_fen days fee_fen rate_fen",
    "TT-21": "amount",
    "TT-24": "hours",
    "ZT-01": "compliant_photo contact_log fine_fen",
    "ZT-02": "fine_fen happened_before_recorded_after recorded_before",
    "ZT-03": f"{VALUE} fine_fen paid_fen",
    "ZT-04": "fine_fen",
    "ZT-05": "fine_fen",
    "ZT-06": "fine_fen",
    "ZT-07": "fine_fen",
    "ZT-08": f"{VALUE} days_after_start internal_standard_fen share_fen share_percent window_days",
    "ZT-09": "confidence due_day fault fine_fen",
    "ZT-10": "about_site fine_fen month parcels tickets",
    "GB-01": "days last_day scope",
    "GB-02": "ground",
    "GB-03": "missing",
    "GB-05": "cod_fen settled_fen",
    "SD-02": "due hours",
    "SD-03": "due_day working_days",
    "SD-05": "due_day working_days",
    "YD-01": "amount",
    "YD-02": "amount",
    "YD-03": "amount award_fen fee_percent liable named",
    "YD-04": "days last_day",
    "YD-05": "declared_value_fen matters track",
    "YD-06": "declared_value_fen due_fen premium_fen premium_percent",
    "LR-01": "days last_day transfers",
    "LR-02": "amount loss_fen losses_fen percent",
    "LR-03": "fine_fen receipts",
    "LR-04": VALUE,
    "LR-05": "amount loss_fen losses_fen percent",
    "LR-06": "last_day",
}
"""Rule → the names in its findings' calculations, over all cases; a rule that is not here reckons nothing."""
ASSUMED: Final = {
    "TT-03": "any_site",
    "TT-04": "hub_departure_days linehaul_inter_province_days linehaul_international_days "
    "linehaul_intra_province_days linehaul_same_city_days origin_departure_days",
    "TT-06": "uninsured_cap_fen",
    "TT-07": "uninsured_cap_fen",
    "TT-24": "pass_on_hours",
    "ZT-03": "uninsured_cap_fen",
    "ZT-08": "internal_standard_fen uninsured_cap_fen window_days",
    "ZT-09": "handling_working_days",
    "ZT-10": "counted_parcels rates_fixed_day",
    "GB-01": "complete_delay_from_collection",
    "GB-03": "contact_hours",
    "YD-03": "fee_base_award_left",
    "YD-04": "departure_days",
    "LR-01": "payment_delayed_unless_denied transfers_from_chain",
    "LR-04": "uninsured_cap_fen",
}
"""Rule → what rules.md marks as assumed and its findings rest on, over all cases."""
RECKONED: Final[dict[str, Callable[[dict[str, Any]], int]]] = {
    "TT-01": lambda c: c["fine_fen"] * c["missing_scans"],
    "TT-02": lambda c: c["fine_fen"],
    "TT-03": lambda c: c["fine_fen"] * c["entries"],
    "TT-06": lambda c: -(-c["value_fen"] * c.get("struck_out_percent", 100) // 100),
    "TT-07": lambda c: c["value_fen"],
    "TT-08": lambda c: c["fine_fen"],
    "TT-09": lambda c: min(c["rate_fen"] * c["days"], c["cap_fen"]),
    "TT-13": lambda c: c["fee_fen"] + min(c["rate_fen"] * c["days"], c["cap_fen"]),
    **{f"ZT-{number:02d}": lambda c: c["fine_fen"] for number in (1, 2, 3, 4, 5, 6, 7, 9, 10)},
    "ZT-08": lambda c: c["share_fen"],
    "YD-03": lambda c: (c["award_fen"] * c["fee_percent"] + 50) // 100,
    "LR-01": lambda _: 5_000,
    "LR-02": lambda c: sum((loss_fen * c["percent"] + 50) // 100 for loss_fen in c["losses_fen"]),
    "LR-03": lambda c: c["fine_fen"] * c["receipts"],
    "LR-04": lambda c: c["value_fen"],
    "LR-05": lambda c: c["loss_fen"] * c["percent"] // 100,
}
"""Rule → its amount in fen, from the calculation alone. TT-04's cap is one for each link: it is at most what is reckoned."""


class Stated(NamedTuple):
    """How a rule stated a finding: its terms, the sentence, the words put into it, the parameters it rests on."""

    rule: str
    terms: Terms
    text: str
    words: set[tuple[str, str]]
    uses: set[str]


class Judged(NamedTuple):
    """What the own cases make the rules say."""

    findings: list[tuple[Finding, dict[tuple[str, str], str]]]
    """The findings of the verdicts as the rules state them, without ruled and frozen ones, each with its case's event types by source and id."""
    stated: list[Stated]


@pytest.fixture
def judged() -> Judged:
    found = Judged([], [])
    plain = Case.finding

    def noted(case: Case, rule: Rule, terms: Terms, **given: Any) -> Finding:
        words = {value for value in given.get("values", {}).values() if isinstance(value, tuple)}
        text, uses = given.get("text", "main"), set(given.get("uses", ()))
        found.stated.append(Stated(rule.id, terms, text, words, uses))
        return plain(case, rule, terms, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Case, "finding", noted)
        for path in sorted(OWN.glob("*.json")):
            case = json.loads(path.read_text(encoding="utf-8"))
            members = ("network", "now", "events", "facts", "rulebook")
            document = adjudicate({name: case[name] for name in members if name in case}, BOOKS)
            types = {(event["source"], event["id"]): event["type"] for event in case["events"]}
            found.findings.extend(
                (f, types) for f in document["verdict"]["findings"] if not f.ruling and f.state != "frozen"
            )
    return found


def _lost(
    judged: Judged, table: dict[str, str], what: Callable[[Finding], Iterable[str]]
) -> dict[str, set[str]]:
    """What the table says that rules show, and no finding of theirs shows any more."""
    shown: dict[str, set[str]] = defaultdict(set)
    for finding, _ in judged.findings:
        shown[finding.rule].update(what(finding))
    left = {rule: set(names.split()) - shown[rule] for rule, names in table.items()}
    return {rule: names for rule, names in left.items() if names}


def test_nothing_that_was_shown_is_lost(judged: Judged) -> None:
    types = {id(finding): types for finding, types in judged.findings}
    assert not _lost(judged, EVIDENCE, lambda f: (types[id(f)][one.source, one.id] for one in f.evidence))
    assert not _lost(judged, CALCULATION, lambda finding: finding.calculation)
    assert not _lost(judged, ASSUMED, lambda finding: finding.assumed)


def test_every_sentence_and_every_word_is_said(judged: Judged) -> None:
    sentences: dict[str, set[str]] = defaultdict(set)
    words: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for said in judged.stated:
        sentences[said.rule].add(said.text)
        words[said.rule] |= said.words
        assert said.uses <= set(said.terms.values), f"{said.rule} rests on a parameter that it does not have"
    assert sentences == {said.rule: set(said.terms.texts) for said in judged.stated}
    assert {rule: lost for rule, given in WORDS.items() if (lost := given - words[rule])} == {}


def test_the_amount_can_be_redone_from_the_calculation(judged: Judged) -> None:
    for finding, _ in judged.findings:
        shown = finding.calculation
        if "proven_fen" in shown:
            assert shown["value_fen"] == min(shown["proven_fen"], shown["cap_fen"])
        if "due_fen" in shown:
            assert shown["due_fen"] == -(-shown["declared_value_fen"] * shown["premium_percent"] // 100)
        if finding.rule == "TT-04":
            assert 0 < finding.amount_fen <= shown["rate_fen"] * shown["days"]
        elif finding.kind in ("fine", "compensation") and shown.get("amount") != "pending":
            reckoned = 0 if shown.get("settled_privately") else RECKONED[finding.rule](shown)
            assert finding.amount_fen == reckoned, finding
