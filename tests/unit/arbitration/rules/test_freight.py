"""Freight: lost, abnormal and useless receipts, misdelivery, urgent goods: LR-02 to LR-06 (rules.md §6)."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Any

import pytest

from shared.events.outputs import Award
from tests.unit.arbitration.build import Waybill, at
from tests.unit.arbitration.rules.test_freight_late import haul, lr, receipt

# LR-02


@pytest.mark.parametrize(("loss_fen", "half_fen"), [(80_000, 40_000), (80_001, 40_001), (1, 1), (0, 0)])
def test_the_keeper_bears_half_of_the_loss(loss_fen: int, half_fen: int) -> None:
    waybill = haul()
    receipt(waybill, "lost", "GYX02", at(7), loss_fen=loss_fen, person="Lu Wen")
    found = lr(waybill, at(8))
    assert found.keys() == {"LR-02/GYX02"}
    share = found["LR-02/GYX02"]
    assert (share.kind, share.role, share.amount_fen) == ("compensation", "delivery", half_fen)
    assert share.awards == [Award("hq", half_fen)]
    assert (share.person, share.calculation["loss_fen"]) == ("Lu Wen", loss_fen)
    assert "Lu" not in share.reason.zh + share.reason.en


def test_a_loss_that_is_not_known_yet_is_a_liability() -> None:
    waybill = haul()
    receipt(waybill, "lost", "GYX02", at(7))
    share = lr(waybill, at(8))["LR-02/GYX02"]
    assert (share.kind, share.amount_fen, share.awards) == ("liability", 0, [])
    receipt(waybill, "lost", "GYX02", at(8), loss_fen=101)
    share = lr(waybill, at(9))["LR-02/GYX02"]
    assert (share.kind, share.amount_fen) == ("compensation", 51)


def test_losses_of_one_site_add_up_and_each_is_halved() -> None:
    waybill = haul()
    receipt(waybill, "lost", "GYX02", at(7), loss_fen=101)
    receipt(waybill, "lost", "GYX02", at(8), loss_fen=101)
    receipt(waybill, "lost", "CSX01", at(8), loss_fen=50)
    found = lr(waybill, at(9))
    assert {name: f.amount_fen for name, f in found.items()} == {"LR-02/GYX02": 102, "LR-02/CSX01": 25}
    assert found["LR-02/CSX01"].role == "origin"


# LR-03


def test_abnormal_receipt() -> None:
    waybill = haul()
    waybill.add("receipt.audited", "/desks/ar", at(8), site="GYX02", abnormal=True, person="Lu Wen")
    found = lr(waybill, at(9))
    assert found.keys() == {"LR-03/GYX02"}
    fine = found["LR-03/GYX02"]
    assert (fine.kind, fine.amount_fen, fine.awards) == ("fine", 10_000, [Award("hq", 10_000)])
    assert fine.person == "Lu Wen"


@pytest.mark.parametrize("data", [{}, {"abnormal": False}, {"returnable": True}])
def test_audits_without_a_fault(data: dict[str, Any]) -> None:
    waybill = haul()
    waybill.add("receipt.audited", "/desks/ar", at(8), site="GYX02", **data)
    assert lr(waybill, at(9)) == {}


def test_two_abnormal_receipts_of_one_site_add_up() -> None:
    waybill = haul()
    receipt(waybill, "audited", "GYX02", at(8), abnormal=True)
    receipt(waybill, "audited", "GYX02", at(9), abnormal=True)
    assert lr(waybill, at(10))["LR-03/GYX02"].amount_fen == 20_000


# LR-05


def test_a_receipt_that_cannot_be_returned() -> None:
    waybill = haul()
    waybill.add("receipt.audited", "/desks/ar", at(8), site="GYX02", returnable=False, loss_fen=12_345)
    found = lr(waybill, at(9))
    assert found.keys() == {"LR-05/GYX02"}
    loss = found["LR-05/GYX02"]
    assert (loss.kind, loss.amount_fen, loss.awards) == ("compensation", 12_345, [Award("hq", 12_345)])
    unknown = haul()
    receipt(unknown, "audited", "GYX02", at(8), returnable=False)
    assert lr(unknown, at(9))["LR-05/GYX02"].kind == "liability"


def test_the_handler_of_the_signature_is_charged_where_the_audit_names_nobody() -> None:
    waybill = handed(None)
    receipt(waybill, "audited", "GYX02", at(8), returnable=False, loss_fen=700)
    receipt(waybill, "audited", "CSX01", at(8), returnable=False, loss_fen=700)
    found = lr(waybill, at(9))
    assert (found["LR-05/GYX02"].person, found["LR-05/CSX01"].person) == ("Lu Wen", None)
    receipt(waybill, "audited", "GYX02", at(9), returnable=False, person="Qin Wu")
    assert lr(waybill, at(10))["LR-05/GYX02"].person == "Qin Wu"


def test_one_audit_may_show_both_faults() -> None:
    waybill = haul()
    receipt(waybill, "audited", "GYX02", at(8), returnable=False, abnormal=True, loss_fen=700)
    found = lr(waybill, at(9))
    assert {name: f.amount_fen for name, f in found.items()} == {"LR-03/GYX02": 10_000, "LR-05/GYX02": 700}


# LR-04

CHECKS = ("consignee_original", "proxy_original", "consignee_called", "name_matches", "change_certificate")


def handed(checks: dict[str, bool] | None, signer: str = "addressee", **collected: Any) -> Waybill:
    waybill = Waybill("freight")
    waybill.collected("CSX01", at(2, "15:00"), **({"destination_site": "GYX02"} | collected))
    waybill.departed("CSX01", "GYX02", at(2, "22:00"))
    waybill.arrived("GYX02", at(4, "13:00"))
    given = {} if checks is None else {"id_checks": checks}
    waybill.signed("GYX02", at(5, "10:00"), signer=signer, handler="Lu Wen", **given)
    return waybill


def misdelivered(waybill: Waybill, moment: datetime | None = None, **data: Any) -> Waybill:
    waybill.complained("misdelivery", moment or at(6), **data)
    return waybill


def liable(waybill: Waybill) -> bool:
    return "LR-04/GYX02/C1" in lr(misdelivered(waybill), at(8))


@pytest.mark.parametrize("signer", ["addressee", "proxy", "locker", "station"])
def test_every_combination_of_checks(signer: str) -> None:
    for values in product((False, True), repeat=len(CHECKS)):
        checks = dict(zip(CHECKS, values, strict=True))
        original, proxys, called, matches, certificate = values
        enough = original and (matches or called or certificate)
        if signer == "proxy":
            enough = enough and proxys and called
        assert liable(handed(checks, signer)) is not enough, checks


@pytest.mark.parametrize("signer", ["addressee", "proxy"])
def test_a_company_shows_itself_by_seal_or_stamped_authorisation(signer: str) -> None:
    assert not liable(handed({"company": True, "sealed": True}, signer))
    assert not liable(handed({"company": True, "authorisation": True}, signer))
    assert liable(handed(dict.fromkeys((*CHECKS, "company"), True), signer))


def test_no_record_of_checks() -> None:
    assert liable(handed(None))


def test_a_seal_does_not_stand_for_the_document_of_a_person() -> None:
    assert liable(handed({"sealed": True, "authorisation": True, "name_matches": True}))


def test_the_value_goes_to_the_sender() -> None:
    waybill = misdelivered(handed(None))
    pending = lr(waybill, at(8))["LR-04/GYX02/C1"]
    assert (pending.kind, pending.amount_fen, pending.awards) == ("liability", 0, [])
    assert (pending.role, pending.person) == ("delivery", "Lu Wen")
    assert pending.assumed == ["uninsured_cap_fen"]
    waybill.evidence("value_proof", at(9), amount_fen=45_000)
    value = lr(waybill, at(10))["LR-04/GYX02/C1"]
    assert (value.kind, value.amount_fen, value.awards) == ("compensation", 30_000, [Award("sender", 30_000)])
    insured = misdelivered(handed(None, insured=True, declared_value_fen=500_000))
    insured.evidence("value_proof", at(9), amount_fen=45_000)
    assert lr(insured, at(10))["LR-04/GYX02/C1"].amount_fen == 45_000
    assert "Lu" not in value.reason.zh + value.reason.en


def test_only_the_first_complaint_of_misdelivery_and_only_with_a_signature() -> None:
    twice = misdelivered(misdelivered(handed(None)), at(7), complaint_id="C2")
    assert lr(twice, at(8)).keys() == {"LR-04/GYX02/C1"}
    other = handed(None)
    other.complained("damage", at(6))
    assert lr(other, at(8)) == {}
    voided = handed(None)
    voided.voided("GYX02", "e04", at(5, "11:00"))
    assert lr(misdelivered(voided), at(8)) == {}


def test_an_exemption_or_a_settlement_takes_the_money_away() -> None:
    exempt = misdelivered(handed(None))
    exempt.evidence("exemption", at(7), ground="customer_fault")
    assert lr(exempt, at(8)) == {}
    settled = misdelivered(handed(None))
    settled.evidence("value_proof", at(7), amount_fen=20_000)
    settled.add("compensation.settled_privately", "GYX02", at(7), site="GYX02")
    finding = lr(settled, at(8))["LR-04/GYX02/C1"]
    assert (finding.kind, finding.amount_fen, finding.awards) == ("compensation", 0, [])


# LR-06


def urgent(**collected: Any) -> Waybill:
    waybill = Waybill("freight")
    waybill.collected("CSX01", at(2, "15:00"), **({"destination_site": "GYX02", "urgent": True} | collected))
    return waybill


def test_urgent_goods_leave_on_the_day_of_collection() -> None:
    waybill = urgent()
    assert waybill.decide(at(2, "16:00")).next_review_at == at(3, "00:00")
    assert lr(waybill, at(2, "23:59:59")) == {}
    alert = lr(waybill, at(3, "00:00"))["LR-06/CSX01"]
    assert (alert.kind, alert.role, alert.amount_fen) == ("alert", "origin", 0)
    waybill.departed("CSX01", "GYX02", at(3, "00:00"))
    assert lr(waybill, at(4)).keys() == {"LR-06/CSX01"}


def test_urgent_goods_that_left() -> None:
    in_time = urgent()
    in_time.departed("CSX01", "GYX02", at(2, "23:59:59"))
    assert lr(in_time, at(5)) == {}
    seen_elsewhere = urgent()
    seen_elsewhere.arrived("GYX02", at(2, "22:00"))
    assert lr(seen_elsewhere, at(5)) == {}


@pytest.mark.parametrize("given", [False, None])
def test_goods_that_are_not_urgent(given: bool | None) -> None:
    waybill = urgent(urgent=given)
    assert lr(waybill, at(5)) == {}
    assert waybill.decide(at(2, "16:00")).next_review_at == at(10, "00:00"), "only GB-01 waits"
