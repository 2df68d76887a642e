"""Damage and loss (TT-06, TT-07): the liability shift, the value of goods, and the rejections."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.arbitration.build import Waybill, at

DESCRIBED = {"packaging": "carton", "shape": "box", "size": "30 cm", "photo_published_at": at(1, "22:00")}


def by_bag(waybill: Waybill, *, notice_at: str | None = None, **notice: Any) -> Waybill:
    """Departed to HGZ1, whose only scan is its bag's arrival at 21:30; a loss is reported."""
    waybill.way(until="departed")
    waybill.arrived("HGZ1", at(1, "21:30"), via="bag", bag="B1")
    if notice_at is not None:
        given: dict[str, Any] = {"to": "GZ01", "kind": "goods_missing"} | notice
        waybill.notice(
            "HGZ1", given.pop("to"), given.pop("kind"), at(2 if notice_at < "12" else 1, notice_at), **given
        )
    waybill.reported("HGZ1", "loss", at(3), against_site="GZ01")
    return waybill


def liable(waybill: Waybill, rule: str, day: int = 6) -> list[str | None]:
    return [f.site for f in waybill.findings(at(day)).values() if f.rule == rule]


def test_departed_and_never_seen_again_is_the_departing_links() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.reported("GZ01", "loss", at(6))
    found = waybill.findings(at(6))["TT-07/HBJ1"]
    assert (found.kind, found.amount_fen, found.awards) == ("liability", 0, [])


@pytest.mark.parametrize(
    ("notice_at", "notice", "site"),
    [
        (None, {}, "HGZ1"),
        ("23:10", {}, "GZ01"),
        ("00:30", {}, "GZ01"),  # the last moment of the three hours
        ("00:30:01", {}, "HGZ1"),
        ("23:10", {"names_waybill": False}, "HGZ1"),
        ("23:10", {"to": "BJ02"}, "HGZ1"),
        ("23:10", {"kind": "damage"}, "HGZ1"),
        ("23:10", {"channel": "fax"}, "HGZ1"),
        ("23:10", {"channel": "fax", "filed_with_hq": True}, "GZ01"),
        ("23:10", {"kind": "waybill_missing", "names_waybill": False}, "HGZ1"),
        ("23:10", {"kind": "waybill_missing", "names_waybill": False, **DESCRIBED}, "GZ01"),
    ],
)
def test_only_a_bags_arrival(notice_at: str | None, notice: dict[str, Any], site: str) -> None:
    assert liable(by_bag(Waybill(), notice_at=notice_at, **notice), "TT-07") == [site]


def test_who_had_the_piece_itself_cannot_say_it_is_missing() -> None:
    waybill = Waybill().way(until="out")
    waybill.notice("BJ02", "HBJ1", "goods_missing", at(3, "08:00"))
    waybill.reported("GZ01", "loss", at(6))
    assert liable(waybill, "TT-07") == ["BJ02"]


def test_damage_moves_upstream_link_by_link() -> None:
    waybill = Waybill().way()
    waybill.events.pop()
    waybill.signed("BJ02", at(3, "15:00"), outer_damage_noted=True)
    waybill.reported("GZ01", "outer_damage", at(4))
    assert liable(waybill, "TT-06") == ["BJ02"]
    waybill.notice("BJ02", "HBJ1", "damage", at(3, "10:30"), "N1")
    assert liable(waybill, "TT-06") == ["HBJ1"]
    waybill.notice("HBJ1", "GZ01", "damage", at(3, "05:00"), "N2")
    assert liable(waybill, "TT-06") == ["HGZ1"]
    waybill.notice("HGZ1", "GZ01", "damage", at(1, "22:00"), "N3")
    assert liable(waybill, "TT-06") == ["GZ01"]


def test_a_link_without_arrival_scan_is_never_excused() -> None:
    waybill = Waybill().way(until="departed")
    waybill.departed("HGZ1", "BJ02", at(1, "23:30"))
    waybill.arrived("BJ02", at(3, "07:30"))
    waybill.notice("BJ02", "HGZ1", "damage", at(3, "08:00"), "N1")
    waybill.notice("HGZ1", "GZ01", "damage", at(1, "23:40"), "N2")
    waybill.reported("BJ02", "outer_damage", at(3, "09:00"))
    assert liable(waybill, "TT-06") == ["HGZ1"]


def test_damage_is_asked_of_who_held_it_when_it_was_reported() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.reported("HGZ1", "outer_damage", at(1, "22:00"))
    assert liable(waybill, "TT-06") == ["HGZ1"]


