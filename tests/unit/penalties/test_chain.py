"""The hash chain: any member of any entry, and its place, decides the hash of it and of all that follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.penalties.chain import Chains, beginning, following
from shared.events.outputs import Account, Clause, Entry

ENTRY = Entry(
    entry_id="00000000-0000-5000-8000-000000000001",
    kind="fine",
    posted_at=datetime(2026, 3, 5, 2, 0, tzinfo=UTC),
    period="2026-03",
    network="tiantian",
    waybill="560000000001",
    finding_id="TT-04/BJ02",
    version=1,
    rule="TT-04",
    debit=Account("receivable", "BJ02"),
    credit=Account("payable", "GZ01"),
    amount_fen=5_000,
    clause=Clause("002", "每票每天五十元"),
)
OTHERS: dict[str, Any] = {
    "entry_id": "00000000-0000-5000-8000-000000000002",
    "kind": "compensation",
    "posted_at": ENTRY.posted_at + timedelta(microseconds=1),
    "period": "2026-04",
    "network": "zto",
    "waybill": "560000000002",
    "finding_id": "TT-04/BJ03",
    "version": 2,
    "rule": "TT-05",
    "debit": Account("receivable", "BJ03"),
    "credit": Account("payable"),
    "amount_fen": 5_001,
    "reverses": "00000000-0000-5000-8000-000000000003",
    "belongs_to": "2026-02",
    "clause": None,
    "note": "x",
}


def test_every_member_of_an_entry_is_tried() -> None:
    assert OTHERS.keys() == set(Entry.__struct_fields__) - {"chain"}


@pytest.mark.parametrize("member", OTHERS)
def test_an_altered_member_changes_the_hash(member: str) -> None:
    start = beginning(("tiantian", 3))
    altered = msgspec.structs.replace(ENTRY, **{member: OTHERS[member]})
    assert following(start, altered, 3, 0, 7) != following(start, ENTRY, 3, 0, 7)


def test_the_place_and_what_came_before_change_the_hash() -> None:
    start = beginning(("tiantian", 3))
    first = following(start, ENTRY, 3, 0, 7)
    others = [
        following(beginning(("tiantian", 4)), ENTRY, 3, 0, 7),
        following(beginning(("zto", 3)), ENTRY, 3, 0, 7),
        following(start, ENTRY, 4, 0, 7),
        following(start, ENTRY, 3, 1, 7),
        following(start, ENTRY, 3, 0, 8),
        following(first, ENTRY, 3, 0, 7),
    ]
    assert len({first.digest, *(link.digest for link in others)}) == 7


def test_a_sealed_entry_is_linked_as_if_it_were_not() -> None:
    sealed = Chains().sealed(ENTRY, 3, 0, 7)
    assert sealed.chain is not None
    assert following(beginning(("tiantian", 3)), sealed, 3, 0, 7).position == sealed.chain.position == 1
    assert Chains().sealed(sealed, 3, 0, 7) == sealed


def test_the_hash_never_changes_its_meaning() -> None:
    """Chains that are stored must prove for ever: this value is theirs."""
    link = following(beginning(("tiantian", 3)), ENTRY, 3, 0, 7)
    assert link.digest.hex() == "574746604c2de1b18b7b4e69cba3cbb577c1d5380ba8b2da94f3e49c2ab2a150"
