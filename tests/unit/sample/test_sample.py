"""The sample: the same again for the same seed, valid by the contract, large enough, and with every fault in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
import pytest

from faultline import sample
from faultline.sample.parcel import ZONE
from services.arbitration.domain import Decision, Facts, Rulebooks, decide, distinct, load_rulebooks
from services.arbitration.rules.rulebook import informs
from shared.events import Event, decode

NOW = datetime(2026, 7, 15, 6, 30, tzinfo=UTC)
_DIGEST = f"""
import hashlib
from datetime import datetime
from faultline import sample
parcels = sample.generate(datetime.fromisoformat("{NOW.isoformat()}"), parcels=200)
print(hashlib.sha256(b"".join(event for parcel in parcels for event in parcel.events)).hexdigest())
"""


@cache
def parcels() -> list[sample.SampleParcel]:
    return list(sample.generate(NOW))


@cache
def events_of(parcel: sample.SampleParcel) -> list[Event]:
    return [decode(event) for event in parcel.events]


@cache
def books() -> Rulebooks:
    return load_rulebooks()


@cache
def judged(parcel: sample.SampleParcel) -> Decision:
    known, conflicts = distinct(events_of(parcel), list(parcel.events))
    assert not conflicts
    return decide(known, Facts(), books(), NOW, parcel.network)


def found(parcel: sample.SampleParcel) -> set[str]:
    return {finding.rule for finding in judged(parcel).findings}


def in_force(network: str) -> set[str]:
    """The rules that find something by themselves."""
    return {rule.id for rule in books().of(network).by_id.values() if rule.decide is not informs}


def digest(now: datetime, seed: int = sample.SEED) -> str:
    generated = sample.generate(now, seed=seed, parcels=200)
    return hashlib.sha256(b"".join(event for parcel in generated for event in parcel.events)).hexdigest()


def test_same_seed_and_time_give_the_same_bytes() -> None:
    other_process = subprocess.run(
        [sys.executable, "-c", _DIGEST],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other_process.stdout.strip() == digest(NOW)


def test_another_seed_or_time_gives_another_sample() -> None:
    assert len({digest(NOW), digest(NOW, seed=1), digest(NOW + timedelta(seconds=1))}) == 3


def test_it_is_large_enough() -> None:
    sites = sample.sites()
    assert {site.network for site in sites} == {"tiantian", "zto"}
    assert len(sites) >= 40
    assert len({site.city for site in sites}) >= 20
    assert {site.language for site in sites} == {"zh", "en"}
    assert len(parcels()) >= 3_000
    days = {events_of(parcel)[0].time.astimezone(ZONE).date() for parcel in parcels()}
    assert len(days) >= 44
    assert NOW.astimezone(ZONE).date() - min(days) == timedelta(days=sample.DAYS - 1)


def test_every_event_is_valid_and_known_by_now() -> None:
    ids = Counter()  # type: Counter[tuple[str, str, str]]
    sites = {(site.network, site.code) for site in sample.sites()}
    for parcel in parcels():
        assert parcel.events, parcel.waybill
        for event in events_of(parcel):
            assert event.subject == f"{parcel.network}/{parcel.waybill}"
            assert event.recordedtime is not None
            assert event.time <= event.recordedtime <= NOW
            assert event.source_site is None or (parcel.network, event.source_site) in sites
            ids[event.subject, event.source, event.id] += 1
    assert max(ids.values()) == 1


def test_parents_are_registered_before_their_children_and_lead_to_a_hub() -> None:
    seen: dict[tuple[str, str], sample.Site] = {}
    for site in sample.sites():
        assert site.parent is None or (site.network, site.parent) in seen, site.code
        seen[site.network, site.code] = site
    for network in sample.networks():
        assert all(network.hub_of(outlet).kind == "hub" for outlet in network.outlets)


def test_waybills_are_unique() -> None:
    assert len({(parcel.network, parcel.waybill) for parcel in parcels()}) == len(parcels())


def test_most_parcels_are_ordinary_and_nobody_is_at_fault_for_them() -> None:
    ordinary = [parcel for parcel in parcels() if parcel.scenario is None]
    assert len(ordinary) >= 0.8 * len(parcels())
    assert {parcel.waybill: found(parcel) for parcel in ordinary if found(parcel)} == {}


@pytest.mark.parametrize(
    ("type_", "hours"),
    [
        ("scan.collected", range(9, 19)),
        ("scan.out_for_delivery", range(8, 13)),
        ("signature.recorded", range(8, 17)),
    ],
)
def test_hours_of_ordinary_parcels_are_realistic(type_: str, hours: range) -> None:
    at = [
        event.time.astimezone(ZONE).hour
        for parcel in parcels()
        if parcel.scenario is None
        for event in events_of(parcel)
        if event.type == type_
    ]
    assert at
    assert sum(hour in hours for hour in at) / len(at) > 0.97


def test_hubs_work_at_night() -> None:
    hubs = {site.code for site in sample.sites() if site.kind == "hub"}
    hours = [
        event.time.astimezone(ZONE).hour
        for parcel in parcels()
        if parcel.scenario is None
        for event in events_of(parcel)
        if event.type == "scan.departed" and event.source_site in hubs
    ]
    assert sum(hour >= 20 or hour < 7 for hour in hours) / len(hours) > 0.9


@pytest.mark.parametrize("name", sorted(sample.SCENARIOS))
def test_a_scenario_shows_what_it_is_made_to_show(name: str) -> None:
    happened = [
        parcel for parcel in parcels() if parcel.scenario is not None and parcel.scenario.name == name
    ]
    assert happened
    wanted = set(sample.SCENARIOS[name].rules)
    for parcel in happened:
        expected = wanted & in_force(parcel.network)
        assert expected <= found(parcel), (parcel.waybill, found(parcel))
        if not wanted:
            assert found(parcel) <= {"GB-01"}, (parcel.waybill, found(parcel))


@pytest.mark.parametrize("network", ["tiantian", "zto"])
def test_every_rule_in_force_finds_something(network: str) -> None:
    rules = {rule for parcel in parcels() if parcel.network == network for rule in found(parcel)}
    assert in_force(network) - rules == set()


@pytest.mark.parametrize(
    "now", [datetime(2026, 2, 20, 16, 10, tzinfo=UTC), datetime(2027, 1, 3, 22, 5, tzinfo=UTC)]
)
def test_faults_are_found_whenever_the_demo_is_run(now: datetime) -> None:
    missing = []
    for parcel in sample.generate(now, parcels=1):
        assert parcel.scenario is not None
        known, _ = distinct([decode(event) for event in parcel.events])
        rules = {finding.rule for finding in decide(known, Facts(), books(), now, parcel.network).findings}
        lacking = set(parcel.scenario.rules) & in_force(parcel.network) - rules
        missing += [(parcel.scenario.name, lacking)] if lacking else []
    assert missing == []


def test_the_exemption_touches_the_parcels_held_by_snow() -> None:
    from faultline.demo import sample_facts

    facts = sample_facts("tiantian", NOW)
    touched = set()
    for parcel in parcels():
        if parcel.scenario is not None and parcel.scenario.name == "held_by_snow":
            known, _ = distinct(events_of(parcel))
            decision = decide(known, facts, books(), NOW, "tiantian")
            with_it = sum(finding.amount_fen for finding in decision.findings)
            without = sum(finding.amount_fen for finding in judged(parcel).findings)
            assert with_it < without
            touched |= {one for finding in decision.findings for one in finding.exemptions}
    assert touched <= {exemption.exemption_id for exemption in sample.exemptions(NOW)}


def test_events_are_json_on_one_line() -> None:
    for parcel in parcels()[:200]:
        for event in parcel.events:
            assert b"\n" not in event
            assert msgspec.json.decode(event)["specversion"] == "1.0"