@pytest.mark.parametrize(
    ("collected", "proof", "amount"),
    [
        ({}, 45000, 30000),
        ({}, 12345, 12345),
        ({"insured": True, "declared_value_fen": 200000}, 150000, 150000),
        ({"insured": True, "declared_value_fen": 100000}, 150000, 100000),
    ],
)
def test_value_of_goods(collected: dict[str, object], proof: int, amount: int) -> None:
    waybill = Waybill()
    waybill.collected("GZ01", at(1), **collected)
    waybill.departed("GZ01", "HGZ1", at(1, "19:00"))
    waybill.reported("HGZ1", "loss", at(4))
    waybill.evidence("value_proof", at(5), "E1", amount_fen=proof)
    waybill.evidence("value_proof", at(5), "E2", amount_fen=proof - 1)
    waybill.add("evidence.submitted", "GZ01", at(5), evidence_id="E3", kind="value_proof", amount_fen=999999)
    found = waybill.findings(at(6))["TT-07/GZ01"]
    assert (found.kind, found.amount_fen, found.awards[0].to) == ("compensation", amount, "HGZ1")
    assert found.assumed == ([] if collected else ["uninsured_cap_fen"])


def test_struck_out_signature_halves_up_to_the_fen() -> None:
    waybill = Waybill().way(until="out")
    waybill.signed("BJ02", at(3, "15:00"), struck_out=True)
    waybill.reported("GZ01", "shortage", at(4))
    waybill.evidence("value_proof", at(5), amount_fen=10001)
    assert waybill.findings(at(6))["TT-06/BJ02"].amount_fen == 5001


@pytest.mark.parametrize(
    ("rule", "kind", "signed", "collected"),
    [
        ("TT-17", "outer_damage", {}, {}),
        ("TT-17", "shortage", {"inner_issue_noted": True}, {}),
        ("TT-17", "loss", {}, {}),
        ("TT-15", "loss", {}, {"goods": "cash"}),
        ("TT-20", "inner_damage", {"outer_damage_noted": True}, {"fragile": True}),
    ],
)
def test_rejections(rule: str, kind: str, signed: dict[str, object], collected: dict[str, object]) -> None:
    waybill = Waybill()
    waybill.collected("GZ01", at(1), **collected)
    waybill.out("GZ01", at(2))
    waybill.signed("GZ01", at(2, "15:00"), **signed)
    waybill.reported("SZ01", kind, at(4))
    found = waybill.findings(at(6))
    assert found.keys() == {f"{rule}/SZ01/R1"}
    rejection = found[f"{rule}/SZ01/R1"]
    assert (rejection.kind, rejection.role, rejection.amount_fen) == ("rejection", "reporter", 0)


def test_the_delivery_sites_own_statement_opens_a_normal_signature() -> None:
    waybill = Waybill().way()
    waybill.reported("GZ01", "outer_damage", at(4))
    waybill.evidence("outer_damage_statement", at(4), site="BJ02")
    assert liable(waybill, "TT-06") == ["BJ02"]


def test_only_the_first_rejection_is_issued() -> None:
    waybill = Waybill()
    waybill.collected("GZ01", at(1), goods="cash")
    waybill.departed("GZ01", "BJ02", at(1))
    waybill.reported("GZ01", "loss", at(32))
    assert waybill.findings(at(32)).keys() == {"TT-14/GZ01/R1", "GB-01/GZ01"}


def test_day_30_is_in_time() -> None:
    waybill = Waybill().way(until="departed")
    waybill.reported("GZ01", "loss", at(31, "23:59"))
    assert liable(waybill, "TT-07", 33) == ["GZ01"]


def test_reappearance_revokes_the_loss_and_leaves_a_report_of_delay() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.reported("GZ01", "loss", at(6))
    waybill.arrived("BJ02", at(9, "07:30"))
    waybill.signed("BJ02", at(9, "15:00"))
    found = waybill.findings(at(10))
    assert found.keys() == {"TT-04/HBJ1", "GB-01/GZ01"}
    assert found["TT-04/HBJ1"].awards[0].to == "GZ01"


def test_private_settlement_closes_the_money_and_keeps_the_finding() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.reported("GZ01", "loss", at(6))
    waybill.evidence("value_proof", at(7), amount_fen=20000)
    waybill.add("compensation.settled_privately", "HBJ1", at(8), site="HBJ1", with_site="GZ01")
    waybill.arrived("BJ02", at(9, "07:30"))
    decision = waybill.decide(at(9))
    found = {f.finding_id: f for f in decision.findings}
    assert (found["TT-07/HBJ1"].amount_fen, found["TT-07/HBJ1"].awards) == (0, [])
    assert decision.status == "closed"


def test_one_award_per_link_the_largest() -> None:
    waybill = Waybill().way(until="arrived")
    waybill.signed("BJ02", at(10, "15:00"), outer_damage_noted=True)
    waybill.reported("GZ01", "delay", at(11), "R1")
    waybill.reported("GZ01", "outer_damage", at(11), "R2")
    waybill.evidence("value_proof", at(11), amount_fen=20000)
    found = waybill.findings(at(12))
    assert (found["TT-04/BJ02"].amount_fen, found["TT-04/BJ02"].awards[0].to) == (35000, "GZ01")
    assert (found["TT-06/BJ02"].amount_fen, found["TT-06/BJ02"].awards[0].to) == (20000, "hq")


