"""What one version of a verdict changed of the one before."""

from __future__ import annotations

from typing import Any

from services.console.comparing import changes, steps


def finding(name: str, amount_fen: int = 100, state: str = "active", **members: Any) -> dict[str, Any]:
    return {"finding_id": name, "amount_fen": amount_fen, "state": state, "awards": [], **members}


def test_added_changed_gone_and_equal() -> None:
    before = [finding("a"), finding("b"), finding("c"), finding("d", state="revoked")]
    after = [finding("b", 50), finding("a"), finding("c", state="revoked"), finding("d"), finding("e", 7)]
    found = changes(before, after)
    assert [(one.kind, one.finding_id, one.fields, one.money_fen) for one in found] == [
        ("changed", "b", ("amount_fen",), -50),
        ("gone", "c", (), -100),
        ("added", "d", (), 100),
        ("added", "e", (), 7),
    ]


def test_what_is_left_out_is_gone_and_what_never_stood_is_nothing() -> None:
    assert [one.kind for one in changes([finding("a")], [])] == ["gone"]
    assert changes([finding("a", state="revoked")], []) == []


def test_each_version_beside_the_one_before() -> None:
    versions = [{"version": 2, "findings": [finding("a", 30)]}, {"version": 1, "findings": [finding("a")]}]
    second, first = steps(versions, whole=True)
    assert (second.money_fen, first.money_fen) == (-70, 100)
    assert steps(versions[:1], whole=False)[0].changes == (), (
        "of the oldest shown the predecessor is not known"
    )
    assert steps([], whole=True) == []
