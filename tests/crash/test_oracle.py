"""The oracle itself: silent about what is right, and loud about each thing that is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import uuid4

import pytest

from shared.events import topic_of
from shared.ids import stable_id
from tests.crash.destinations import Arrival
from tests.crash.ledger_oracle import first_hash, next_hash
from tests.crash.oracle import Expected, examine
from tests.crash.parcels import NETWORK, contradicted, parcels
from tests.crash.sent import Sent, content_of
from tests.crash.snapshot import INPUT_TOPICS, NOTICES, PERIODS, POSTINGS, VERDICTS, Read, Snapshot

NOW = datetime.now(UTC)
TOLD_BY_WEBHOOK = "BJ02"
PARCELS = 60
MONEY = ("fine", "compensation")
CUSTOMERS = ("sender", "recipient", "beneficiary")


def load() -> Sent:
    """What a load would have sent: all acknowledged, one contradiction, one bad record."""
    sent = Sent()
    for parcel in islice(parcels("oracle", "T", NOW), PARCELS):
        sent.kinds[parcel.subject] = parcel.kind
        sent.took(sent.sending(parcel.events))
    sent.took(sent.sending([contradicted(next(iter(sent.originals.values())))]))
    sent.bad[b"no event"] = "contract"
    return sent


def perfect(sent: Sent, expected: Expected) -> Snapshot:
    """The tables and topics of a stack that did everything right, each waybill decided once."""
    snapshot = Snapshot(durability={"fsync": "on"}, dead_letters={"penalties": [], "notify": []})
    topics: dict[str, list[Read]] = {
        topic: [] for topic in (*INPUT_TOPICS, VERDICTS, POSTINGS, PERIODS, NOTICES)
    }
    topics |= {f"{topic}.dlq": [] for topic in INPUT_TOPICS}
    contradiction = contradicted(next(iter(sent.originals.values())))
    for value in (*sent.originals.values(), contradiction):
        topics[topic_of(json.loads(value)["type"])].append(Read(0, 0, None, value))
        snapshot.journal.append((content_of(value).key.subject, value))
    topics["parcel.scans"].append(Read(0, 7, b"k", b"no event"))
    topics["parcel.scans.dlq"] = [Read(0, 0, b"k", b"no event"), Read(0, 1, b"k", contradiction)]
    letter = {"topic": "parcel.scans", "partition": 0, "key": b"k", "detail": ""}
    snapshot.dead_letters["arbitration"] = [
        {**letter, "offset": 7, "value": b"no event", "reason": "contract"},
        {**letter, "offset": -1, "value": contradiction, "reason": "id_conflict"},
    ]
    snapshot.topics = topics
    for subject in expected.decisions:
        add_verdict(snapshot, subject, expected)
    add_close(snapshot, next(iter(expected.decisions)).partition("/")[0])
    return snapshot


def add_verdict(snapshot: Snapshot, subject: str, expected: Expected) -> None:
    """Version 1 of a waybill's verdict with its entries and notices."""
    findings = list(expected.findings(subject).values())
    network, _, waybill = subject.partition("/")
    data = {"network": network, "waybill": waybill, "version": 1, "findings": findings}
    row = {"subject": subject, "version": 1, "events": len(expected.streams[subject])}
    snapshot.cases.append({**row, "verdict": json.dumps(data).encode()})
    event = {"id": f"v {subject}", "subject": subject, "data": data}
    snapshot.topics[VERDICTS].append(Read(0, 0, None, json.dumps(event).encode()))
    about = {"network": network, "waybill": waybill, "version": 1}
    for finding in findings:
        sites = {finding["site"]} - {None}
        for award in finding["awards"]:
            if finding["kind"] in MONEY and award["amount_fen"]:
                add_entry(snapshot, about, finding, award)
            sites |= {award["to"]} - {"hq", *CUSTOMERS} if award["amount_fen"] else set()
        for site in sites:
            add_notice(snapshot, about, finding["finding_id"], site)


def add_entry(
    snapshot: Snapshot, about: dict[str, Any], finding: dict[str, Any], award: dict[str, Any]
) -> None:
    """The entry of one award."""
    to_site = award["to"] not in ("hq", *CUSTOMERS)
    entry = {
        **about,
        "entry_id": str(uuid4()),
        "finding_id": finding["finding_id"],
        "period": "2026-01",
        "debit_account": "receivable",
        "debit_site": finding["site"],
        "credit_account": "payable" if to_site else "headquarters",
        "credit_site": award["to"] if to_site else None,
        "amount_fen": award["amount_fen"],
        "reverses": None,
        "partition": 0,
        "position": len(snapshot.entries) + 1,
        "ordinal": 0,
        "record_offset": 0,
    }
    published = {"amount_fen": award["amount_fen"], "note": "催"}
    before = snapshot.chains[0]["hash"] if snapshot.chains else first_hash(about["network"], 0)
    entry["hash"] = next_hash(before, entry, published)
    snapshot.entries.append(entry)
    snapshot.chains = [{name: entry[name] for name in ("network", "partition", "position", "hash")}]
    for side, other in (("debit", "credit"), ("credit", "debit")):
        balance = {"network": about["network"], "site": entry[f"{side}_site"] or "", "period": "2026-01"}
        turnover = {f"{side}s_fen": award["amount_fen"], f"{other}s_fen": 0}
        snapshot.balances.append({**balance, "account": entry[f"{side}_account"], **turnover})
    event = {"id": entry["entry_id"], "data": {**published, "chain": {"position": entry["position"]}}}
    snapshot.topics[POSTINGS].append(Read(0, 0, None, json.dumps(event).encode()))


