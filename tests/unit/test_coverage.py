"""Every rule is shown by worked cases: firing, not firing, and at its very edge."""

from __future__ import annotations

import pytest

from tests.support import coverage


def test_the_page_is_not_stale() -> None:
    written = coverage.PAGE.read_text(encoding="utf-8")
    now = coverage.at_hand()
    public = {name: now.get(name, what) for name, what in coverage.kept(written).items()}
    assert public, "the page has lost the public cases"
    assert coverage.page(public) == written, (
        "docs/reference/coverage.md is stale: run `python -m tests.support.coverage` and commit it."
    )


@pytest.mark.parametrize("rule", coverage.rules())
def test_every_rule_has_cases_of_each_way(rule: str) -> None:
    ways = {"does not"} if rule in coverage.NOTICES else set(coverage.WAYS)
    cases = coverage.own()[rule]
    assert {way for way in ways if not cases[way]} == set(), f"no case of {rule} in tests/cases"
    assert rule not in coverage.NOTICES or not cases["fires"]
    assert rule in coverage.NOTICES or len({name for names in cases.values() for name in names}) >= 3
