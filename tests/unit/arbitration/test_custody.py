"""The custody chain, sentence by sentence of rules.md §0."""

from __future__ import annotations

from datetime import timedelta

from services.arbitration.domain import distinct
from tests.unit.arbitration.build import Waybill, at

NOW = at(20)


def chain(waybill: Waybill) -> list[tuple[str, str, str, str]]:
    """(site, role, leg, received_by) of each link."""
    return [(c["site"], c["role"], c["leg"], c["received_by"]) for c in waybill.decide(NOW).custody]


def sites(waybill: Waybill) -> list[str]:
    return [site for site, *_ in chain(waybill)]


def test_clean_way() -> None:
    waybill = Waybill().way()
    assert chain(waybill) == [
        ("GZ01", "origin", "forward", "collection"),
        ("HGZ1", "transit", "forward", "piece"),
        ("HBJ1", "transit", "forward", "piece"),
        ("BJ02", "delivery", "forward", "piece"),
    ]
    first = waybill.decide(NOW).custody[0]
    assert (first["received_at"], first["released_at"]) == (at(1, "10:00"), at(1, "19:00"))


def test_nothing_known_and_no_collection() -> None:
    assert chain(Waybill()) == []
    waybill = Waybill()
    waybill.departed("HGZ1", "HBJ1", at(1))
    assert chain(waybill) == [("HGZ1", "transit", "forward", "none")]


def test_collection_opens_the_chain_whatever_the_clocks_say() -> None:
    waybill = Waybill()
    waybill.departed("GZ01", "HGZ1", at(1, "10:00"))
    waybill.arrived("HGZ1", at(1, "11:00"))
    waybill.collected("GZ01", at(1, "12:00"))
    assert sites(waybill) == ["GZ01", "HGZ1"]


def test_one_site_is_origin_and_delivery() -> None:
    waybill = Waybill()
    waybill.collected("GZ01", at(1))
    waybill.out("GZ01", at(1, "13:00"))
    waybill.signed("GZ01", at(1, "15:00"))
    case = waybill.case(NOW)
    assert case.custody.origin is case.custody.delivery is case.custody.links[0]
    assert case.custody.signature is not None


def test_late_clock_moves_no_custody() -> None:
    waybill = Waybill().way(until="departed")
    waybill.arrived("HGZ1", at(1, "21:30"))
    waybill.departed("GZ01", "HGZ1", at(1, "21:35"))
    waybill.departed("HGZ1", "HBJ1", at(1, "23:30"))
    assert sites(waybill) == ["GZ01", "HGZ1"]
    assert waybill.decide(NOW).custody[0]["released_at"] == at(1, "19:00")


def test_late_clock_gives_the_departure_to_the_earlier_link() -> None:
    waybill = Waybill().way(until="collected")
    waybill.arrived("HGZ1", at(1, "18:55"))
    waybill.departed("GZ01", "HGZ1", at(1, "19:00"))
    assert sites(waybill) == ["GZ01", "HGZ1"]
    assert waybill.decide(NOW).custody[0]["released_at"] == at(1, "19:00")


def test_without_an_arrival_scan_the_departure_takes_custody_back() -> None:
    waybill = Waybill().way(until="collected")
    waybill.problem("HGZ1", at(1, "18:55"))
    waybill.departed("GZ01", "HGZ1", at(1, "19:00"))
    assert sites(waybill) == ["GZ01", "HGZ1", "GZ01"]


def test_mistaken_signature_gives_no_custody_and_no_role() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.signed("GZ01", at(3, "06:00"))
    assert sites(waybill) == ["GZ01", "HGZ1", "HBJ1"]
    assert [link["role"] for link in waybill.decide(NOW).custody] == ["origin", "transit", "transit"]


def test_signature_where_the_parcel_was_sent_hands_over() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.signed("BJ02", at(3, "15:00"))
    assert chain(waybill)[-1] == ("BJ02", "delivery", "forward", "none")


def test_signature_of_origin_before_the_parcel_went_on_makes_it_no_deliverer() -> None:
    waybill = Waybill()
    waybill.collected("GZ01", at(1, "10:00"), destination_site="BJ02")
    waybill.signed("GZ01", at(1, "11:00"))
    waybill.departed("GZ01", "BJ02", at(1, "19:00"))
    waybill.arrived("BJ02", at(2, "08:00"))
    assert waybill.case(NOW).custody.delivery_site == "BJ02"


def test_voided_signature_counts_as_never_recorded() -> None:
    waybill = Waybill().way(until="out")
    signature = waybill.signed("BJ02", at(3, "15:00"))
    waybill.voided("BJ02", signature, at(3, "16:00"))
    assert waybill.case(NOW).custody.signature is None


