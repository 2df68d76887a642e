"""The ledger's money, against an independent model: what findings ask for, added up by hand for each site."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.penalties.domain import (
    FROZEN_ACCOUNTS,
    LARGEST_AMOUNT_FEN,
    difference,
    faults,
    is_period,
    month_of,
    open_period,
)
from services.penalties.handlers import entries_of
from shared.events import FINDING_ID_LENGTH_MAX, REFERENCE_LENGTH_MAX
from shared.events.outputs import Award, Clause, Entry, Finding, RulebookRef, Text, VerdictData

SITES = ["GZ01", "BJ02", "HUB-SH"]
RECIPIENTS = [*SITES, "hq", "sender", "recipient", "beneficiary"]
DECIDED_AT = datetime(2026, 3, 5, 2, 0, tzinfo=UTC)


def finding(
    finding_id: str = "TT-04/BJ02",
    *,
    awards: dict[str, int] | None = None,
    kind: Any = "fine",
    state: Any = "active",
    site: str | None = "BJ02",
    amount_fen: int | None = None,
    calculation: dict[str, Any] | None = None,
) -> Finding:
    given_awards = {"GZ01": 15_000} if awards is None else awards
    return Finding(
        finding_id=finding_id,
        rule=finding_id[:5],
        kind=kind,
        site=site,
        role="delivery",
        amount_fen=sum(given_awards.values()) if amount_fen is None else amount_fen,
        awards=[Award(to, amount) for to, amount in given_awards.items()],
        state=state,
        calculation=calculation or {},
        reason=Text("", ""),
        clause=Clause("002", ""),
        triggered_at=DECIDED_AT,
    )


def verdict(version: int, findings: list[Finding], **other: Any) -> VerdictData:
    fields: dict[str, Any] = {
        "network": "tiantian",
        "waybill": "560000000001",
        "decided_at": DECIDED_AT + timedelta(hours=version),
        "digest": f"sha256:{version}",
    }
    return VerdictData(
        version=version,
        rulebook=RulebookRef("tiantian", "2011-08-01", "sha256:0"),
        code_version="1",
        status="decided",
        findings=findings,
        **fields | other,
    )


def book(versions: list[VerdictData], closed: set[str] | None = None) -> list[Entry]:
    """All entries after `versions` arrived in this order."""
    booked: list[Entry] = []
    newest = 0
    for one in versions:
        if one.version > newest:
            newest = one.version
            booked += entries_of(one, booked, closed or set())
    return booked


def shown(entries: list[Entry]) -> list[tuple[Any, ...]]:
    return [
        (e.kind, e.debit.account, e.debit.site, e.credit.account, e.credit.site, e.amount_fen)
        for e in entries
    ]


# -- the independent model: no accounts and no entries, only sums over the findings ---------------------------------


def owed_by_model(findings: list[Finding], *, only_frozen: bool = False) -> Counter[str]:
    """What each site owes: the amounts of its findings less the awards to it."""
    owed: Counter[str] = Counter()
    for one in findings:
        if one.kind not in ("fine", "compensation") or one.state == "revoked":
            continue
        if only_frozen and one.state != "frozen":
            continue
        assert one.site is not None
        owed[one.site] += one.amount_fen
        for award in one.awards:
            owed[award.to] -= award.amount_fen
    return Counter({who: fen for who, fen in owed.items() if fen})


def owed_by_ledger(entries: list[Entry], *, only_frozen: bool = False) -> Counter[str]:
    """Debits less credits of each site, customer and headquarters, over all accounts or the frozen ones."""
    owed: Counter[str] = Counter()
    for entry in entries:
        for side, sign in ((entry.debit, 1), (entry.credit, -1)):
            if only_frozen and side.account not in FROZEN_ACCOUNTS:
                continue
            customer = side.account.partition(".")[2]
            owed[side.site or customer or "hq"] += sign * entry.amount_fen
    return Counter({who: fen for who, fen in owed.items() if fen})


@st.composite
def findings_lists(draw: st.DrawFn) -> list[Finding]:
    found = []
    for number in draw(st.lists(st.integers(1, 4), unique=True, max_size=4)):
        awards = draw(st.dictionaries(st.sampled_from(RECIPIENTS), st.integers(0, 40_000), max_size=3))
        kind = draw(st.sampled_from(["fine", "compensation", "fine", "liability", "rejection", "alert"]))
        money = kind in ("fine", "compensation")
        found.append(
            finding(
                f"TT-0{number}/X",
                awards=awards if money else {},
                kind=kind,
                state=draw(st.sampled_from(["active", "active", "provisional", "frozen", "revoked"])),
                site=draw(st.sampled_from(SITES)),
                calculation={"paid_fen": draw(st.integers(0, 50_000))},
            )
        )
    return found


histories = st.lists(findings_lists(), min_size=1, max_size=6).map(
    lambda lists: [verdict(number, findings) for number, findings in enumerate(lists, 1)]
)


@settings(max_examples=150, deadline=None)
@given(histories, st.data())
def test_any_arrival_ends_in_what_the_newest_version_asks_for(
    history: list[VerdictData], data: st.DataObject
) -> None:
    arrivals = data.draw(st.lists(st.sampled_from(history), min_size=1, max_size=10))
    newest = max(arrivals, key=lambda one: one.version)
    booked = book(arrivals)
    assert owed_by_ledger(booked) == owed_by_model(newest.findings)
    frozen_by_model = owed_by_model(newest.findings, only_frozen=True)
    assert owed_by_ledger(booked, only_frozen=True) == frozen_by_model
    assert all(not faults(one) for one in arrivals)


@settings(max_examples=80, deadline=None)
@given(histories)
def test_every_prefix_of_a_history_holds_and_repeats_exactly(history: list[VerdictData]) -> None:
    for end in range(1, len(history) + 1):
        booked = book(history[:end])
        assert owed_by_ledger(booked) == owed_by_model(history[end - 1].findings)
        assert book(history[:end]) == booked
        assert book(history)[: len(booked)] == booked, "an entry, once booked, never changes"


@settings(max_examples=80, deadline=None)
@given(histories)
def test_entries_are_positive_named_once_and_reverse_no_more_than_was_booked(
    history: list[VerdictData],
) -> None:
    booked = book(history)
    assert len({entry.entry_id for entry in booked}) == len(booked)
    left = {}
    for entry in booked:
        assert entry.amount_fen > 0
        assert entry.debit != entry.credit
        if entry.reverses is None:
            left[entry.entry_id] = entry
        else:
            reversed_ = left[entry.reverses]
            assert (entry.debit, entry.credit) == (reversed_.credit, reversed_.debit)
            assert (entry.finding_id, entry.rule) == (reversed_.finding_id, reversed_.rule)
    for entry_id, entry in left.items():
        assert entry.amount_fen >= sum(e.amount_fen for e in booked if e.reverses == entry_id)


@settings(max_examples=80, deadline=None)
@given(findings_lists())
def test_what_is_booked_already_moves_nothing(findings: list[Finding]) -> None:
    booked = book([verdict(1, findings)])
    assert difference(findings, booked) == []


# -- examples ---------------------------------------------------------------------------------------------------------


def test_a_fine_to_the_reporter() -> None:
    assert shown(book([verdict(1, [finding()])])) == [
        ("fine", "receivable", "BJ02", "payable", "GZ01", 15_000)
    ]


def test_a_fine_split_between_the_reporter_and_headquarters() -> None:
    booked = book([verdict(1, [finding(awards={"GZ01": 400, "hq": 100})])])
    assert shown(booked) == [
        ("fine", "receivable", "BJ02", "payable", "GZ01", 400),
        ("fine", "receivable", "BJ02", "headquarters", None, 100),
    ]


def test_compensation_is_held_for_the_customer() -> None:
    booked = book([verdict(1, [finding(kind="compensation", awards={"sender": 7_501})])])
    assert shown(booked) == [("compensation", "receivable", "BJ02", "compensation_held.sender", None, 7_501)]


def test_more_is_added_and_less_reverses_the_newest_first() -> None:
    amounts = [5_000, 15_000, 2_000, 0]
    first, second, *reversals = book(
        [verdict(n, [finding(awards={"GZ01": fen})]) for n, fen in enumerate(amounts, 1)]
    )
    assert (first.amount_fen, second.amount_fen) == (5_000, 10_000)
    assert [(e.kind, e.version, e.amount_fen, e.reverses) for e in reversals] == [
        ("reversal", 3, 10_000, second.entry_id),
        ("reversal", 3, 3_000, first.entry_id),
        ("reversal", 4, 2_000, first.entry_id),
    ]


def test_an_appeal_freezes_and_its_dismissal_releases() -> None:
    states = ["active", "frozen", "active"]
    booked = book([verdict(n, [finding(state=state)]) for n, state in enumerate(states, 1)])
    assert shown(booked) == [
        ("fine", "receivable", "BJ02", "payable", "GZ01", 15_000),
        ("freeze", "payable", "GZ01", "receivable", "BJ02", 15_000),
        ("freeze", "frozen", "BJ02", "frozen", "GZ01", 15_000),
        ("release", "frozen", "GZ01", "frozen", "BJ02", 15_000),
        ("release", "receivable", "BJ02", "payable", "GZ01", 15_000),
    ]


def test_an_appeal_that_succeeds_reverses_the_frozen_money() -> None:
    booked = book([verdict(n, [finding(state=s)]) for n, s in enumerate(["frozen", "revoked"], 1)])
    assert [e.kind for e in booked] == ["freeze", "reversal"]
    assert owed_by_ledger(booked) == Counter()


def test_a_changed_appeal_books_the_new_amount_and_site() -> None:
    booked = book(
        [
            verdict(1, [finding(state="frozen")]),
            verdict(2, [finding(site="HUB-SH", awards={"GZ01": 4_000})]),
        ]
    )
    assert owed_by_ledger(booked) == {"HUB-SH": 4_000, "GZ01": -4_000}
    assert [e.kind for e in booked] == ["freeze", "release", "release"]


def test_a_provisional_fine_is_trued_up_by_the_difference() -> None:
    booked = book(
        [
            verdict(1, [finding("ZT-10/BJ02/E1", awards={"hq": 50_000}, state="provisional")]),
            verdict(2, [finding("ZT-10/BJ02/E1", awards={"hq": 150_000})]),
        ]
    )
    assert [(e.kind, e.amount_fen) for e in booked] == [("fine", 50_000), ("fine", 100_000)]


def test_a_pending_liability_moves_money_once_it_has_an_amount() -> None:
    pending = finding(kind="liability", awards={})
    booked = book([verdict(1, [pending]), verdict(2, [finding(kind="compensation")])])
    assert [(e.version, e.kind, e.amount_fen) for e in booked] == [(2, "compensation", 15_000)]


def test_what_the_site_paid_to_the_customer_is_no_longer_owed() -> None:
    def owed(**calculation: Any) -> Finding:
        return finding(kind="compensation", awards={"sender": 9_000, "GZ01": 1_000}, calculation=calculation)

    booked = book(
        [verdict(1, [owed()]), verdict(2, [owed(paid_fen=4_000)]), verdict(3, [owed(paid_fen=9_000)])]
    )
    held, paid = "compensation_held.sender", "compensation_paid.sender"
    assert shown(booked[2:]) == [
        ("settlement", held, None, "receivable", "BJ02", 4_000),
        ("settlement", "settled", "BJ02", paid, None, 4_000),
        ("settlement", held, None, "receivable", "BJ02", 5_000),
        ("settlement", "settled", "BJ02", paid, None, 5_000),
    ]
    assert owed_by_ledger(booked) == {"BJ02": 10_000, "sender": -9_000, "GZ01": -1_000}
    appealed = msgspec.structs.replace(owed(paid_fen=4_000), state="frozen")
    frozen = book([verdict(1, [owed(paid_fen=4_000)]), verdict(2, [appealed])])
    assert owed_by_ledger(frozen, only_frozen=True) == owed_by_ledger(frozen)


def test_a_private_settlement_closes_the_money_side() -> None:
    private = finding(kind="compensation", awards={}, calculation={"settled_privately": True})
    booked = book([verdict(1, [finding(kind="compensation")]), verdict(2, [private])])
    assert [e.kind for e in booked] == ["compensation", "settlement"]
    assert owed_by_ledger(booked) == Counter()


def test_a_finding_that_vanishes_is_reversed_like_a_revoked_one() -> None:
    vanished = book([verdict(1, [finding()]), verdict(2, [])])
    revoked = book([verdict(1, [finding()]), verdict(2, [finding(state="revoked")])])
    assert vanished == revoked
    assert vanished[1].reverses == vanished[0].entry_id


# -- periods ----------------------------------------------------------------------------------------------------------


def test_the_month_is_the_networks() -> None:
    assert month_of(datetime(2026, 2, 28, 15, 59, 59, tzinfo=UTC)) == "2026-02"
    assert month_of(datetime(2026, 2, 28, 16, 0, tzinfo=UTC)) == "2026-03"
    assert month_of(datetime(2025, 12, 31, 16, 0, tzinfo=UTC)) == "2026-01"


def test_a_closed_period_is_booked_in_the_next_open_one_and_marked() -> None:
    (entry,) = book([verdict(1, [finding()])], {"2026-03", "2026-04"})
    assert (entry.period, entry.belongs_to, entry.posted_at) == (
        "2026-05",
        "2026-03",
        DECIDED_AT + timedelta(hours=1),
    )
    (open_entry,) = book([verdict(1, [finding()])], {"2026-01", "2026-02"})
    assert (open_entry.period, open_entry.belongs_to) == ("2026-03", None)
    (late,) = book([verdict(1, [finding()])], {"2026-04"})
    assert (late.period, late.belongs_to) == ("2026-05", "2026-03"), "April's opening balance is final"
    assert open_period("2026-12", {"2026-12"}) == "2027-01"


@pytest.mark.parametrize(
    ("text", "right"), [("2026-03", True), ("2026-13", False), ("2026-3", False), ("26-03", False)]
)
def test_periods_are_months(text: str, right: bool) -> None:
    assert is_period(text) is right


# -- what the ledger refuses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "pointer"),
    [
        (verdict(0, []), "/version"),
        (verdict(1, [], network="Tian Tian"), "/network"),
        (verdict(1, [], waybill="5\x0060000"), "/waybill"),
        (verdict(1, [], digest="a\x00b"), "/digest"),
        (verdict(1, [], decided_at=datetime(2026, 3, 5)), "/decided_at"),  # noqa: DTZ001 - the fault under test
        (verdict(1, [], decided_at=datetime(1, 1, 1, tzinfo=UTC)), "/decided_at"),
        (verdict(1, [finding(amount_fen=1)]), "/findings/0/awards"),
        (verdict(1, [finding(site=None)]), "/findings/0/site"),
        (verdict(1, [finding(site="bj02")]), "/findings/0/site"),
        (verdict(1, [finding(awards={"headquarters": 1})]), "/findings/0/awards/0/to"),
        (verdict(1, [finding(awards={"GZ01": -1, "hq": 1})]), "/findings/0/awards/0/amount_fen"),
        (verdict(1, [finding(awards={"hq": LARGEST_AMOUNT_FEN + 1})]), "/findings/0/amount_fen"),
        (verdict(1, [finding("TT\x00")]), "/findings/0/finding_id"),
        (verdict(1, [finding("TT-04/" + "x" * FINDING_ID_LENGTH_MAX)]), "/findings/0/finding_id"),
        (verdict(1, [finding(), finding()]), "/findings/1/finding_id"),
    ],
)
def test_unfit_verdicts_are_named_with_a_pointer(broken: VerdictData, pointer: str) -> None:
    assert pointer in [at for at, _ in faults(broken)]


@pytest.mark.parametrize("of", ["C" * REFERENCE_LENGTH_MAX, "line\nbreak", "全角\u3000空格"])
def test_whatever_a_publisher_may_call_a_complaint_is_booked(of: str) -> None:
    assert faults(verdict(1, [finding(f"{'ZT-99' * 40}/{'S' * 16}/{of}")])) == []


def test_what_moves_no_money_is_not_looked_at() -> None:
    assert (
        faults(
            verdict(1, [finding(kind="alert", site=None, awards={}), finding(state="revoked", amount_fen=9)])
        )
        == []
    )
