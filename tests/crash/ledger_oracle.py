"""The ledger against the findings: every site's balance on every waybill, every entry once, every chain unbroken."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.crash.snapshot import POSTINGS, Row, Snapshot

MONEY_KINDS: Final = frozenset({"fine", "compensation"})
CUSTOMERS: Final = frozenset({"sender", "recipient", "beneficiary"})
HEADQUARTERS: Final = "hq"
Owes = dict[tuple[str, str], int]
"""(subject, party) → fen that the party owes more than it is owed. A party is a site, `hq` or a customer."""


def ledger_violations(
    snapshot: Snapshot, findings: Mapping[str, Mapping[str, dict[str, Any]]]
) -> Iterator[str]:
    """What is wrong with the money. `findings`: what must stand on each waybill."""
    wanted, booked = _wanted(findings), _booked(snapshot)
    for place in sorted(wanted.keys() | booked.keys()):
        if wanted.get(place, 0) != booked.get(place, 0):
            yield f"money: {place[1]} on {place[0]} must owe {wanted.get(place, 0)} fen, owes {booked.get(place, 0)}"
    yield from _entries(snapshot)
    yield from _kept_balances(snapshot)
    yield from _postings(snapshot)
    yield from _chains(snapshot)


def _wanted(findings: Mapping[str, Mapping[str, dict[str, Any]]]) -> Owes:
    owes: Owes = {}
    for subject, of_waybill in findings.items():
        for finding in of_waybill.values():
            if finding["kind"] not in MONEY_KINDS or finding["state"] == "revoked" or finding["site"] is None:
                continue
            owes[subject, finding["site"]] = owes.get((subject, finding["site"]), 0) + finding["amount_fen"]
            for award in finding["awards"]:
                owes[subject, award["to"]] = owes.get((subject, award["to"]), 0) - award["amount_fen"]
    return owes


def _booked(snapshot: Snapshot) -> Owes:
    owes: Owes = {}
    for row in snapshot.entries:
        subject = f"{row['network']}/{row['waybill']}"
        for side, sign in (("debit", 1), ("credit", -1)):
            party = row[f"{side}_site"] or _party(row[f"{side}_account"])
            owes[subject, party] = owes.get((subject, party), 0) + sign * row["amount_fen"]
    return owes


def _party(account: str) -> str:
    """Whose an account without a site is: a customer's by its name, else headquarters'."""
    holder = account.rpartition(".")[2]
    return holder if holder in CUSTOMERS else HEADQUARTERS


def _entries(snapshot: Snapshot) -> Iterator[str]:
    """Positive, between two accounts, each thing booked once, never more reversed than was booked."""
    about = Counter(
        (
            row["network"],
            row["waybill"],
            row["version"],
            row["finding_id"],
            (row["debit_account"], row["debit_site"]),
            (row["credit_account"], row["credit_site"]),
            row["reverses"],
        )
        for row in snapshot.entries
    )
    for key, count in about.items():
        if count > 1:
            yield f"booked twice: {key}"
    left = {row["entry_id"]: row["amount_fen"] for row in snapshot.entries if row["reverses"] is None}
    for row in snapshot.entries:
        if row["amount_fen"] <= 0 or _side(row, "debit") == _side(row, "credit"):
            yield f"unbalanced: entry {row['entry_id']} on {row['waybill']}"
        if row["reverses"] is not None:
            left[row["reverses"]] = left.get(row["reverses"], 0) - row["amount_fen"]
    for entry_id, amount_fen in left.items():
        if amount_fen < 0:
            yield f"reversed too much: entry {entry_id} by {-amount_fen} fen"


def _side(row: Row, side: str) -> tuple[str, str]:
    return row[f"{side}_account"], row[f"{side}_site"] or ""


def _kept_balances(snapshot: Snapshot) -> Iterator[str]:
    """The turnover that is kept beside the entries is their sum."""
    wanted: Counter[tuple[str, str, str, str, str]] = Counter()
    for row in snapshot.entries:
        for side in ("debit", "credit"):
            account, site = _side(row, side)
            wanted[row["network"], site, account, row["period"], side] += row["amount_fen"]
    found: Counter[tuple[str, str, str, str, str]] = Counter()
    for row in snapshot.balances:
        for side in ("debit", "credit"):
            key = (row["network"], row["site"], row["account"], row["period"], side)
            found[key] += int(row[f"{side}s_fen"])
    for key in sorted(wanted.keys() | found.keys()):
        if wanted[key] != found[key]:
            yield f"balance: {key} must be {wanted[key]}, is {found[key]}"


def _postings(snapshot: Snapshot) -> Iterator[str]:
    """Every entry is on the topic, always with the same bytes, and nothing else is."""
    published: dict[str, bytes] = {}
    for read in snapshot.topics[POSTINGS]:
        event = json.loads(read.value)
        if published.setdefault(event["id"], read.value) != read.value:
            yield f"two postings: id {event['id']} is on the topic with different contents"
    booked = {str(row["entry_id"]): row for row in snapshot.entries}
    for entry_id in sorted(booked.keys() - published.keys()):
        yield f"unpublished: entry {entry_id} on {booked[entry_id]['waybill']} is not on the topic"
    for entry_id in sorted(published.keys() - booked.keys()):
        yield f"unbooked: posting {entry_id} is on the topic and not in the ledger"
    for entry_id in sorted(published.keys() & booked.keys()):
        if json.loads(published[entry_id])["data"]["amount_fen"] != booked[entry_id]["amount_fen"]:
            yield f"two postings: entry {entry_id} is published with another amount"


def first_hash(network: str, partition: int) -> bytes:
    """What a chain begins with."""
    return hashlib.sha256(_compact(["faultline ledger", network, partition])).digest()


def next_hash(before: bytes, row: Row, published: Mapping[str, Any]) -> bytes:
    """The hash of an entry after `before`: over its place in the table and its members as published."""
    place = [row["partition"], row["position"], row["ordinal"], row["record_offset"]]
    content = {name: value for name, value in published.items() if name != "chain"}
    return hashlib.sha256(before + _compact(place) + _compact(content)).digest()


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _chains(snapshot: Snapshot) -> Iterator[str]:
    """Each chain has no gap, follows from what was published, and ends where it is remembered to."""
    published = {}
    for read in snapshot.topics[POSTINGS]:
        event = json.loads(read.value)
        published[event["id"]] = event["data"]
    links: dict[tuple[str, int], list[Row]] = {}
    for row in snapshot.entries:
        links.setdefault((row["network"], row["partition"]), []).append(row)
    heads = {(row["network"], row["partition"]): (row["position"], row["hash"]) for row in snapshot.chains}
    for key, rows in sorted(links.items()):
        name, before, position = f"{key[0]}/{key[1]}", first_hash(*key), 0
        for row in sorted(rows, key=lambda row: int(row["position"])):
            position += 1
            data = published.get(str(row["entry_id"]))
            if row["position"] != position:
                yield f"chain: {name} has no position {position}"
                break
            if data is not None and row["hash"] != next_hash(before, row, data):
                yield f"chain: {name} is broken at {position}, entry {row['entry_id']}"
                break
            before = row["hash"]
        if heads.get(key) != (position, before):
            yield f"chain: {name} ends at {position} and is remembered otherwise"
    for key in sorted(heads.keys() - links.keys()):
        yield f"chain: {key[0]}/{key[1]} is remembered and has no entries"
