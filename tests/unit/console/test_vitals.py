"""What operators are shown, worked out from what services say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from services.console.vitals import (
    COUNTERS,
    LAG_MAX,
    Process,
    Sample,
    alarms,
    counters_of,
    rates_between,
    stuck_between,
    topics_of,
    with_holders,
)
from services.console.vocabulary import Words
from shared import metrics

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
CALM: dict[str, Any] = {
    "partitions": [],
    "outbox_batches": 0,
    "outbox_since": None,
    "dead_letters": 0,
    "dead_letters_last_at": None,
    "figures": {},
}


def process(name: str = "intake", **counters: float) -> Process:
    return Process(name, name, f"http://{name}", "ready", {"broker": {"ok": True}}, counters)


def sample(*processes: Process, seconds: float = 0.0, **backlogs: Any) -> Sample:
    return Sample(NOW, seconds, processes, {name: CALM | given for name, given in backlogs.items()})


def partition(number: int, position: int, lag: int | None, owner: str = "arbitration") -> dict[str, Any]:
    end = None if lag is None else position + lag
    return {
        "topic": "parcel.scans",
        "partition": number,
        "owner": owner,
        "position": position,
        "end": end,
        "lag": lag,
    }


def test_counters_are_added_up_over_their_labels() -> None:
    text = (
        "# HELP faultline_ledger_entries_total Entries booked.\n"
        "# TYPE faultline_ledger_entries_total counter\n"
        'faultline_ledger_entries_total{kind="fine"} 3.0\n'
        'faultline_ledger_entries_total{kind="reversal"} 2.0\n'
        "faultline_journalled_total 7.0\n"
        "faultline_something_else 9.0\n"
    )
    assert counters_of(text) == {"entries": 5.0, "journalled": 7.0}


def test_every_counter_that_is_read_is_declared() -> None:
    from services.arbitration import main as _arbitration  # noqa: F401 - metrics are declared at import
    from services.intake import main as _intake  # noqa: F401
    from services.notify import main as _notify  # noqa: F401
    from services.penalties import main as _penalties  # noqa: F401

    declared = {f"{one.name}_total" for one in metrics.declared() if one.kind == "counter"}
    assert set(COUNTERS) <= declared


def test_rates_do_not_jump_when_a_process_begins_anew() -> None:
    before = sample(process("intake", accepted=100.0), process("intake-2", accepted=900.0))
    after = sample(
        process("intake", accepted=120.0),
        process("intake-2", accepted=5.0),
        process("intake-3", accepted=1e6),
        seconds=2.0,
    )
    assert rates_between(before, after)["accepted"] == 10.0
    assert rates_between(after, after) == {}


def test_all_is_calm() -> None:
    assert alarms(sample(process(), arbitration={"figures": {"parked": 0, "due_reviews_since": None}})) == []


def test_every_alarm_names_what_to_do_in_both_languages() -> None:
    away = Process("penalties", "penalties", "http://p", "away")
    ill = Process(
        "notify", "notify", "http://n", "not_ready", {"database": {"ok": False, "detail": "It hangs."}},
        {"unacknowledged": 1.0, "conflicts": 1.0, "registry_refused": 1.0},
    )  # fmt: skip
    long_ago = (NOW - timedelta(minutes=6)).isoformat()
    found = sample(
        away,
        ill,
        arbitration={
            "partitions": [partition(0, 5, LAG_MAX + 1)],
            "dead_letters": 2,
            "outbox_batches": 3,
            "outbox_since": long_ago,
            "figures": {"parked": 1, "due_reviews": 4, "due_reviews_since": long_ago},
        },
    )
    failed = Sample(NOW, 0.0, found.processes, found.backlogs, [{"site": "GZ01"}], failed_notices_more=True)
    raised = alarms(failed, [("arbitration", "parcel.scans")], sample(process("notify", unacknowledged=0.0)))
    words = Words()
    names = {alarm.name for alarm in raised}
    assert names == set(words.groups["alarm"]) == set(words.groups["do"])
    assert [alarm.level for alarm in raised] == sorted(alarm.level for alarm in raised), (
        "what is pressing first"
    )
    for alarm in raised:
        for language in ("zh", "en"):
            assert "{" not in words.say(language, "alarm", alarm.name, **alarm.values)


def test_what_has_passed_by_itself_is_no_alarm_any_more() -> None:
    refused = sample(process("intake", unacknowledged=7.0))
    assert alarms(refused, earlier=refused) == alarms(refused) == []


def test_a_lag_that_the_broker_does_not_tell_is_not_none() -> None:
    (topic,) = topics_of(sample(arbitration={"partitions": [partition(0, 5, 2), partition(1, 5, None)]}))
    assert topic.lag is None


def test_stuck_is_what_waits_and_does_not_move() -> None:
    def at(position: int, lag: int) -> Sample:
        return sample(arbitration={"partitions": [partition(0, position, lag)]})

    assert stuck_between(at(5, 2), at(5, 9)) == [("arbitration", "parcel.scans")]
    assert stuck_between(at(5, 2), at(6, 9)) == []
    assert stuck_between(at(5, 0), at(5, 9)) == [], "what has just come in"


def test_a_copy_that_is_only_known_by_its_partitions_is_shown() -> None:
    held = sample(process("arbitration"), arbitration={"partitions": [partition(0, 1, 0, "arbitration-2")]})
    assert [(one.name, one.state) for one in with_holders(held)] == [
        ("arbitration", "ready"),
        ("arbitration-2", "unseen"),
    ]
