"""Which notices a new version of a verdict gives cause to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.findings import Cause, changed_members, contradicts, is_newer, stakes
from shared.events.outputs import Award, EvidenceRef, Finding, Text, VerdictData
from tests.unit.notify.verdicts import DECIDED_AT, ZONE, finding, notice_id, told, verdict

EPOCH = datetime(2015, 1, 1, tzinfo=UTC)


def brief(causes: list[Cause]) -> list[tuple[str, str, int]]:
    return [(cause.occasion, cause.site, cause.version) for cause in causes]


def test_the_liable_site_and_the_one_that_is_paid_are_told() -> None:
    _, causes = told(verdict(1, finding()))
    assert brief(causes) == [("finding_issued", "BJ02", 1), ("finding_issued", "GZ01", 1)]
    liable, paid = causes
    assert (liable.stake.liable, liable.stake.award_fen) == (True, 0)
    assert (paid.stake.liable, paid.stake.award_fen) == (False, 15_000)


@pytest.mark.parametrize("receiver", ["hq", "sender", "recipient", "beneficiary"])
def test_receivers_that_are_no_sites_get_no_notice(receiver: str) -> None:
    _, causes = told(verdict(1, finding(awards=[Award(receiver, 15_000)])))
    assert brief(causes) == [("finding_issued", "BJ02", 1)]


def test_an_award_of_nothing_is_no_money_received() -> None:
    assert list(stakes(finding(kind="liability", amount_fen=0, awards=[Award("GZ01", 0)]))) == ["BJ02"]


def test_a_site_that_is_liable_and_paid_gets_one_notice() -> None:
    _, causes = told(verdict(1, finding(awards=[Award("BJ02", 400), Award("hq", 100)])))
    assert brief(causes) == [("finding_issued", "BJ02", 1)]
    assert causes[0].stake.award_fen == 400


def test_a_finding_without_site_or_receiver_concerns_nobody() -> None:
    assert told(verdict(1, finding(kind="rejection", site=None, awards=[])))[1] == []


def test_the_appeal_ends_with_day_seven_after_the_local_day_of_the_verdict() -> None:
    _, (liable, paid) = told(verdict(1, finding()))
    assert liable.due_at == datetime(2026, 3, 9, 23, 59, 59, tzinfo=ZONE)
    assert paid.due_at is None


@pytest.mark.parametrize(
    ("kind", "state", "open_"),
    [
        ("fine", "active", True),
        ("fine", "provisional", True),
        ("compensation", "active", True),
        ("liability", "active", True),
        ("alert", "active", False),
        ("rejection", "active", False),
        ("entitlement", "active", False),
        ("fine", "frozen", False),
    ],
)
def test_what_can_be_appealed(kind: str, state: str, open_: bool) -> None:
    _, causes = told(verdict(1, finding(kind=kind, state=state, awards=[])))
    assert (causes[0].due_at is not None) is open_


def test_a_change_is_told_and_keeps_the_day_of_appeal() -> None:
    later = verdict(2, finding(amount_fen=20_000), decided_at=DECIDED_AT + timedelta(days=2))
    _, causes = told(verdict(1, finding()), later)
    assert brief(causes)[2:] == [("finding_changed", "BJ02", 2), ("finding_changed", "GZ01", 2)]
    assert causes[2].due_at == causes[0].due_at


def test_an_unchanged_finding_is_not_told_again() -> None:
    other = finding(
        finding_id="TT-01/SH03", rule="TT-01", site="SH03", awards=[Award("hq", 1_000)], amount_fen=1_000
    )
    _, causes = told(verdict(1, finding()), verdict(2, finding(), other))
    assert brief(causes)[2:] == [("finding_issued", "SH03", 2)]


def test_the_order_of_lists_is_no_change() -> None:
    evidence = [EvidenceRef("/sites/BJ02", "1"), EvidenceRef("/sites/BJ02", "2")]
    awards = [Award("GZ01", 10_000), Award("hq", 5_000)]
    one = finding(evidence=evidence, awards=awards)
    other = finding(evidence=evidence[::-1], awards=awards[::-1])
    assert len(told(verdict(1, one), verdict(2, other))[1]) == 2
    assert changed_members(one, other) == []


def test_new_evidence_or_another_reason_is_a_change() -> None:
    more = finding(
        evidence=[*finding().evidence, EvidenceRef("/desks/CS", "E-1")], reason=Text("又", "again")
    )
    _, causes = told(verdict(1, finding()), verdict(2, more))
    assert brief(causes)[2:] == [("finding_changed", "BJ02", 2), ("finding_changed", "GZ01", 2)]
    assert changed_members(finding(), more) == ["evidence", "reason"]


def test_a_revocation_is_told_once() -> None:
    gone = finding(state="revoked")
    _, causes = told(verdict(1, finding()), verdict(2, gone), verdict(3, gone))
    assert brief(causes)[2:] == [("finding_revoked", "BJ02", 2), ("finding_revoked", "GZ01", 2)]


def test_a_finding_that_vanished_counts_as_revoked() -> None:
    _, causes = told(verdict(1, finding()), verdict(2))
    assert brief(causes)[2:] == [("finding_revoked", "BJ02", 2), ("finding_revoked", "GZ01", 2)]


def test_a_finding_first_seen_as_revoked_is_nobodys_business() -> None:
    assert told(verdict(3, finding(state="revoked")))[1] == []


def test_a_finding_that_comes_back_opens_a_new_term() -> None:
    back = verdict(3, finding(), decided_at=DECIDED_AT + timedelta(days=30))
    _, causes = told(verdict(1, finding()), verdict(2, finding(state="revoked")), back)
    assert brief(causes)[4:] == [("finding_issued", "BJ02", 3), ("finding_issued", "GZ01", 3)]
    assert causes[4].due_at == datetime(2026, 4, 8, 23, 59, 59, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("after", "occasion"),
    [
        (finding(), "appeal_decided"),
        (finding(amount_fen=5_000, awards=[Award("GZ01", 5_000)], ruling=True), "appeal_decided"),
        (finding(state="revoked", ruling=True), "appeal_decided"),
        (finding(state="revoked"), "finding_revoked"),
        (finding(state="frozen", amount_fen=20_000), "finding_changed"),
    ],
    ids=["dismissed", "changed", "upheld", "fell away meanwhile", "grew meanwhile"],
)
def test_the_life_of_an_appeal(after: Finding, occasion: str) -> None:
    _, causes = told(verdict(1, finding()), verdict(2, finding(state="frozen")), verdict(3, after))
    assert brief(causes)[2:] == [
        ("finding_frozen", "BJ02", 2),
        ("finding_frozen", "GZ01", 2),
        (occasion, "BJ02", 3),
        (occasion, "GZ01", 3),
    ]
    assert all(cause.due_at is None for cause in causes[2:])


def test_who_is_no_longer_concerned_hears_of_a_revocation_and_who_now_is_of_an_issue() -> None:
    moved = finding(site="SH03", awards=[Award("HZ04", 15_000)], ruling=True)
    _, causes = told(verdict(1, finding()), verdict(2, moved))
    assert sorted(brief(causes)[2:]) == [
        ("finding_issued", "HZ04", 2),
        ("finding_issued", "SH03", 2),
        ("finding_revoked", "BJ02", 2),
        ("finding_revoked", "GZ01", 2),
    ]


def test_skipped_and_late_versions() -> None:
    first, second = verdict(1, finding()), verdict(2, finding(amount_fen=20_000))
    third = verdict(3, finding(amount_fen=25_000))
    seen, causes = told(first, third, second)
    assert brief(causes)[2:] == [("finding_changed", "BJ02", 3), ("finding_changed", "GZ01", 3)]
    assert causes[2].before == first.findings[0]
    assert seen.version == 3


def test_the_same_version_with_other_findings_is_a_contradiction() -> None:
    seen, _ = told(verdict(2, finding()))
    assert contradicts(seen, verdict(2, digest="sha256:other"))
    assert not contradicts(seen, verdict(2, finding()))
    assert not contradicts(seen, verdict(1, digest="sha256:other"))


SITES = ["BJ02", "GZ01", "SH03"]
receivers = st.sampled_from([*SITES, "hq", "sender"])
findings_of = {
    finding_id: st.builds(
        finding,
        finding_id=st.just(finding_id),
        site=st.sampled_from([*SITES, None]),
        amount_fen=st.sampled_from([0, 5_000, 10_000]),
        awards=st.lists(st.builds(Award, receivers, st.sampled_from([0, 5_000])), max_size=3),
        state=st.sampled_from(["active", "provisional", "frozen", "revoked"]),
        ruling=st.booleans(),
        kind=st.sampled_from(["fine", "liability", "alert"]),
    )
    for finding_id in ("TT-04/BJ02", "TT-01/SH03", "ZT-09/GZ01/C-1")
}
contents = st.lists(st.sampled_from(sorted(findings_of)), unique=True, max_size=3).flatmap(
    lambda ids: st.tuples(*(findings_of[finding_id] for finding_id in ids))
)
histories = st.lists(contents, min_size=1, max_size=5).map(
    lambda many: [verdict(number, *content) for number, content in enumerate(many, 1)]
)
deliveries = histories.flatmap(lambda all_: st.lists(st.sampled_from(all_), min_size=1, max_size=12))


def id_of(cause: Cause) -> str:
    where = ("tiantian", "560000000001", cause.finding.finding_id, cause.version, cause.site, "in_app")
    return notice_id(cause.occasion, *where)


@given(deliveries)
def test_any_delivery_makes_one_notice_a_key_and_the_same_again(delivery: list[VerdictData]) -> None:
    _, causes = told(*delivery)
    ids = [id_of(cause) for cause in causes]
    assert len(set(ids)) == len(ids)
    assert ids == [id_of(cause) for cause in told(*delivery)[1]]
    per_finding = [(cause.finding.finding_id, cause.version, cause.site) for cause in causes]
    assert len(set(per_finding)) == len(per_finding)


@given(deliveries)
def test_redelivering_everything_adds_nothing(delivery: list[VerdictData]) -> None:
    assert told(*delivery, *delivery)[1] == told(*delivery)[1]


@given(deliveries)
def test_who_reads_all_notices_knows_the_newest_version(delivery: list[VerdictData]) -> None:
    _, causes = told(*delivery)
    knows: dict[tuple[str, str], tuple[int, bool, int]] = {}
    for cause in causes:
        key = (cause.site, cause.finding.finding_id)
        if cause.occasion == "finding_issued":
            assert key not in knows
        else:
            assert key in knows
        gone = cause.site not in stakes(cause.finding)
        if gone:
            assert cause.occasion in ("finding_revoked", "appeal_decided")
            del knows[key]
        else:
            knows[key] = (cause.finding.amount_fen, cause.stake.liable, cause.stake.award_fen)
    newest = max(delivery, key=lambda version: version.version)
    assert knows == {
        (site, one.finding_id): (one.amount_fen, stake.liable, stake.award_fen)
        for one in newest.findings
        for site, stake in stakes(one).items()
    }


@given(st.integers(0, 15 * 365 * 86_400).map(lambda seconds: EPOCH + timedelta(seconds=seconds)))
def test_the_term_is_never_shorter_than_seven_whole_days(decided_at: datetime) -> None:
    _, (cause, *_) = told(verdict(1, finding(), decided_at=decided_at))
    assert cause.due_at is not None
    assert timedelta(days=7) <= cause.due_at + timedelta(seconds=1) - decided_at <= timedelta(days=8)


def test_only_a_higher_version_is_newer() -> None:
    seen, _ = told(verdict(1), verdict(4))
    assert [is_newer(seen, verdict(number)) for number in (1, 2, 3, 4, 5)] == [False] * 4 + [True]
