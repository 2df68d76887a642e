"""ZT-01 to ZT-07: fifty yuan for the first complaint of a category."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from shared.events.outputs import HEADQUARTERS, Award
from tests.unit.arbitration.build import LOCAL, at
from tests.unit.arbitration.rules.desk_events import Complained

FIFTY = [Award(HEADQUARTERS, 5000)]


def signed(**data: Any) -> Complained:
    """Delivered on day 3 at 15:00 after going out at 08:30."""
    waybill = Complained()
    waybill.way(until="out")
    waybill.signed("BJ02", at(3, "15:00"), **data)
    return waybill


PHOTO = {"shows_name": True, "shows_identity": False, "legible": True}
LOG = {"site": "BJ02", "contacted_at": at(3, "14:50"), "party": "recipient"}


def test_signed_not_received_is_the_delivery_links() -> None:
    waybill = signed()
    waybill.complained("signed_not_received", at(5), against_site="GZ01")
    found = waybill.only("ZT-01", at(5))
    assert (found.finding_id, found.role, found.amount_fen) == ("ZT-01/BJ02/C1", "delivery", 5000)
    assert (found.kind, found.state, found.awards) == ("fine", "active", FIFTY)
    assert found.assumed == []


@pytest.mark.parametrize(
    ("signature", "log", "photo", "fined"),
    [
        ({}, LOG, {"shows_name": True}, False),
        ({}, LOG, {"shows_identity": True}, False),
        ({"photo": PHOTO}, LOG, None, False),
        ({}, LOG, None, True),
        ({"photo": PHOTO}, None, None, True),
        ({}, LOG, {"shows_name": True, "legible": False}, True),
        ({}, LOG, {"shows_name": False, "shows_identity": False}, True),
        ({"photo": PHOTO | {"legible": False}}, LOG, None, True),
        ({"photo": PHOTO}, LOG | {"party": "sender"}, None, True),
        ({"photo": PHOTO}, LOG | {"site": "GZ01"}, None, True),
        ({"photo": PHOTO}, LOG | {"contacted_at": at(2, "14:50")}, None, True),
        ({"photo": PHOTO}, LOG | {"contacted_at": at(5, "12:00:01")}, None, True),
        ({"photo": PHOTO}, {"site": "BJ02"}, None, True),  # undated: of day 6, when it was submitted
    ],
)
def test_only_log_and_photo_together_revoke(
    signature: dict[str, Any], log: dict[str, Any] | None, photo: dict[str, Any] | None, fined: bool
) -> None:
    waybill = signed(**signature)
    waybill.complained("signed_not_received", at(5))
    if log is not None:
        waybill.evidence("contact_log", at(6), "E1", **log)
    if photo is not None:
        waybill.evidence("photo", at(6), "E2", **photo)
    assert bool(waybill.of("ZT-01", at(7))) is fined


def test_an_entry_of_the_next_morning_leaves_the_attempt_where_it_was() -> None:
    waybill = Complained()
    waybill.way(until="out")
    waybill.signed("BJ02", at(4, "11:00"), photo=PHOTO)
    waybill.complained("signed_not_received", at(5))
    waybill.evidence("contact_log", at(6), site="BJ02", contacted_at=at(3, "09:00"))
    assert waybill.of("ZT-01", at(7)) == []


@pytest.mark.parametrize(("contacted", "fined"), [(at(3, "17:00"), False), (at(3, "17:00:01"), True)])
def test_a_call_after_the_complaint_is_none_of_the_attempt(contacted: datetime, fined: bool) -> None:
    waybill = signed(photo=PHOTO)
    waybill.complained("signed_not_received", at(3, "17:00"))
    waybill.evidence("contact_log", at(6), site="BJ02", contacted_at=contacted)
    assert bool(waybill.of("ZT-01", at(7))) is fined


def test_first_complaint_of_the_category_only() -> None:
    waybill = signed()
    waybill.complained("signed_not_received", at(6), "C2")
    waybill.complained("signed_not_received", at(5), "C1")
    waybill.complained("attitude", at(6), "C3")
    ids = {f.finding_id for f in waybill.decide(at(6)).findings}
    assert ids == {"ZT-01/BJ02/C1", "ZT-04/BJ02/C3"}


def test_without_delivery_link_nobody_signed() -> None:
    waybill = Complained()
    waybill.way(until="hubs")
    waybill.complained("signed_not_received", at(5))
    assert waybill.of("ZT-01", at(5)) == []


def collected(recorded: datetime | None = None) -> Complained:
    waybill = Complained()
    waybill.add(
        "scan.collected", "GZ01", at(1, "10:00"), recorded=recorded, site="GZ01", scope="inter_province"
    )
    return waybill


def test_dispatch_delay_looks_at_what_was_recorded() -> None:
    waybill = collected()
    waybill.complained("dispatch_delay", at(2, "15:00"), against_site="BJ02")
    waybill.add(
        "scan.departed", "GZ01", at(1, "19:00"), recorded=at(2, "15:00"), site="GZ01", next_site="HGZ1"
    )
    found = waybill.only("ZT-02", at(3))
    assert (found.finding_id, found.role, found.awards) == ("ZT-02/GZ01/C1", "origin", FIFTY)
    assert [ref.late_recorded for ref in found.evidence] == [False, True, False]


@pytest.mark.parametrize(
    ("recorded", "fined"), [(at(2, "14:59:59"), False), (at(2, "15:00"), True), (at(2, "15:00:01"), True)]
)
def test_recorded_before_the_complaint_to_the_second(recorded: datetime, fined: bool) -> None:
    waybill = collected()
    waybill.complained("dispatch_delay", at(2, "15:00"))
    waybill.add("scan.departed", "GZ01", at(1, "19:00"), recorded=recorded, site="GZ01", next_site="HGZ1")
    assert bool(waybill.of("ZT-02", at(3))) is fined


def test_nothing_recorded_at_all_is_no_dispatch_delay() -> None:
    waybill = collected(recorded=at(2, "16:00"))
    waybill.complained("dispatch_delay", at(2, "15:00"))
    assert waybill.of("ZT-02", at(3)) == []


def test_a_signature_before_the_complaint_is_no_dispatch_delay_unless_voided() -> None:
    waybill = collected()
    signature = waybill.signed("BJ02", at(2, "10:00"))
    waybill.complained("dispatch_delay", at(2, "15:00"))
    assert waybill.of("ZT-02", at(3)) == []
    waybill.voided("BJ02", signature, at(3))
    assert len(waybill.of("ZT-02", at(3))) == 1


def test_what_becomes_known_later_does_not_revoke_dispatch_delay() -> None:
    waybill = collected()
    waybill.complained("dispatch_delay", at(2, "15:00"))
    before = waybill.only("ZT-02", at(3))
    waybill.add("scan.collected", "SZ01", at(1), recorded=at(3), site="SZ01", scope="inter_province")
    waybill.departed("GZ01", "BJ02", at(3))
    waybill.signed("BJ02", at(4))
    after = waybill.only("ZT-02", at(4))
    assert (after.finding_id, after.amount_fen) == (before.finding_id, before.amount_fen)
    waybill.ruled("remove", at(4), rule="ZT-02", site="GZ01", finding_id="ZT-02/GZ01/C1")
    assert waybill.of("ZT-02", at(4)) == []


def damaged() -> Complained:
    """Outer damage noted at signing on day 3; the goods are proven to be worth 200 yuan."""
    waybill = signed(outer_damage_noted=True)
    waybill.evidence("value_proof", at(4), "EV", amount_fen=20000)
    return waybill


def test_compensation_not_paid_is_the_liable_links() -> None:
    waybill = damaged()
    waybill.complained("untimely_compensation", at(6), against_site="GZ01")
    found = waybill.only("ZT-03", at(6))
    assert (found.finding_id, found.role, found.awards) == ("ZT-03/BJ02/C1", "delivery", FIFTY)
    assert (found.calculation["value_fen"], found.calculation["paid_fen"]) == (20000, 0)
    waybill.notice("BJ02", "HBJ1", "damage", at(3, "10:30"))
    assert waybill.only("ZT-03", at(6)).site == "HBJ1"


@pytest.mark.parametrize(
    ("amounts", "method", "moment", "fined"),
    [
        ((20000,), "electronic_transfer", at(6, "11:59:59"), False),
        ((12000, 8000), "electronic_transfer", at(5), False),
        ((19999,), "electronic_transfer", at(5), True),
        ((20000,), "electronic_transfer", at(6, "12:00"), True),
        ((20000,), "cash", at(5), True),
        ((20000,), "other", at(5), True),
    ],
)
def test_only_transfers_before_the_complaint_count(
    amounts: tuple[int, ...], method: str, moment: datetime, fined: bool
) -> None:
    waybill = damaged()
    for amount_fen in amounts:
        waybill.paid("BJ02", amount_fen, moment, method)
    waybill.complained("untimely_compensation", at(6, "12:00"))
    assert bool(waybill.of("ZT-03", at(7))) is fined


@pytest.mark.parametrize(
    ("amount_fen", "accepted", "recorded", "fined"),
    [
        (20000, False, at(6, "11:59:59"), False),
        (25000, False, at(5), False),
        (20000, True, at(5), True),
        (19999, False, at(5), True),
        (20000, False, at(6, "12:00"), True),
    ],
)
def test_a_sufficient_offer_registered_before_and_refused(
    amount_fen: int, accepted: bool, recorded: datetime, fined: bool
) -> None:
    waybill = damaged()
    waybill.offered("BJ02", amount_fen, at(5, "09:00"), accepted=accepted, recorded=recorded)
    waybill.complained("untimely_compensation", at(6, "12:00"))
    assert bool(waybill.of("ZT-03", at(7))) is fined


def test_harm_must_be_established() -> None:
    waybill = signed(inner_issue_noted=True)
    waybill.evidence("value_proof", at(4), "EV", amount_fen=20000)
    waybill.complained("untimely_compensation", at(6))
    assert waybill.of("ZT-03", at(6)) == []
    waybill.evidence("outer_damage_statement", at(7), "ES", site="HBJ1")
    assert waybill.of("ZT-03", at(7)) == []
    waybill.evidence("outer_damage_statement", at(7), "ED", site="BJ02")
    assert waybill.only("ZT-03", at(7)).site == "BJ02"


def test_without_proof_the_theoretical_amount_is_open() -> None:
    waybill = signed(outer_damage_noted=True)
    waybill.complained("untimely_compensation", at(6))
    assert waybill.of("ZT-03", at(6)) == []


def test_a_loss_stays_established_though_the_parcel_turns_up_later() -> None:
    waybill = Complained()
    waybill.way(until="hubs")
    waybill.evidence("value_proof", at(4), "EV", amount_fen=20000)
    waybill.complained("untimely_compensation", at(6), "C2")
    assert waybill.of("ZT-03", at(6)) == []
    waybill.complained("loss", at(5), "C1")
    assert waybill.only("ZT-03", at(6)).finding_id == "ZT-03/HBJ1/C2"
    waybill.arrived("BJ02", at(7))
    waybill.signed("BJ02", at(7))
    assert waybill.only("ZT-03", at(7)).finding_id == "ZT-03/HBJ1/C2"


def test_a_loss_after_a_normal_signature_is_none() -> None:
    waybill = signed()
    waybill.evidence("value_proof", at(4), "EV", amount_fen=20000)
    waybill.complained("loss", at(5), "C1")
    waybill.complained("untimely_compensation", at(6), "C2")
    assert waybill.of("ZT-03", at(6)) == []


def test_a_loss_that_had_turned_up_before_the_complaint_is_none() -> None:
    waybill = Complained()
    waybill.way(until="hubs")
    waybill.evidence("value_proof", at(4), "EV", amount_fen=20000)
    waybill.reported("GZ01", "loss", at(5))
    waybill.arrived("BJ02", at(6, "11:00"))
    waybill.complained("untimely_compensation", at(6, "12:00"))
    assert waybill.of("ZT-03", at(6)) == []


@pytest.mark.parametrize(
    ("category", "rule", "until", "site", "role"),
    [
        ("attitude", "ZT-04", "signed", "BJ02", "delivery"),
        ("attitude", "ZT-04", "hubs", "GZ01", "origin"),
        ("no_invoice", "ZT-05", "signed", "GZ01", "origin"),
        ("no_door_delivery", "ZT-06", "signed", "BJ02", "delivery"),
        ("overcharge", "ZT-07", "signed", "GZ01", "origin"),
    ],
)
def test_who_is_fined_where_nobody_is_named(
    category: str, rule: str, until: str, site: str, role: str
) -> None:
    waybill = Complained()
    waybill.way(until=until)
    waybill.complained(category, at(5))
    found = waybill.only(rule, at(5))
    assert (found.finding_id, found.role, found.awards) == (f"{rule}/{site}/C1", role, FIFTY)


@pytest.mark.parametrize(
    ("category", "rule"), [("attitude", "ZT-04"), ("no_invoice", "ZT-05"), ("overcharge", "ZT-07")]
)
def test_the_site_complained_of_comes_first(category: str, rule: str) -> None:
    waybill = signed()
    waybill.complained(category, at(5), against_site="HBJ1")
    assert waybill.only(rule, at(5)).finding_id == f"{rule}/HBJ1/C1"


@pytest.mark.parametrize(
    ("entry", "signed_at", "fined"),
    [
        (at(5, "23:59:59"), None, False),
        (at(5, "00:00"), None, False),
        (at(6, "00:00"), None, True),
        (at(4, "23:59:59"), None, True),
        (at(6, "09:00"), at(5, "18:00"), False),
    ],
)
def test_delivered_on_the_day_of_the_complaint(
    entry: datetime, signed_at: datetime | None, fined: bool
) -> None:
    waybill = Complained()
    waybill.way(until="out")
    waybill.complained("no_door_delivery", at(5, "10:00"), against_site="GZ01")
    assert waybill.only("ZT-06", at(5, "10:00")).site == "BJ02"
    waybill.signed("BJ02", entry, **({"signed_at": signed_at} if signed_at else {}))
    assert bool(waybill.of("ZT-06", at(7))) is fined


@pytest.mark.parametrize(
    ("category", "opened", "rules"),
    [
        ("signed_not_received", "2015-03-31T23:59:59", []),
        ("signed_not_received", "2015-04-01T00:00:00", ["ZT-01"]),
        ("attitude", "2015-09-30T23:59:59", []),
        ("attitude", "2015-10-01T00:00:00", ["ZT-04"]),
    ],
)
def test_in_force_by_the_local_date_of_the_complaint(category: str, opened: str, rules: list[str]) -> None:
    moment = datetime.fromisoformat(opened).replace(tzinfo=LOCAL)
    waybill = Complained()
    waybill.collected("GZ01", moment.replace(day=1, hour=0), destination_site="GZ01")
    waybill.complained(category, moment)
    assert [f.rule for f in waybill.decide(moment).findings if f.kind == "fine"] == rules
