"""What a decision moves, when findings were first issued, and amounts as people enter them."""

from __future__ import annotations

from typing import Any

import pytest

from services.console.effects import Change, Standing, effect, fen_of, first_issued


def finding(rule: str = "TT-04", site: str = "HUB", amount_fen: int = 10_000, **more: Any) -> dict[str, Any]:
    kind = more.pop("kind", "fine")
    awards = more.pop("awards", [{"to": "BJ02", "amount_fen": amount_fen}] if kind == "fine" else [])
    found = {"finding_id": f"{rule}/{site}", "kind": kind, "site": site, "amount_fen": amount_fen}
    return {**found, "awards": awards, "state": "active", **more}


def test_a_finding_that_falls_away_gives_its_money_back() -> None:
    changes, findings = effect([finding()], [finding(state="revoked")])
    assert changes == [
        Change("BJ02", Standing(-10_000), Standing()),
        Change("HUB", Standing(10_000), Standing()),
    ]
    assert [(one.moved_fen, one.told) for one in changes] == [
        (10_000, "receives_less"),
        (-10_000, "pays_less"),
    ]
    assert [one.finding_id for one in findings] == ["TT-04/HUB"]


def test_money_that_is_frozen_stays_where_it_is_but_is_told() -> None:
    changes, findings = effect([finding()], [finding(state="frozen")])
    assert [(one.who, one.moved_fen, one.after.frozen_fen) for one in changes] == [
        ("BJ02", 0, -10_000),
        ("HUB", 0, 10_000),
    ]
    assert len(findings) == 1


def test_what_moves_adds_up_to_nothing_and_the_largest_comes_first() -> None:
    before = [finding(), finding("TT-01", amount_fen=1_000, awards=[{"to": "hq", "amount_fen": 1_000}])]
    after = [finding(amount_fen=2_500), finding("TT-06", site="GZ01", amount_fen=700, kind="compensation")]
    changes, _ = effect(before, after)
    assert [one.who for one in changes][:1] == ["HUB"]
    paid_to_nobody_fen = 700
    assert sum(one.moved_fen for one in changes) == paid_to_nobody_fen


@pytest.mark.parametrize("kind", ["alert", "rejection", "liability", "entitlement"])
def test_what_costs_nothing_moves_nothing(kind: str) -> None:
    changes, findings = effect([], [finding(kind=kind, amount_fen=0)])
    assert not changes
    assert len(findings) == 1


def test_nothing_changed_is_nothing_told() -> None:
    assert effect([finding()], [finding(reason={"zh": "", "en": "another wording"})]) == ([], [])
    assert effect([finding(state="revoked")], []) == ([], [])


def test_a_finding_that_comes_back_is_issued_anew() -> None:
    versions = [
        {"version": 3, "decided_at": "t3", "findings": [finding(), finding("TT-01")]},
        {"version": 2, "decided_at": "t2", "findings": [finding(state="revoked"), finding("TT-01")]},
        {"version": 1, "decided_at": "t1", "findings": [finding()]},
    ]
    assert first_issued(versions) == {"TT-04/HUB": "t3", "TT-01/HUB": "t2"}


@pytest.mark.parametrize(
    ("entered", "fen"),
    [("15", 1_500), ("1,500.05", 150_005), ("1，500", 150_000), (" 0.1 ", 10), ("0", 0), ("1e2", 10_000)],
)
def test_amounts(entered: str, fen: int) -> None:
    assert fen_of(entered) == fen


@pytest.mark.parametrize("entered", ["", "-1", "0.001", "ten", "NaN", "inf", "1e99", "10 yuan"])
def test_what_is_no_amount(entered: str) -> None:
    assert fen_of(entered) is None
