"""What another rulebook changes: sums that can be redone by hand, and nothing where nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.arbitration.domain import (
    Difference,
    OverrideError,
    Tally,
    adjudicate,
    overridden_for,
)
from shared.events.outputs import Award, Clause, Finding, Text
from tests.unit.arbitration.build import BOOKS, at

CASES = Path(__file__).resolve().parents[2] / "cases"
SUBJECT = "tiantian/560000000001"


def finding(
    rule: str = "TT-04", site: str | None = "BJ02", amount_fen: int = 5_000, to: str = "GZ01", **other: Any
) -> Finding:
    return Finding(
        finding_id=f"{rule}/{site or '-'}",
        rule=rule,
        kind=other.pop("kind", "fine"),
        site=site,
        role="other",
        amount_fen=amount_fen,
        awards=[Award(to, amount_fen)] if amount_fen else [],
        reason=other.pop("reason", Text("", "")),
        clause=Clause("002", ""),
        triggered_at=at(1),
        **other,
    )


def difference(
    before: Sequence[Finding], after: Sequence[Finding], issued: Sequence[Finding] | None = None
) -> Difference:
    found = Difference()
    found.add(SUBJECT, before if issued is None else issued, before, after)
    return found


def numbers(row: Tally) -> tuple[int, ...]:
    sides = ((side.findings, side.charged_fen, side.awarded_fen) for side in (row.before, row.after))
    return (*(number for side in sides for number in side), row.added, row.removed, row.changed)


def test_money_is_counted_where_it_is_owed_and_where_it_goes() -> None:
    found = difference([finding()], [finding(amount_fen=10_000, to="hq")])
    assert {place: numbers(row) for place, row in found.rows.items()} == {
        ("TT-04", "BJ02"): (1, 5_000, 0, 1, 10_000, 0, 0, 0, 1),
        ("TT-04", "GZ01"): (0, 0, 5_000, 0, 0, 0, 0, 0, 0),
        ("TT-04", "hq"): (0, 0, 0, 0, 0, 10_000, 0, 0, 0),
    }
    assert {row.example for row in found.rows.values()} == {SUBJECT}
    assert (found.judged, found.changed, found.baselines_differing) == (1, 1, 0)


def test_what_comes_and_what_goes_is_told_apart() -> None:
    found = difference([finding()], [finding("TT-01", None, 0, kind="alert")])
    assert numbers(found.rows["TT-04", "BJ02"])[-3:] == (0, 1, 0)
    assert numbers(found.rows["TT-01", None])[-3:] == (1, 0, 0)
    assert found.rows["TT-01", None].example == SUBJECT


def test_another_wording_is_no_difference_and_revoked_is_nothing() -> None:
    worded = finding(reason=Text("十日", "ten days"), calculation={"days": 10}, assumed=["x"])
    gone = finding("TT-01", state="revoked")
    found = difference([finding()], [worded, gone], [gone, worded])
    assert (found.changed, found.baselines_differing, set(found.rows)) == (
        0,
        0,
        {("TT-04", "BJ02"), ("TT-04", "GZ01")},
    )
    assert {row.example for row in found.rows.values()} == {None}


@pytest.mark.parametrize("other", [{"state": "provisional"}, {"kind": "liability"}, {"to": "hq"}])
def test_state_kind_and_recipient_are_differences(other: dict[str, Any]) -> None:
    found = difference([finding()], [finding(**other)])
    assert (found.changed, found.rows["TT-04", "BJ02"].changed) == (1, 1)


def test_a_baseline_that_was_not_issued_is_counted_and_not_blamed_on_the_rulebook() -> None:
    found = difference([finding()], [finding()], issued=[finding(amount_fen=1)])
    assert (found.changed, found.baselines_differing) == (0, 1)


_findings = st.lists(
    st.builds(
        finding,
        st.sampled_from(("TT-01", "TT-04")),
        st.sampled_from(("BJ02", "GZ01", None)),
        st.integers(0, 3).map(lambda n: n * 5_000),
        st.sampled_from(("GZ01", "hq")),
        state=st.sampled_from(("active", "provisional", "revoked")),
    ),
    unique_by=lambda one: one.finding_id,
)


@given(st.lists(st.tuples(_findings, _findings, _findings), max_size=5))
def test_the_sums_are_those_of_the_findings(waybills: list[tuple[list[Finding], ...]]) -> None:
    found = Difference()
    for issued, before, after in waybills:
        found.add(SUBJECT, issued, before, after)
    rows = found.rows.values()
    for place, side in ((1, "before"), (2, "after")):
        standing = [one for waybill in waybills for one in waybill[place] if one.state != "revoked"]
        sums = [getattr(row, side) for row in rows]
        assert sum(one.findings for one in sums) == len(standing)
        assert sum(one.charged_fen for one in sums) == sum(one.amount_fen for one in standing)
        assert sum(one.awarded_fen for one in sums) == sum(one.amount_fen for one in standing)
    for row in rows:
        assert row.after.findings == row.before.findings + row.added - row.removed
        assert (row.example is not None) >= bool(row.added or row.removed or row.changed)
        assert row.example is not None or row.before == row.after
    assert found.changed <= found.judged == len(waybills)
    assert bool(found.changed) == any(row.example for row in rows)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.json"))[::7], ids=lambda path: path.stem)
def test_the_same_rulebook_changes_nothing(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    same = overridden_for(BOOKS, case["network"], {})
    request = {name: case[name] for name in ("network", "now", "facts", "events") if name in case}
    judged = [
        msgspec.convert(adjudicate(request, books)["verdict"]["findings"], list[Finding])
        for books in (BOOKS, same)
    ]
    found = difference(judged[0], judged[1])
    assert (found.changed, found.baselines_differing) == (0, 0)
    assert all(row.example is None and row.before == row.after for row in found.rows.values())


@pytest.mark.parametrize(
    ("network", "overrides", "pointer"),
    [
        ("tiantian", {"TT-99": {}}, "/TT-99"),
        ("tiantian", {"a/b~c": {}}, "/a~1b~0c"),
        ("tiantian", {"ZT-01": {}}, "/ZT-01"),
        ("nobody", {"TT-04": {}}, "/TT-04"),
        ("tiantian", {"TT-04": {"rate": 1}}, "/TT-04/rate"),
        ("tiantian", {"TT-04": {"fine_per_day_fen": 1_000_000_001}}, "/TT-04/fine_per_day_fen"),
        ("tiantian", {"TT-04": {"hub_departure_days": 10_001}}, "/TT-04/hub_departure_days"),
    ],
)
def test_overrides_that_mean_nothing_are_refused_with_their_place(
    network: str, overrides: dict[str, dict[str, int]], pointer: str
) -> None:
    with pytest.raises(OverrideError) as refused:
        overridden_for(BOOKS, network, overrides)
    assert refused.value.pointer == pointer


def test_rules_that_judge_everywhere_may_be_overridden_in_every_network() -> None:
    for rule_id in ("GB-01", BOOKS.of("zto").general.id):
        assert overridden_for(BOOKS, "zto", {rule_id: {}}) is not BOOKS
