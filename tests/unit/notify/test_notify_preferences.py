"""By which channels a notice goes, and when."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.occasions import GATHERED, OCCASIONS
from services.notify.domain.preferences import Channel, Digest, Quiet, Wishes, ways
from tests.unit.notify.verdicts import ZONE

ALL: tuple[Channel, ...] = ("in_app", "webhook", "email")
USUAL = Digest(minutes=5)
NIGHT = Quiet(time(22), time(7))


def local(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=ZONE)


def sent(
    occasion: str, wishes: Wishes, now: datetime, *, due_at: datetime | None = None
) -> dict[Channel, datetime | None]:
    return dict(ways(occasion, wishes, ALL, now=now, due_at=due_at, usual=USUAL, zone=ZONE))


def test_the_usual_way_is_every_channel_with_e_mails_about_findings_gathered() -> None:
    assert sent("finding_issued", Wishes(), local(2, 9, 2)) == {
        "in_app": None,
        "webhook": None,
        "email": local(2, 9, 5),
    }
    assert sent("complaint_opened", Wishes(), local(2, 9, 2)) == dict.fromkeys(ALL)


def test_a_night_of_findings_leaves_at_one_moment() -> None:
    wishes = Wishes(digest=Digest(daily_at=time(8)))
    moments = {
        sent("finding_issued", wishes, local(2, 20) + timedelta(minutes=m))["email"] for m in range(600)
    }
    assert moments == {local(3, 8)}


def test_a_digest_that_is_off_and_one_that_gathers_longer() -> None:
    assert sent("finding_issued", Wishes(digest=Digest()), local(2, 9, 2))["email"] is None
    assert sent("finding_issued", Wishes(digest=Digest(minutes=60)), local(2, 9, 2))["email"] == local(2, 10)


def test_channels_are_chosen_by_group_and_the_list_stays() -> None:
    wishes = Wishes(channels={"findings": ("webhook",), "complaints": ()})
    assert set(sent("finding_issued", wishes, local(2, 9))) == {"in_app", "webhook"}
    assert set(sent("complaint_opened", wishes, local(2, 9))) == {"in_app"}
    assert set(sent("return_requested", wishes, local(2, 9))) == set(ALL)


def test_only_channels_with_an_address_are_used() -> None:
    found = ways(
        "complaint_opened", Wishes(), ["in_app"], now=local(2, 9), due_at=None, usual=USUAL, zone=ZONE
    )
    assert found == [("in_app", None)]


def test_quiet_hours_hold_back_what_can_wait() -> None:
    wishes = Wishes(quiet=NIGHT)
    for now, until in (
        (local(2, 23), local(3, 7)),
        (local(3, 6, 59), local(3, 7)),
        (local(2, 22), local(3, 7)),
    ):
        assert sent("complaint_opened", wishes, now) == {"in_app": None, "webhook": until, "email": until}
    for now in (local(2, 21, 59), local(3, 7)):
        assert sent("complaint_opened", wishes, now) == dict.fromkeys(ALL)
    noon = Wishes(quiet=Quiet(time(12), time(14)))
    assert sent("complaint_opened", noon, local(2, 13))["webhook"] == local(2, 14)
    assert sent("complaint_opened", noon, local(2, 23))["webhook"] is None


def test_major_complaints_and_warnings_pass_the_quiet_hours() -> None:
    wishes = Wishes(quiet=NIGHT, digest=Digest(daily_at=time(8)))
    for occasion in ("complaint_major", "contact_due", "fines_ahead", "appeal_closing"):
        assert sent(occasion, wishes, local(2, 23)) == dict.fromkeys(ALL)


def test_nothing_waits_beyond_its_term() -> None:
    wishes = Wishes(quiet=NIGHT)
    assert sent("complaint_opened", wishes, local(2, 23), due_at=local(3, 6))["email"] is None
    assert sent("complaint_opened", wishes, local(2, 23), due_at=local(3, 9))["email"] == local(3, 7)


def test_what_is_told_after_its_term_has_nothing_to_lose_by_quiet_hours() -> None:
    late = sent("settle_overdue", Wishes(quiet=NIGHT), local(2, 23), due_at=local(2, 22, 59))
    assert late == {"in_app": None, "webhook": local(3, 7), "email": local(3, 7)}


@given(
    st.sampled_from(sorted(OCCASIONS)),
    st.integers(0, 525_600).map(lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)),
    st.builds(
        Wishes,
        quiet=st.none() | st.builds(Quiet, st.times(), st.times()),
        digest=st.none()
        | st.builds(Digest, minutes=st.integers(1, 1_440))
        | st.builds(Digest, daily_at=st.times()),
    ),
)
def test_whatever_is_chosen_nothing_waits_longer_than_two_days_or_leaves_in_quiet_hours(
    occasion: str, now: datetime, wishes: Wishes
) -> None:
    for channel, at in ways(occasion, wishes, ALL, now=now, due_at=None, usual=USUAL, zone=ZONE):
        if OCCASIONS[occasion].pressing or channel == "in_app":
            assert at is None
        if at is not None:
            assert now < at <= now + timedelta(days=2)
            quiet, clock = wishes.quiet, at.astimezone(ZONE).time()
            if quiet and quiet.begins < quiet.ends:
                assert not quiet.begins <= clock < quiet.ends
        elif channel == "email" and OCCASIONS[occasion].group in GATHERED and not wishes.quiet:
            assert OCCASIONS[occasion].pressing