def add_close(snapshot: Snapshot, network: str) -> None:
    """The month of the entries is closed, and told to headquarters and every site that stands in them."""
    snapshot.closes = [{"network": network, "period": "2026-01"}]
    event = {"subject": f"{network}/2026-01"}
    snapshot.topics[PERIODS].append(Read(0, 0, None, json.dumps(event).encode()))
    sides = {row[f"{side}_site"] for row in snapshot.entries for side in ("debit", "credit")} - {None}
    for occasion, site in [("month_closed", "HQ-STATISTICS"), *(("statement_ready", site) for site in sides)]:
        notice_id = str(stable_id("notice", occasion, network, "2026-01", site, "in_app"))
        about = dict.fromkeys(("waybill", "finding_id", "version"))
        row = {"network": network, "notice_id": notice_id, "occasion": occasion, "site": site}
        add_channels(snapshot, {**row, **about})


def add_notice(snapshot: Snapshot, about: dict[str, Any], finding_id: str, site: str) -> None:
    """The notice of a finding to one site."""
    notice = {**about, "notice_id": str(uuid4()), "occasion": "finding_issued", "finding_id": finding_id}
    add_channels(snapshot, {**notice, "site": site})


def add_channels(snapshot: Snapshot, notice: dict[str, Any]) -> None:
    """A notice in the application, and where its site has one, by webhook."""
    snapshot.notices.append({**notice, "channel": "in_app", "state": "delivered"})
    add_notice_events(snapshot, notice["notice_id"])
    if (notice["network"], notice["site"]) == (NETWORK, TOLD_BY_WEBHOOK):
        sent = {**notice, "notice_id": str(uuid4()), "channel": "webhook", "state": "delivered"}
        snapshot.notices.append(sent)
        snapshot.shown_delivered.append(sent)
        body = json.dumps({"data": sent}).encode()
        snapshot.arrivals.secrets[sent["site"]] = "whsec_AAAA"
        snapshot.arrivals.requests += [
            Arrival(sent["site"], sent["notice_id"], body, taken, signed=True) for taken in (False, True)
        ]
        add_notice_events(snapshot, sent["notice_id"])


def add_notice_events(snapshot: Snapshot, notice_id: str) -> None:
    """What the topic tells of a notice."""
    for event_type in ("notice.queued", "notice.delivered"):
        event = {"id": str(uuid4()), "type": event_type, "data": {"notice_id": notice_id}}
        snapshot.topics[NOTICES].append(Read(0, 0, None, json.dumps(event).encode()))


SENT = load()
EXPECTED = Expected(SENT, NOW)
PERFECT = perfect(SENT, EXPECTED)


def test_there_is_something_to_find() -> None:
    assert {"TT-01", "TT-02", "TT-04", "TT-07"} <= EXPECTED.by_rule().keys()
    assert PERFECT.entries
    assert PERFECT.arrivals.requests


def test_what_is_right_is_passed_over() -> None:
    assert examine(SENT, PERFECT, EXPECTED) == []


def _with_findings(snapshot: Snapshot) -> int:
    return next(i for i, row in enumerate(snapshot.cases) if json.loads(row["verdict"])["findings"])


def _stale_case(snapshot: Snapshot) -> None:
    place = _with_findings(snapshot)
    snapshot.cases[place] = {**snapshot.cases[place], "events": snapshot.cases[place]["events"] - 1}


def _wrong_case(snapshot: Snapshot) -> None:
    row = snapshot.cases[_with_findings(snapshot)]
    data = json.loads(row["verdict"])
    data["findings"][0]["amount_fen"] += 1
    snapshot.cases[_with_findings(snapshot)] = {**row, "verdict": json.dumps(data).encode()}


def _other_bytes(snapshot: Snapshot) -> None:
    event = json.loads(snapshot.topics[VERDICTS][0].value)
    event["data"]["decided_at"] = "another moment"
    snapshot.topics[VERDICTS].append(Read(0, 9, None, json.dumps(event).encode()))


def _reversed_too_much(snapshot: Snapshot) -> None:
    entry = snapshot.entries[0]
    turned = {"debit_site": entry["credit_site"], "credit_site": entry["debit_site"]}
    accounts = {"debit_account": entry["credit_account"], "credit_account": entry["debit_account"]}
    for number in range(2):
        row = {**entry, **turned, **accounts, "version": 2 + number, "reverses": entry["entry_id"]}
        snapshot.entries.append({**row, "entry_id": str(uuid4())})


