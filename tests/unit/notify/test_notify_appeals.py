"""When a site is reminded that the time to appeal is ending."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.notify.domain.appeals import closing
from services.notify.domain.sayings import Saying
from shared.events.outputs import VerdictData
from tests.unit.notify.verdicts import DECIDED_AT, finding, told, verdict

END = datetime(2026, 3, 9, 15, 59, 59, tzinfo=UTC)
DAY = timedelta(days=1)


def planned(
    *versions: VerdictData, now: datetime = DECIDED_AT, lead: timedelta = DAY
) -> tuple[list[Saying], list[str]]:
    """What the last of `versions` plans and drops."""
    before = len(told(*versions[:-1])[1])
    causes = told(*versions)[1][before:]
    return closing(causes, versions[-1], partition=0, now=now, lead=lead)


def test_the_liable_site_is_reminded_a_day_before_the_end_and_who_is_paid_is_not() -> None:
    (saying,), drop = planned(verdict(1, finding()))
    assert (saying.site, saying.at, saying.until, saying.due_at) == ("BJ02", END - DAY, END, END)
    assert drop == []


@pytest.mark.parametrize("state", ["frozen", "revoked"])
def test_what_cannot_be_appealed_any_more_is_dropped(state: str) -> None:
    plan, drop = planned(verdict(1, finding()), verdict(2, finding(state=state)))
    assert (plan, drop) == ([], ["appeal/TT-04/BJ02/BJ02"])


def test_a_decided_appeal_stays_dropped() -> None:
    plan, drop = planned(
        verdict(1, finding()), verdict(2, finding(state="frozen")), verdict(3, finding(ruling=True))
    )
    assert (plan, drop) == ([], ["appeal/TT-04/BJ02/BJ02"])


def test_a_change_keeps_the_one_reminder() -> None:
    (first,), _ = planned(verdict(1, finding()))
    (again,), drop = planned(verdict(1, finding()), verdict(2, finding(amount_fen=20_000)))
    assert (again.saying_id, drop) == (first.saying_id, [])


def test_another_liable_site_takes_the_reminder_over() -> None:
    plan, drop = planned(verdict(1, finding()), verdict(2, finding(site="SH03")))
    assert [saying.site for saying in plan] == ["SH03"]
    assert drop == ["appeal/TT-04/BJ02/BJ02"]


def test_nothing_is_planned_for_a_time_that_is_over_or_that_begins_within_the_reminders() -> None:
    assert planned(verdict(1, finding()), now=END) == ([], [])
    assert planned(verdict(1, finding()), lead=30 * DAY) == ([], [])
    assert planned(verdict(1, finding(kind="alert", amount_fen=0, awards=[]))) == ([], [])
