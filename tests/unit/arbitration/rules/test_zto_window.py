"""ZT-08: the first claim after the internal arbitration window. Origin departs on day 1: day 31 is the window's last."""

from __future__ import annotations

from typing import Any

import pytest

from shared.events.outputs import Award
from tests.unit.arbitration.build import at
from tests.unit.arbitration.rules.desk_events import Complained


def damaged(worth_fen: int | None = 20000, **collected: Any) -> Complained:
    """Outer damage noted at signing on day 3: the delivery link is liable."""
    waybill = Complained()
    waybill.collected("GZ01", at(1, "10:00"), destination_site="BJ02", **collected)
    waybill.departed("GZ01", "BJ02", at(1, "19:00"))
    waybill.arrived("BJ02", at(3, "07:30"))
    waybill.out("BJ02", at(3, "08:30"))
    waybill.signed("BJ02", at(3, "15:00"), outer_damage_noted=True)
    if worth_fen is not None:
        waybill.evidence("value_proof", at(4), "EV", amount_fen=worth_fen)
    return waybill


def shares(waybill: Complained, day: int = 33) -> dict[str, tuple[str, int, list[Award]]]:
    return {f.finding_id: (f.kind, f.amount_fen, f.awards) for f in waybill.of("ZT-08", at(day))}


def test_day_30_is_within_the_window() -> None:
    waybill = damaged()
    waybill.complained("damage", at(31, "23:59:59"))
    assert shares(waybill) == {}
    waybill = damaged()
    waybill.complained("damage", at(32, "00:00"))
    assert shares(waybill).keys() == {"ZT-08/BJ02/C1", "ZT-08/GZ01/C1"}


@pytest.mark.parametrize(
    ("worth_fen", "insured", "liable", "origin"),
    [
        (20000, False, 10000, 10000),
        (10001, False, 5001, 5000),  # half up to the fen
        (1, False, 1, 0),
        (50000, False, 15000, 15000),  # at most 300 uninsured
        (50000, True, 15000, 35000),  # at most half of the internal standard
        (30001, True, 15000, 15001),
        (29999, True, 15000, 14999),
        (0, False, 0, 0),
    ],
)
def test_shares_of_the_liable_link_and_origin(
    worth_fen: int, insured: bool, liable: int, origin: int
) -> None:
    waybill = damaged(worth_fen, **({"insured": True, "declared_value_fen": 100000} if insured else {}))
    waybill.complained("damage", at(33))
    expected = {
        finding_id: ("compensation", amount_fen, [Award("sender", amount_fen)])
        for finding_id, amount_fen in (("ZT-08/BJ02/C1", liable), ("ZT-08/GZ01/C1", origin))
        if amount_fen
    }
    assert shares(waybill) == expected


def test_assumed_values_are_shown() -> None:
    waybill = damaged()
    waybill.complained("damage", at(33))
    for found in waybill.of("ZT-08", at(33)):
        assert found.assumed == ["internal_standard_fen", "uninsured_cap_fen", "window_days"]


def test_the_beneficiary_where_it_claims() -> None:
    waybill = damaged()
    waybill.complained("damage", at(33), claimant="beneficiary")
    assert {awards[0].to for _, _, awards in shares(waybill).values()} == {"beneficiary"}


@pytest.mark.parametrize(
    ("site", "method", "to"),
    [
        ("GZ01", "electronic_transfer", "GZ01"),
        ("GZ01", "cash", "sender"),
        ("BJ02", "electronic_transfer", "sender"),
    ],
)
def test_anothers_share_goes_to_origin_where_it_paid_the_customer(site: str, method: str, to: str) -> None:
    waybill = damaged()
    waybill.complained("damage", at(33), claimant="recipient")
    waybill.paid(site, 20000, at(33), method)
    found = shares(waybill)
    assert found["ZT-08/BJ02/C1"][2] == [Award(to, 10000)]
    assert found["ZT-08/GZ01/C1"][2] == [Award("sender", 10000)]


def test_without_proof_the_shares_are_open() -> None:
    waybill = damaged(None)
    waybill.complained("shortage", at(33))
    assert shares(waybill) == {
        "ZT-08/BJ02/C1": ("liability", 0, []),
        "ZT-08/GZ01/C1": ("liability", 0, []),
    }


def test_origin_liable_bears_all() -> None:
    waybill = Complained()
    waybill.collected("GZ01", at(1))
    waybill.departed("GZ01", "HGZ1", at(1, "19:00"))
    waybill.evidence("value_proof", at(4), "EV", amount_fen=20000)
    waybill.complained("loss", at(33))
    assert shares(waybill) == {"ZT-08/GZ01/C1": ("compensation", 20000, [Award("sender", 20000)])}


def test_a_hub_that_lost_the_parcel_shares() -> None:
    waybill = Complained()
    waybill.way(until="hubs")
    waybill.evidence("value_proof", at(4), "EV", amount_fen=20000)
    waybill.complained("loss", at(33), "C1")
    assert shares(waybill).keys() == {"ZT-08/HBJ1/C1", "ZT-08/GZ01/C1"}
    assert {f.site: f.role for f in waybill.of("ZT-08", at(33))} == {"HBJ1": "transit", "GZ01": "origin"}


def test_a_lost_parcel_that_turns_up_is_no_loss() -> None:
    waybill = Complained()
    waybill.way(until="hubs")
    waybill.complained("loss", at(33))
    assert len(shares(waybill, 34)) == 2
    waybill.arrived("BJ02", at(34))
    assert shares(waybill, 34) == {}


@pytest.mark.parametrize("category", ["damage", "shortage", "loss"])
def test_signed_for_normally_nobody_is_clearly_liable(category: str) -> None:
    waybill = Complained()
    waybill.way()
    waybill.evidence("value_proof", at(4), "EV", amount_fen=20000)
    waybill.complained(category, at(33))
    assert shares(waybill) == {"ZT-08/GZ01/C1": ("compensation", 20000, [Award("sender", 20000)])}


def test_only_the_first_of_the_three_categories_counts() -> None:
    waybill = damaged()
    waybill.complained("shortage", at(20), "C1")
    waybill.complained("damage", at(33), "C2")
    waybill.complained("delay", at(2), "C3")
    assert shares(waybill) == {}


def test_settled_privately_closes_the_money() -> None:
    waybill = damaged()
    waybill.complained("damage", at(33))
    waybill.add("compensation.settled_privately", "BJ02", at(33), site="BJ02")
    assert {(kind, fen) for kind, fen, _ in shares(waybill).values()} == {("compensation", 0)}


def test_an_exemption_accepted_removes_the_compensation() -> None:
    waybill = damaged()
    waybill.complained("damage", at(33))
    waybill.evidence("exemption", at(33), "EX", ground="natural")
    assert shares(waybill) == {}


def test_an_amount_given_by_ruling_goes_to_the_customer() -> None:
    waybill = damaged(None)
    waybill.complained("damage", at(33), claimant="beneficiary")
    waybill.ruled("change", at(33), rule="ZT-08", site="BJ02", finding_id="ZT-08/BJ02/C1", amount_fen=700)
    assert shares(waybill)["ZT-08/BJ02/C1"] == ("compensation", 700, [Award("beneficiary", 700)])
