"""Yunda's insured parcels: YD-05 and YD-06 (rules.md §5)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.arbitration.build import Waybill, at
from tests.unit.arbitration.rules.test_yunda import on_its_way, yd


def delivered(**collected: Any) -> Waybill:
    waybill = on_its_way(**collected)
    waybill.arrived("WH02", at(3, "08:00"))
    waybill.out("WH02", at(3, "09:00"))
    return waybill


INSURED: dict[str, Any] = {"insured": True, "declared_value_fen": 100_000, "premium_fen": 3_000}


def test_insured_and_damaged() -> None:
    waybill = delivered(**INSURED)
    waybill.reported("WH02", "outer_damage", at(3, "12:00"), "R1")
    waybill.signed("WH02", at(3, "15:00"))
    found = yd(waybill, at(4))
    assert found.keys() == {"YD-05/WH02"}
    liable = found["YD-05/WH02"]
    assert (liable.kind, liable.role, liable.amount_fen, liable.awards) == ("liability", "delivery", 0, [])
    assert (liable.calculation["track"], liable.calculation["declared_value_fen"]) == ("insurer", 100_000)


def test_liability_shifts_as_everywhere() -> None:
    waybill = delivered(**INSURED)
    waybill.notice("WH02", "NB01", "damage", at(3, "11:00"))
    waybill.reported("WH02", "inner_damage", at(3, "12:00"), "R1")
    assert "YD-05/HNB" in yd(waybill, at(4))


@pytest.mark.parametrize("category", ["damage", "shortage", "loss"])
def test_a_complaint_is_enough(category: str) -> None:
    waybill = delivered(**INSURED)
    waybill.complained(category, at(3, "12:00"))
    assert yd(waybill, at(4)).keys() == {"YD-05/WH02"}


def test_not_insured_or_another_matter() -> None:
    plain = delivered(insured=False, declared_value_fen=100_000)
    plain.reported("WH02", "outer_damage", at(3, "12:00"), "R1")
    assert yd(plain, at(4)) == {}
    other = delivered(**INSURED)
    other.reported("WH02", "delay", at(3, "12:00"), "R1")
    other.complained("attitude", at(3, "12:00"))
    other.signed("WH02", at(3, "15:00"))
    assert yd(other, at(4)) == {}


def test_several_claims_on_one_site_are_one_finding() -> None:
    waybill = delivered(**INSURED)
    waybill.complained("shortage", at(3, "11:00"))
    waybill.reported("WH02", "outer_damage", at(3, "12:00"), "R1")
    found = yd(waybill, at(4))
    assert found.keys() == {"YD-05/WH02"}
    assert found["YD-05/WH02"].calculation["matters"] == ["outer_damage", "shortage"]
    assert found["YD-05/WH02"].triggered_at == at(3, "11:00"), "the earliest claim"


def test_a_lost_parcel_that_turns_up_or_was_signed_for_is_not_lost() -> None:
    waybill = on_its_way(**INSURED)
    waybill.reported("HNB", "loss", at(6), "R1")
    assert yd(waybill, at(7)).keys() == {"YD-05/HNB"}
    waybill.arrived("HWH", at(7))
    assert yd(waybill, at(7, "13:00")) == {}
    signed = delivered(**INSURED)
    signed.signed("WH02", at(3, "15:00"))
    signed.reported("NB01", "loss", at(4), "R1")
    assert yd(signed, at(5)) == {}


def test_a_private_settlement_keeps_the_liability_of_the_reports_time() -> None:
    waybill = on_its_way(**INSURED)
    waybill.reported("NB01", "loss", at(6), "R1")
    waybill.add("compensation.settled_privately", "HNB", at(7), site="HNB")
    waybill.arrived("HWH", at(8))
    assert yd(waybill, at(8, "13:00")).keys() == {"YD-05/HNB"}


# YD-06


@pytest.mark.parametrize(
    ("declared", "premium", "alert"),
    [
        (100_000, 3_000, False),
        (100_000, 2_999, True),
        (33, 0, True),
        (101, 3, True),
        (101, 4, False),
        (0, 0, False),
        (100_000, None, False),
        (None, 0, False),
    ],
)
def test_premium(declared: int | None, premium: int | None, alert: bool) -> None:
    given = {"declared_value_fen": declared, "premium_fen": premium}
    waybill = on_its_way(insured=True, **{name: fen for name, fen in given.items() if fen is not None})
    found = yd(waybill, at(3))
    assert found.keys() == ({"YD-06/NB01"} if alert else set())
    if alert:
        assert (found["YD-06/NB01"].kind, found["YD-06/NB01"].role) == ("alert", "origin")


def test_premium_of_an_uninsured_parcel() -> None:
    assert yd(on_its_way(declared_value_fen=100_000, premium_fen=1), at(3)) == {}