BREAKAGES: dict[str, tuple[Callable[[Snapshot], object], str]] = {
    "an event that is lost": (lambda s: s.journal.pop(0), "lost: "),
    "an event that is doubled": (lambda s: s.journal.append(s.journal[0]), "doubled: "),
    "an event that nobody sent": (
        lambda s: s.journal.append((s.journal[0][0], s.journal[0][1].replace(b'"id":"', b'"id":"other-'))),
        "invented: ",
    ),
    "an event under another waybill": (
        lambda s: s.journal.append(("tiantian/OTHER000", s.journal.pop(0)[1])),
        "misfiled: ",
    ),
    "a missing dead letter": (lambda s: s.dead_letters["arbitration"].pop(0), "dead letter missing: "),
    "a contradiction that nobody was told of": (
        lambda s: s.dead_letters["arbitration"].pop(1),
        "contradiction missing: ",
    ),
    "a dead letter of a good record": (
        lambda s: s.dead_letters["notify"].append({"key": b"k", "reason": "r", "detail": "d"}),
        "dead letter: notify",
    ),
    "a missing verdict": (lambda s: s.cases.pop(_with_findings(s)), "undecided: "),
    "a wrong amount": (_wrong_case, "wrong verdict: "),
    "a verdict that does not know all": (_stale_case, "stale verdict: "),
    "a parked waybill": (lambda s: s.parked.append({"subject": "x", "error": "e"}), "parked: "),
    "a version that never left": (lambda s: s.topics[VERDICTS].pop(0), "unpublished: "),
    "one version with two contents": (_other_bytes, "two verdicts: "),
    "an entry that is missing": (lambda s: s.entries.pop(0), "money: "),
    "an entry that is doubled": (
        lambda s: s.entries.append({**s.entries[0], "entry_id": str(uuid4())}),
        "booked twice: ",
    ),
    "more reversed than was booked": (_reversed_too_much, "reversed too much: "),
    "a balance that drifted": (lambda s: s.balances.pop(0), "balance: "),
    "an entry that was altered": (
        lambda s: s.entries.__setitem__(0, {**s.entries[0], "ordinal": 1}),
        "chain: tiantian/0 is broken at 1",
    ),
    "a chain that forgot its end": (
        lambda s: s.chains.__setitem__(0, {**s.chains[0], "position": 1}),
        "chain: tiantian/0 ends at",
    ),
    "a posting that never left": (lambda s: s.topics[POSTINGS].pop(0), "unpublished: entry"),
    "a notice that is missing": (lambda s: s.notices.pop(0), "not noticed: "),
    "a notice that is doubled": (lambda s: s.notices.append(s.notices[0]), "noticed 2 times: "),
    "a last word that is not true": (
        lambda s: s.notices.append({**s.notices[0], "version": 2, "occasion": "finding_revoked"}),
        "wrong notice: ",
    ),
    "a notice that never left": (lambda s: s.topics[NOTICES].pop(0), "unpublished: notice.queued"),
    "a close that never left": (lambda s: s.topics[PERIODS].clear(), "unpublished: tiantian/2026-01"),
    "a close that nobody made": (lambda s: s.closes.clear(), "unclosed: tiantian/2026-01"),
    "a statement that nobody was told of": (
        lambda s: s.notices.pop(_statement(s)),
        "not noticed: statement_ready",
    ),
    "a statement of no month": (
        lambda s: s.notices.append({**s.notices[_statement(s)], "notice_id": str(uuid4())}),
        "wrong notice: statement_ready",
    ),
    "a webhook that was not made": (lambda s: s.notices.pop(_webhook(s)), "no webhook: "),
    "a webhook that waits": (
        lambda s: s.notices.append({**s.notices.pop(_webhook(s)), "state": "queued"}),
        "not sent: ",
    ),
    "a webhook that nobody received": (lambda s: s.arrivals.requests.pop(), "never received: "),
    "a webhook that is not shown": (lambda s: s.shown_delivered.pop(), "not shown: "),
    "a webhook under another id": (lambda s: _another_arrival(s, id="other"), "unknown id: "),
    "a webhook at another site": (lambda s: _another_arrival(s, site="GZ02"), "another's notice: "),
    "a webhook that is not signed": (lambda s: _another_arrival(s, signed=False), "unsigned: "),
    "a webhook that says something else": (
        lambda s: _another_arrival(s, body=s.arrivals.requests[0].body.replace(b"issued", b"revoked")),
        "two webhooks: ",
    ),
    "a database that forgets": (lambda s: s.durability.update(fsync="off"), "durability: "),
}


def _statement(snapshot: Snapshot) -> int:
    return next(i for i, row in enumerate(snapshot.notices) if row["occasion"] == "statement_ready")


def _webhook(snapshot: Snapshot) -> int:
    return next(i for i, row in enumerate(snapshot.notices) if row["channel"] == "webhook")


def _another_arrival(snapshot: Snapshot, **changes: Any) -> None:
    snapshot.arrivals.requests.append(replace(snapshot.arrivals.requests[0], **changes))


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_is_wrong_is_named(name: str) -> None:
    spoil, said = BREAKAGES[name]
    spoilt = deepcopy(PERFECT)
    spoil(spoilt)
    violations = examine(SENT, spoilt, EXPECTED)
    assert any(violation.startswith(said) for violation in violations), violations
