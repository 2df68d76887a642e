"""What is taken from the topic, and what becomes of several versions in one batch; no database is needed for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.penalties.chain import Chains
from services.penalties.handlers import Batch, Taken, Unfit, posting, read
from services.penalties.store import Booking, Close
from shared.events.outputs import Award, Clause, Finding, OutputEvent, RulebookRef, Text, VerdictData

NOW = datetime(2026, 3, 5, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Read:
    """A consumed record."""

    value: bytes | None
    key: bytes | None = b"tiantian/560000000001"
    offset: int = 0
    topic: str = "arbitration.verdicts"
    partition: int = 3
    timestamp: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


def verdict(version: int = 1, *amounts_fen: int, digest: str | None = None) -> VerdictData:
    return VerdictData(
        network="tiantian",
        waybill="560000000001",
        version=version,
        decided_at=NOW,
        rulebook=RulebookRef("tiantian", "2011-08-01", "sha256:0"),
        code_version="1",
        digest=digest or f"sha256:{version}",
        status="decided",
        findings=[
            Finding(
                finding_id=f"TT-0{number}/BJ02",
                rule=f"TT-0{number}",
                kind="fine",
                site="BJ02",
                role="delivery",
                amount_fen=amount_fen,
                awards=[Award("hq", amount_fen)],
                reason=Text("", ""),
                clause=Clause("002", ""),
                triggered_at=NOW,
            )
            for number, amount_fen in enumerate(amounts_fen, 1)
        ],
    )


def envelope(data: Any, **other: Any) -> bytes:
    fields = {"type": "verdict.issued", "subject": "tiantian/560000000001"} | other
    event = OutputEvent(
        id="v",
        source="/services/arbitration",
        time=NOW,
        data=msgspec.Raw(msgspec.json.encode(data)),
        **fields,
    )
    return msgspec.json.encode(event)


def taken(verdict: VerdictData, offset: int = 0) -> Taken:
    return Taken(Read(envelope(verdict), offset=offset), verdict)


def raw_members(**changes: Any) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(verdict(1, 100))
    return members | changes


def finding_with(**changes: Any) -> bytes:
    members = raw_members()
    members["findings"][0] |= changes
    return envelope(members)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "not_a_verdict"),
        (b"\xff\x00", "not_a_verdict"),
        (b"{}", "not_a_verdict"),
        (envelope(raw_members(version="1")), "not_a_verdict"),
        (finding_with(amount_fen=100.0), "not_a_verdict"),
        (finding_with(amount_fen="100"), "not_a_verdict"),
        (finding_with(amount_fen=2**80), "unfit_verdict"),
        (finding_with(amount_fen=2**60, awards=[{"to": "hq", "amount_fen": 2**60}]), "unfit_verdict"),
        (finding_with(amount_fen=101), "unfit_verdict"),
        (envelope(verdict(), type="verdict.guessed"), "unknown_type"),
        (envelope(verdict(), subject="tiantian/560000000002"), "wrong_key"),
        (envelope(raw_members(waybill="560000000002")), "wrong_key"),
    ],
)
def test_what_is_not_a_fit_verdict_is_refused_with_a_reason(value: bytes | None, reason: str) -> None:
    with pytest.raises(Unfit) as refused:
        read(Read(value))
    assert refused.value.reason == reason


def test_a_verdict_under_another_waybills_key_is_refused() -> None:
    with pytest.raises(Unfit, match="key"):
        read(Read(envelope(verdict()), key=b"tiantian/560000000009"))


def test_a_verdict_with_members_of_tomorrow_is_taken() -> None:
    assert read(Read(envelope(raw_members(weather="rain")))) == verdict(1, 100)


def test_versions_in_one_batch_book_as_if_each_had_come_alone() -> None:
    arrivals = [taken(verdict(1, 100), 5), taken(verdict(2, 300), 6), taken(verdict(3, 50, 70), 7)]
    together = Batch({}, {})
    assert [together.work(one) for one in arrivals] == ["booked", "booked", "booked"]

    books: dict[Any, Any] = {}
    alone: list[Booking] = []
    chains = Chains()
    for one in arrivals:
        batch = Batch(books, {}, chains)
        batch.work(one)
        books = batch.books
        alone += batch.bookings
    assert together.bookings == alone
    assert [booking.ordinal for booking in alone] == list(range(len(alone)))


@pytest.mark.parametrize(
    ("arrivals", "outcomes"),
    [
        ([verdict(1)], ["unchanged"]),
        ([verdict(1), verdict(1, 100, digest="sha256:other")], ["unchanged", "conflict"]),
        ([verdict(1, 100), verdict(1, 100)], ["booked", "repeated"]),
        ([verdict(1, 100), verdict(3, 50), verdict(2, 900)], ["booked", "booked", "superseded"]),
        ([verdict(2), verdict(1, 100)], ["unchanged", "superseded"]),
        ([verdict(1, 100), verdict(2, 100)], ["booked", "unchanged"]),
        ([verdict(1, 100), verdict(1, 200, digest="sha256:other")], ["booked", "conflict"]),
        ([verdict(1, 100), verdict(1, digest="sha256:other")], ["booked", "conflict"]),
        ([verdict(1, 100), verdict(2)], ["booked", "booked"]),
    ],
)
def test_what_a_version_means_to_the_ledger(arrivals: list[VerdictData], outcomes: list[str]) -> None:
    batch = Batch({}, {})
    assert [batch.work(taken(one, offset)) for offset, one in enumerate(arrivals)] == outcomes


def test_only_what_came_after_the_cut_of_a_close_is_moved_on() -> None:
    batch = Batch({}, {"tiantian": [Close("2026-03", {3: 10})], "zto": [Close("2026-04", {})]})
    batch.work(taken(verdict(1, 100), 9))
    batch.work(taken(verdict(2, 300), 10))
    assert [(b.entry.version, b.entry.period, b.entry.belongs_to) for b in batch.bookings] == [
        (1, "2026-03", None),
        (2, "2026-04", "2026-03"),
    ]


def test_a_posting_is_an_event_of_its_waybill_named_by_its_entry() -> None:
    batch = Batch({}, {})
    batch.work(taken(verdict(1, 100)))
    entry = batch.bookings[0].entry
    key, value = posting(entry)
    event = msgspec.json.decode(value)
    assert key == b"tiantian/560000000001"
    assert (event["type"], event["subject"], event["id"]) == ("posting.booked", key.decode(), entry.entry_id)
    assert UUID(event["id"]).version == 5
    assert event["data"] == {
        "entry_id": entry.entry_id,
        "kind": "fine",
        "posted_at": "2026-03-05T02:00:00Z",
        "period": "2026-03",
        "network": "tiantian",
        "waybill": "560000000001",
        "finding_id": "TT-01/BJ02",
        "version": 1,
        "rule": "TT-01",
        "debit": {"account": "receivable", "site": "BJ02"},
        "credit": {"account": "headquarters"},
        "amount_fen": 100,
        "clause": {"source": "002", "text": ""},
        "chain": {"partition": 3, "position": 1, "hash": entry.chain.hash if entry.chain else ""},
    }