def test_only_its_own_site_voids_a_signature() -> None:
    waybill = Waybill().way(until="out")
    signature = waybill.signed("BJ02", at(3, "15:00"))
    waybill.voided("GZ01", signature, at(3, "16:00"))
    assert waybill.case(NOW).custody.signature is not None


def test_of_several_arrivals_the_first_counts() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.arrived("BJ02", at(3, "07:30"), via="bag", bag="B1")
    waybill.arrived("BJ02", at(3, "12:20"))
    last = waybill.decide(NOW).custody[-1]
    assert (last["received_by"], last["received_at"]) == ("bag", at(3, "07:30"))


def test_return_leg() -> None:
    waybill = Waybill().way(until="out")
    waybill.problem("BJ02", at(3, "15:00"), "refused")
    waybill.returned("BJ02", "HBJ1", at(4, "09:00"))
    waybill.arrived("HBJ1", at(4, "12:00"))
    waybill.departed("HBJ1", "GZ01", at(4, "20:00"))
    waybill.arrived("GZ01", at(6, "08:00"))
    assert chain(waybill)[3:] == [
        ("BJ02", "delivery", "forward", "piece"),
        ("HBJ1", "transit", "return", "piece"),
        ("GZ01", "origin", "return", "piece"),
    ]


def test_same_site_twice() -> None:
    waybill = Waybill().way(until="hubs")
    waybill.arrived("HTJ1", at(3, "09:00"))
    waybill.departed("HTJ1", "HBJ1", at(3, "10:00"))
    waybill.arrived("HBJ1", at(3, "14:00"))
    assert sites(waybill) == ["GZ01", "HGZ1", "HBJ1", "HTJ1", "HBJ1"]


def test_destination_has_the_delivery_role_once_it_has_the_parcel() -> None:
    assert Waybill().way(until="hubs").case(NOW).custody.delivery is None
    assert Waybill().way(until="arrived").case(NOW).custody.delivery_site == "BJ02"


def test_same_moment_is_ordered_by_recording_then_by_source_and_id() -> None:
    waybill = Waybill()
    waybill.arrived("HGZ1", at(1), recorded=at(1, "14:00"))
    waybill.collected("GZ01", at(1), recorded=at(1, "13:00"))
    known, _ = distinct(waybill.events)
    assert [k.event.source for k in known] == ["/sites/GZ01", "/sites/HGZ1"]


def test_of_conflicting_contents_the_first_recorded_wins_and_the_other_is_counted() -> None:
    waybill = Waybill()
    waybill.departed("GZ01", "HGZ1", at(1), event_id="x", recorded=at(1, "13:00"))
    waybill.departed("GZ01", "HBJ1", at(1), event_id="x", recorded=at(1, "12:30"))
    waybill.departed("GZ01", "HGZ1", at(1), event_id="x", recorded=at(1, "12:40"))
    for events in (waybill.events, waybill.events[::-1], waybill.events * 2):
        known, conflicts = distinct(events)
        assert [k.event.data.next_site for k in known] == ["HBJ1"]  # type: ignore[union-attr]
        assert len(conflicts) == 1


def test_conflicts_are_named_in_one_order() -> None:
    waybill = Waybill()
    for number in range(6):
        waybill.add(
            "scan.departed",
            "GZ01",
            at(1, f"1{number}:00"),
            event_id=f"e{number % 2}",
            site="GZ01",
            next_site="HGZ1",
        )
    _, conflicts = distinct(waybill.events)
    assert [conflict.id for conflict in conflicts] == ["e0", "e0", "e1", "e1"]
    assert distinct(waybill.events[::-1])[1] == conflicts


def test_identical_copies_take_the_earliest_recording() -> None:
    waybill = Waybill()
    waybill.collected("GZ01", at(1), event_id="x", recorded=at(2))
    waybill.collected("GZ01", at(1), event_id="x", recorded=at(1, "13:00"))
    known, conflicts = distinct(waybill.events)
    assert conflicts == []
    assert known[0].recorded == known[0].at + timedelta(hours=1).seconds


def test_unknown_members_are_content_where_the_bytes_are_given() -> None:
    waybill = Waybill()
    waybill.collected("GZ01", at(1), event_id="x")
    events = waybill.events * 2
    assert len(distinct(events, [b'{"a": 1}', b'{"a": 1, "recordedtime": "y"}'])[1]) == 0
    assert len(distinct(events, [b'{"a": 1}', b'{"a": 2}'])[1]) == 1
