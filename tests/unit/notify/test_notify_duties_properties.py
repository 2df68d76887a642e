"""Any sequence of revisions, redelivered, reordered and cut into batches anyhow: each thing once, nothing after it is done."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.duties import advance
from services.notify.domain.sayings import Saying
from services.notify.handlers.batch import Batch
from shared.events.duties import DutiesData, Duty
from tests.unit.notify.duties import HOUR, LIMITS, OPENED_AT, duties, duty

KINDS = ("complaint", "contact", "settle", "return_request", "fine", "major")


@st.composite
def duty_lists(draw: st.DrawFn) -> list[Duty]:
    return [
        duty(
            kind,
            site=draw(st.sampled_from(["BJ02", "SH03"])),
            due_at=None if kind in ("complaint", "major") else OPENED_AT + draw(st.integers(1, 60)) * HOUR,
            amount_fen=draw(st.sampled_from([None, 5_000])) if kind == "fine" else None,
        )
        for kind in draw(st.lists(st.sampled_from(KINDS), unique=True))
    ]


@st.composite
def histories(draw: st.DrawFn) -> list[DutiesData]:
    """Revisions an hour or more apart, in their order."""
    at, history = OPENED_AT, []
    for revision, list_ in enumerate(draw(st.lists(duty_lists(), min_size=1, max_size=6)), 1):
        history.append(duties(revision, *list_, as_of=at))
        at += draw(st.integers(1, 20)) * HOUR
    return history


class Table:
    """What notify stores, and what it says, after revisions have arrived."""

    def __init__(self) -> None:
        self.known: list[Duty] = []
        self.revision = 0
        self.planned: dict[str, Saying] = {}
        self.done: set[str] = set()
        self.said: list[Saying] = []
        self.spoken: list[tuple[datetime, Saying]] = []

    def take(self, batch: list[DutiesData], now: datetime) -> None:
        """One transaction of the consumer, at `now`."""
        work = Batch()
        for data in batch:
            if data.revision <= self.revision:
                continue
            step = advance(self.known, data, partition=0, now=now, limits=LIMITS)
            self.known, self.revision = data.duties, data.revision
            work.take(data.network, data.waybill, step.drop, step.plan)
            self.said += step.say
        for _, about in work.dropped:
            gone = [key for key, saying in self.planned.items() if saying.about == about]
            for key in gone:
                del self.planned[key]
                self.done.discard(key)
        self.planned |= {key: saying for key, saying in work.planned.items() if key not in self.done}

    def fall_due(self, now: datetime) -> None:
        """One round of the due loop."""
        for key, saying in self.planned.items():
            if saying.at <= now and key not in self.done:
                self.done.add(key)
                if saying.until is None or now <= saying.until:
                    assert any(self.still(saying, one) for one in self.known), "said of what is done"
                    self.said.append(saying)
                    self.spoken.append((now, saying))

    @staticmethod
    def still(saying: Saying, one: Duty) -> bool:
        """Whether `one` is the duty that `saying` is about, with the same term and holder."""
        return (f"duty/{one.duty_id}", one.due_at, one.site) == (saying.about, saying.mark, saying.site)


@given(histories(), st.data())
def test_redelivery_and_late_lower_revisions_change_nothing(
    history: list[DutiesData], data: st.DataObject
) -> None:
    table, twice = Table(), Table()
    for number, revision in enumerate(history):
        now = revision.as_of
        copies = data.draw(st.lists(st.sampled_from(history[: number + 1]), max_size=3))
        for one, batch in ((table, [revision]), (twice, [*copies[:1], revision, *copies[1:]])):
            # A copy cannot come before its revision was taken: records of a waybill keep their order.
            ordered = [item for item in batch if item.revision <= one.revision or item is revision]
            one.fall_due(now)
            one.take(ordered, now)
    for one in (table, twice):
        one.fall_due(OPENED_AT + timedelta(days=30))
    assert ids(table) == ids(twice)


@given(histories(), st.integers(1, 6))
def test_how_the_records_are_cut_into_batches_decides_nothing(history: list[DutiesData], size: int) -> None:
    now = history[-1].as_of
    single, batched = Table(), Table()
    for revision in history:
        single.take([revision], now)
    for start in range(0, len(history), size):
        batched.take(history[start : start + size], now)
    assert ids(single) == ids(batched)
    assert single.planned == batched.planned


@given(histories(), st.integers(1, 7))
def test_nothing_is_said_twice_for_one_term_and_nothing_of_what_is_done(
    history: list[DutiesData], step_hours: int
) -> None:
    table, now = Table(), OPENED_AT
    pending = list(history)
    while now < OPENED_AT + timedelta(days=8):
        due = [revision for revision in pending if revision.as_of <= now]
        pending = pending[len(due) :]
        table.take(due, now)
        table.fall_due(now)
        now += step_hours * HOUR
    reminders = [one for one in table.spoken if one[1].occasion.endswith(("_due", "_overdue", "_ahead"))]
    for number, (said_at, saying) in enumerate(reminders):
        for again_at, other in reminders[number + 1 :]:
            if (other.saying_id, other.site) == (saying.saying_id, saying.site):
                between = [list_ for list_ in history if said_at < list_.as_of <= again_at]
                assert any(not any(Table.still(saying, one) for one in list_.duties) for list_ in between), (
                    "said twice while it stood"
                )


def ids(table: Table) -> set[str]:
    return {f"{saying.saying_id}/{saying.site}" for saying in table.said}