def test_however_many_reports_one_finding_paid_to_the_earliest_accepted() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.reported("HGZ1", "loss", at(6), "R2")
    waybill.reported("GZ01", "loss", at(5), "R1")
    waybill.evidence("value_proof", at(7), amount_fen=100)
    found = [f for f in waybill.findings(at(8)).values() if f.rule == "TT-07"]
    assert [f.awards[0].to for f in found] == ["GZ01"]


def test_false_goods_missing_notice() -> None:
    for minutes, false in ((("08:00", "05:00"), True), (("08:00", "04:59"), False)):
        posted, scanned = minutes
        waybill = Waybill().way(until="departed")
        waybill.arrived("HGZ1", at(2, "04:00"), via="bag")
        waybill.departed("HGZ1", "HBJ1", at(2, scanned))
        waybill.notice("HGZ1", "GZ01", "goods_missing", at(2, posted))
        waybill.reported("GZ01", "false_notice", at(3), against_site="HGZ1")
        found = waybill.findings(at(3))
        assert ("TT-08/HGZ1/R1" in found) is false


def test_goods_found_names_the_notice() -> None:
    waybill = by_bag(Waybill(), notice_at="23:10")
    waybill.reported("GZ01", "false_notice", at(3), "R2", against_site="HGZ1")
    assert "TT-08/HGZ1/R2" not in waybill.findings(at(4))
    waybill.add("goods.found", "/desks/arb1", at(4), site="GZ01", notice_id="N1")
    found = waybill.findings(at(4))["TT-08/HGZ1/R2"]
    assert {(award.to, award.amount_fen) for award in found.awards} == {("GZ01", 400), ("hq", 100)}


@pytest.mark.parametrize(
    ("mark", "bag", "named", "missorted", "expected"),
    [
        ("SH01", None, None, False, ("TT-21/GZ01/R1", "liability")),
        ("SH01", "B1", None, False, ("TT-21/BJ02/R1", "rejection")),
        ("SH01", "B1", "B1", False, ("TT-21/GZ01/R1", "liability")),
        ("BJ02", None, None, True, ("TT-21/HGZ1/R1", "liability")),
        ("BJ02", None, None, False, ("TT-21/BJ02/R1", "rejection")),
    ],
)
def test_mis_transit(
    mark: str, bag: str | None, named: str | None, missorted: bool, expected: tuple[str, str]
) -> None:
    waybill = Waybill()
    waybill.collected("GZ01", at(1), destination_site="BJ02", destination_mark=mark)
    waybill.departed("GZ01", "HGZ1", at(1, "19:00"), **({"bag": bag} if bag else {}))
    waybill.arrived("HGZ1", at(1, "21:00"))
    waybill.departed("HGZ1", "HSH1", at(1, "23:00"))
    waybill.arrived("HSH1", at(2, "12:00"))
    if missorted:
        waybill.problem("HSH1", at(2, "13:00"), "missorted")
    waybill.reported("BJ02", "mistransit", at(3), **({"bag": named} if named else {}))
    found = waybill.findings(at(3))
    assert {(f.finding_id, f.kind) for f in found.values()} == {expected}


def test_old_label_needs_the_delivery_copy() -> None:
    waybill = Waybill()
    waybill.collected("GZ01", at(1), destination_site="BJ02", destination_mark="SH01", label_version="old")
    waybill.reported("BJ02", "mistransit", at(3))
    assert waybill.findings(at(3)).keys() == {"TT-27/BJ02/R1"}
    waybill.evidence("delivery_copy", at(3))
    assert waybill.findings(at(3)).keys() == {"TT-21/GZ01/R1"}


def test_damage_notice_must_be_passed_on() -> None:
    waybill = Waybill().way(until="arrived")
    waybill.notice("BJ02", "HBJ1", "damage", at(3, "08:00"))
    assert waybill.decide(at(3)).next_review_at == at(4, "08:00:01")
    assert waybill.findings(at(4, "08:00:01")).keys() == {"TT-24/HBJ1/N1"}
    waybill.add("notice.forwarded", "HBJ1", at(4, "07:00"), site="HBJ1", to_site="GZ01", notice_id="N1")
    assert waybill.findings(at(4, "08:00:01")) == {}
    assert waybill.findings(at(5, "07:00:01")).keys() == {"TT-24/GZ01/N1"}
    waybill.add(
        "notice.answered", "GZ01", at(4, "12:00"), site="GZ01", to_site="BJ02", notice_id="N1", plan="repack"
    )
    assert waybill.findings(at(5, "07:00:01")) == {}
