"""Lines of the registers that offices keep, and on which pages a waybill stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import HealthCheck, given, settings

from services.arbitration.casefile import MASK, shown_details
from services.arbitration.domain import Facts, distinct
from services.arbitration.projections.looked import Looked
from services.arbitration.projections.registers import REGISTERS, Entry, Place, concerns, entries, places
from services.arbitration.rules.localtime import date_of, day_number
from shared.events import Event
from tests.unit.arbitration.build import BOOKS, Waybill, at
from tests.unit.arbitration.test_properties import _streams as streams

DAYS = [day_number(at(day).date()) for day in range(60)]


def lines(waybill: Waybill, register: str, now: datetime) -> list[Entry]:
    return [entry for entry in entries(waybill.case(now)) if entry.register == register]


def line(waybill: Waybill, register: str, now: datetime) -> Entry:
    (only,) = lines(waybill, register, now)
    return only


def look(events: list[Event], now: datetime) -> Looked:
    known, _ = distinct(events)
    rules = BOOKS.of(events[0].network)
    waybill = Waybill(events[0].network)
    waybill.events = events
    return Looked(events[0].subject, 0, known, waybill.case(now).custody, (), Facts(), rules, now)


def test_a_parcel_delivered_on_its_day_stands_nowhere() -> None:
    assert not concerns(look(Waybill().way().events, at(9)))
    late = Waybill().way(until="out")
    late.signed("BJ02", at(3, "15:00"), recorded=at(5))
    assert concerns(look(late.events, at(9))), "it stood there as missing until the entry was known"
    assert places(look(late.events, at(9))) == []


@given(streams.filter(bool))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=80)
def test_what_stands_nowhere_has_no_lines(events: list[Event]) -> None:
    """The short cut for ordinary parcels leaves no line out."""
    waybill = Waybill(events[0].network)
    waybill.events = events
    looked = look(events, at(40))
    stood = {(place.register, place.site, place.day) for place in places(looked) if concerns(looked)}
    for entry in entries(waybill.case(at(40))):
        assert (entry.register, entry.site, entry.day) in stood
        assert entry.against is None or (entry.register, entry.against, entry.day) in stood


def test_a_parcel_out_and_not_handed_in_is_missing_until_it_is() -> None:
    waybill = Waybill().way(until="arrived")
    waybill.out("BJ02", at(3, "08:30"), courier="Zhao")
    assert not lines(waybill, "deliveries", at(3, "23:59:59")), "the day has not ended"
    missing = line(waybill, "deliveries", at(4, "00:00"))
    assert (missing.site, missing.day, missing.closed) == ("BJ02", DAYS[3], None)
    assert (missing.details["state"], missing.details["courier"]) == ("missing", "Zhao")
    waybill.signed("BJ02", at(4, "09:00"))
    late = line(waybill, "deliveries", at(4, "20:00"))
    assert (late.details["state"], late.closed) == ("handed_in_late", DAYS[4])
    assert late.details["signed_at"] == at(4, "09:00")


def test_a_problem_piece_accounts_for_its_delivery_scan() -> None:
    waybill = Waybill().way(until="arrived")
    waybill.out("BJ02", at(3, "08:30"), courier="Zhao")
    waybill.problem("BJ02", at(3, "11:00"), "refused")
    waybill.notice("BJ02", "GZ01", "other", at(3, "12:00"))
    assert line(waybill, "deliveries", at(4, "00:00")).details["state"] == "problem"
    problem = line(waybill, "problems", at(3, "20:00"))
    assert (problem.details["courier"], problem.details["reason"], problem.closed) == (
        "Zhao",
        "refused",
        None,
    )
    assert problem.details["announced_at"] == at(3, "12:00")
    waybill.out("BJ02", at(4, "08:30"), courier="Qian")
    again = line(waybill, "problems", at(4, "20:00"))
    assert (again.closed, again.details["then"]) == (DAYS[4], "scan.out_for_delivery")
    days = {entry.day: entry.details["state"] for entry in lines(waybill, "deliveries", at(5, "00:00"))}
    assert days == {DAYS[3]: "problem", DAYS[4]: "missing"}


def test_a_signature_that_nobody_took_out() -> None:
    waybill = Waybill().way(until="arrived")
    waybill.signed("BJ02", at(3, "15:00"))
    assert line(waybill, "deliveries", at(4)).details["state"] == "no_delivery_scan"


def test_damage_names_who_sent_it_and_the_vehicle() -> None:
    waybill = Waybill().way(until="collected")
    waybill.departed("GZ01", "HGZ1", at(1, "19:00"), vehicle="V7", bag="B1")
    waybill.arrived("HGZ1", at(1, "21:00"))
    waybill.notice("HGZ1", "GZ01", "damage", at(1, "22:00"))
    found = line(waybill, "anomalies", at(2))
    assert (found.site, found.against, found.details["kind"]) == ("HGZ1", "GZ01", "damage")
    assert (found.details["vehicle"], found.details["bag"], found.closed) == ("V7", "B1", None)
    stood = {(place.site, place.own) for place in places(look(waybill.events, at(2)))}
    assert stood == {("HGZ1", True), ("GZ01", False)}


def test_goods_that_are_found_close_the_line() -> None:
    waybill = Waybill().way(until="departed")
    waybill.notice("HGZ1", "GZ01", "goods_missing", at(2))
    waybill.add("goods.found", "HGZ1", at(4), site="HGZ1")
    found = line(waybill, "anomalies", at(5))
    assert (found.closed, found.details["found_at"]) == (DAYS[4], at(4))


def test_the_missort_statement() -> None:
    waybill = Waybill().way(until="collected")
    waybill.departed("GZ01", "SH05", at(1, "19:00"))
    waybill.arrived("SH05", at(2, "08:00"))
    waybill.problem("SH05", at(2, "09:00"), "missorted")
    found = line(waybill, "missorts", at(2, "10:00"))
    expected = {"correct_site": "BJ02", "correct_mark": "BJ02", "origin": "GZ01", "reason": "plain"}
    assert (found.site, found.against) == ("SH05", "GZ01")
    assert expected.items() <= found.details.items()
    waybill.problem("SH05", at(2, "09:30"), "address_unclear")
    waybill.departed("SH05", "BJ02", at(2, "18:00"))
    handled = line(waybill, "missorts", at(3))
    assert (handled.details["reason"], handled.closed) == ("address_unclear", DAYS[2])


def receipt(**required: Any) -> Waybill:
    waybill = Waybill("freight").way()
    waybill.add("receipt.required", "GZ01", at(1, "10:30"), site="GZ01", **required)
    return waybill


def test_a_receipt_is_open_until_its_sender_has_it() -> None:
    waybill = receipt(transfers=1)
    waiting = line(waybill, "receipts", at(5))
    assert (waiting.site, waiting.against, waiting.closed) == ("GZ01", "BJ02", None)
    assert waiting.details["state"] == "waiting"
    waybill.add("receipt.returned", "BJ02", at(6), site="BJ02")
    assert line(waybill, "receipts", at(7)).details["state"] == "on_its_way"
    waybill.add("receipt.returned", "GZ01", at(9), site="GZ01")
    back = line(waybill, "receipts", at(10))
    assert (back.details["state"], back.closed) == ("returned", DAYS[9])


def test_the_term_of_a_receipt_follows_its_transfers() -> None:
    assert line(receipt(transfers=0), "receipts", at(5)).details["due_on"] == date_of(DAYS[13]).isoformat()
    assert line(receipt(transfers=1), "receipts", at(5)).details["due_on"] == date_of(DAYS[18]).isoformat()


def test_photos_that_prove_nothing() -> None:
    waybill = Waybill().way(until="out")
    photo = {"shows_name": False, "shows_identity": False, "legible": False}
    waybill.signed("BJ02", at(3, "15:00"), photo=photo, handler="Zhao")
    found = line(waybill, "photos", at(4))
    assert found.details["defects"] == ["not_legible", "nobody_named"]
    assert found.details["courier"] == "Zhao"
    fine = Waybill().way(until="out")
    fine.signed("BJ02", at(3, "15:00"), photo=photo | {"shows_identity": True, "legible": True})
    assert not lines(fine, "photos", at(4))


def test_two_lines_of_a_day_are_one_place_and_open_while_one_is() -> None:
    waybill = Waybill().way(until="out")
    waybill.problem("BJ02", at(3, "10:00"))
    waybill.out("BJ02", at(3, "14:00"))
    waybill.problem("BJ02", at(3, "16:00"))
    stood = [place for place in places(look(waybill.events, at(4))) if place.register == "problems"]
    assert stood == [Place("problems", "BJ02", own=True, day=DAYS[3], closed=None)]


def test_a_site_sees_only_its_own_couriers_and_notes() -> None:
    details = {"courier": "Zhao", "note": "not at home", "reason": "refused", "kind": None}
    persons = {"courier": "BJ02", "note": None}
    assert shown_details(details, persons, None) == details
    assert shown_details(details, persons, "BJ02") == details | {"note": MASK}
    assert shown_details(details, persons, "GZ01") == details | {"courier": MASK, "note": MASK}
    assert shown_details({"courier": None}, persons, "GZ01") == {"courier": None}


def test_whatever_a_line_says_of_a_person_is_somebodys() -> None:
    waybill = Waybill().way(until="arrived")
    waybill.out("BJ02", at(3, "08:30"), courier="PERSON", operator="PERSON")
    for reason, minute in (("missorted", "11:00"), ("damaged", "11:30")):
        waybill.add("scan.problem", "BJ02", at(3, minute), site="BJ02", reason=reason, note="PERSON")
    waybill.notice("BJ02", "HBJ1", "damage", at(3, "12:00"), text="PERSON")
    photo = {"shows_name": False, "shows_identity": False, "legible": False}
    waybill.signed("BJ02", at(4, "15:00"), photo=photo, handler="PERSON", signer_name="PERSON")
    found = list(entries(waybill.case(at(6))))
    assert {entry.register for entry in found} == set(REGISTERS) - {"receipts"}
    assert any(entry.against == "HBJ1" for entry in found)
    told = {
        (name, entry.persons.get(name))
        for entry in found
        for name, value in entry.details.items()
        if value == "PERSON"
    }
    assert told == {("courier", "BJ02"), ("note", "BJ02")}
