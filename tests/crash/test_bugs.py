"""The deliberate bugs fit the product as it is. That they are caught is shown by `make crash-selftest`."""

from __future__ import annotations

import ast

import pytest

from tests.crash.bugs import Bug, DoesNotApply, bugs
from tests.crash.scenarios import SCENARIOS
from tests.crash.selftest import ROOT

BUGS = bugs()
AT_LEAST = {
    "offsets_outside_transaction",
    "no_epoch_check",
    "review_deleted_by_key",
    "outbox_deleted_before_ack",
    "version_ignored_by_ledger",
    "id_window_filled_before_ack",
    "webhook_delivered_before_request",
}


def test_every_mistake_that_must_be_caught_is_there() -> None:
    assert {bug.name for bug in BUGS} >= AT_LEAST


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_applies_to_the_product_and_is_still_python(bug: Bug) -> None:
    changed = bug.applied(ROOT)
    assert changed
    for file, text in changed.items():
        assert text != (ROOT / file).read_text(encoding="utf-8")
        ast.parse(text)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_says_what_it_breaks_and_which_scenario_shows_it(bug: Bug) -> None:
    assert bug.breaks
    assert bug.scenario in SCENARIOS


def test_a_bug_that_does_not_fit_says_where() -> None:
    stray = Bug("stray", "nothing", "none", (("shared/bus/outbox.py", "no such line\n", "\n"),))
    with pytest.raises(DoesNotApply, match=r"stray: shared/bus/outbox\.py has the lines of a hunk 0 times"):
        stray.applied(ROOT)
