"""A small sample through the whole stack: the verdicts are what the pure decision says, money and notices follow them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import msgspec
import pytest
from rich.console import Console

from faultline import sample
from faultline.client import Addresses, Client, Document
from faultline.demo import NETWORKS, load, sample_facts
from faultline.settling import Stake, owed_by_site, stakes, standing_findings
from faultline.summary import print_summary
from services.arbitration.domain import decide, distinct, load_rulebooks
from shared.events import decode
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

PARCELS = 160


@dataclass
class Outcome:
    """What was sent and what came of it."""

    client: Client
    reference: datetime
    parcels: dict[tuple[str, str], sample.SampleParcel]
    cases: list[Document]


@pytest.fixture(scope="module")
def outcome(stack: Stack) -> Iterator[Outcome]:
    urls = stack.urls
    addresses = Addresses(urls["intake"], urls["arbitration"], urls["penalties"], urls["notify"])
    reference = stack.now().astimezone(UTC).replace(microsecond=0)
    parcels = list(sample.generate(reference, parcels=PARCELS))
    by_waybill = {(parcel.network, parcel.waybill): parcel for parcel in parcels}
    with Client(addresses, stack.operator_key) as client:
        cases = load(client, Console(file=StringIO()), parcels, reference)
        # A term that ends while these tests run would change what they compare.
        end = stack.now() + timedelta(hours=1)
        for case in cases:
            if case["next_review_at"] and datetime.fromisoformat(case["next_review_at"]) < end:
                by_waybill.pop((case["network"], case["waybill"]), None)
        # Other tests of the session may have sent parcels of the same networks.
        own = [case for case in cases if (case["network"], case["waybill"]) in by_waybill]
        yield Outcome(client, reference, by_waybill, own)


def test_verdicts_are_what_the_pure_decision_says(outcome: Outcome) -> None:
    books = load_rulebooks()
    wrong = []
    for case in outcome.cases:
        parcel = outcome.parcels[case["network"], case["waybill"]]
        decided_at = datetime.fromisoformat(case["verdict"]["decided_at"])
        known, _ = distinct([decode(event) for event in parcel.events])
        facts = sample_facts(parcel.network, outcome.reference)
        decision = decide(known, facts, books, decided_at, parcel.network)
        expected: list[dict[str, Any]] = msgspec.to_builtins(decision.findings)
        if by_id(standing(case)) != by_id(expected):
            wrong.append((case["waybill"], by_id(standing(case)), by_id(expected)))
    assert wrong == []


def test_every_parcel_at_fault_has_a_verdict(outcome: Outcome) -> None:
    books = load_rulebooks()
    judged = {(case["network"], case["waybill"]) for case in outcome.cases}
    for key, parcel in outcome.parcels.items():
        known, _ = distinct([decode(event) for event in parcel.events])
        facts = sample_facts(parcel.network, outcome.reference)
        if decide(known, facts, books, outcome.reference, parcel.network).findings:
            assert key in judged


def test_every_event_is_known(outcome: Outcome) -> None:
    for case in outcome.cases:
        parcel = outcome.parcels[case["network"], case["waybill"]]
        assert (case["events"], case["conflicts"]) == (len(parcel.events), 0)
    some = outcome.cases[0]
    stored = list(outcome.client.events(some["network"], some["waybill"]))
    sent = outcome.parcels[some["network"], some["waybill"]].events
    assert {event["id"] for event in stored} == {decode(event).id for event in sent}


def test_the_ledger_is_what_the_findings_say(outcome: Outcome) -> None:
    with_money = [case for case in outcome.cases if any(f["amount_fen"] for f in standing(case))]
    assert len(with_money) > 20
    for case in with_money:
        net: Counter[tuple[str, str]] = Counter()
        for entry in outcome.client.waybill_entries(case["network"], case["waybill"]):
            for side, sign in (("debit", 1), ("credit", -1)):
                if entry[side].get("site"):
                    net[case["network"], entry[side]["site"]] += sign * entry["amount_fen"]
        owed = owed_by_site([case])
        assert {key: fen for key, fen in net.items() if fen} == {key: fen for key, fen in owed.items() if fen}
    for network in NETWORKS:
        assert outcome.client.trial_balance(network)["balanced"]


def test_each_finding_is_told_once_to_each_site_that_it_concerns(outcome: Outcome) -> None:
    issued: Counter[Stake] = Counter()
    for network in NETWORKS:
        for notice in outcome.client.notices(network=network):
            if notice["occasion"] == "finding_issued" and (network, notice["waybill"]) in outcome.parcels:
                issued[Stake(network, notice["waybill"], notice["finding_id"], notice["site"])] += 1
    wanted = stakes(outcome.cases)
    assert len(wanted) > 50
    assert wanted - issued.keys() == set()
    # A finding that came back after it had been revoked, or money that went to somebody else, is told anew.
    revised = {(case["network"], case["waybill"]) for case in outcome.cases if case["verdict"]["version"] > 1}
    once = {stake: n for stake, n in issued.items() if (stake.network, stake.waybill) not in revised}
    assert set(once) == {stake for stake in wanted if (stake.network, stake.waybill) not in revised}
    assert set(once.values()) == {1}


def test_sending_it_again_changes_nothing(outcome: Outcome) -> None:
    before = {(case["network"], case["waybill"]): case["verdict"] for case in outcome.cases}
    some = [event for parcel in list(outcome.parcels.values())[:40] for event in parcel.events]
    taken = outcome.client.publish(some)
    assert (taken.accepted, taken.duplicates, taken.refused) == (0, len(some), ())
    after = {
        (case["network"], case["waybill"]): case["verdict"]
        for network in NETWORKS
        for case in outcome.client.cases(network=network)
        if (network, case["waybill"]) in outcome.parcels
    }
    assert after == before


def test_the_summary_shows_rules_sites_and_one_case_in_both_languages(outcome: Outcome) -> None:
    text = StringIO()
    print_summary(Console(file=text, width=160), outcome.client, NETWORKS, outcome.cases)
    shown = text.getvalue()
    for finding in (f for _, f in standing_findings(outcome.cases)):
        assert finding["rule"] in shown
    assert "TT-07 compensation" in shown
    for words in (
        "custody",
        "中文",
        "English",
        "clause (002)",
        "evidence",
        "ledger",
        "notices",
        ": balanced",
    ):
        assert words in shown


def standing(case: Document) -> list[Document]:
    return [finding for _, finding in standing_findings([case])]


def by_id(findings: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {finding["finding_id"]: finding for finding in findings}
