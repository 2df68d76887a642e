"""The national standard: GB-01 to GB-07, in a network without a rulebook of its own."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from services.arbitration.domain import ExemptionFact, Facts
from tests.unit.arbitration.build import Waybill, at


def parcel(**collected: Any) -> Waybill:
    waybill = Waybill("unheard-of")
    waybill.collected("GZ01", at(1, "10:00"), **({"destination_site": "BJ02"} | collected))
    return waybill


def there(day: int = 2, **collected: Any) -> Waybill:
    waybill = parcel(**collected)
    waybill.departed("GZ01", "BJ02", at(1, "19:00"))
    waybill.arrived("BJ02", at(day, "08:00"))
    return waybill


@pytest.mark.parametrize(("scope", "days"), [("same_city", 3), ("intra_province", 7), ("international", 21)])
def test_complete_delay(scope: str, days: int) -> None:
    waybill = parcel(scope=scope)
    assert waybill.decide(at(2)).next_review_at == at(days + 2, "00:00")
    assert waybill.findings(at(days + 1, "23:59:59")) == {}
    found = waybill.findings(at(days + 2, "00:00"))["GB-01/GZ01"]
    assert (found.kind, found.amount_fen, found.role, found.awards) == ("liability", 0, "origin", [])
    assert found.assumed == ["complete_delay_from_collection"]


def test_delivery_counts_from_the_signing() -> None:
    waybill = there(scope="same_city")
    waybill.signed("BJ02", at(6), signed_at=at(4, "23:59"))
    assert waybill.findings(at(7)) == {}
    late = there(scope="same_city")
    late.signed("BJ02", at(6), signed_at=at(5, "00:00"))
    assert late.findings(at(7)).keys() == {"GB-01/GZ01"}


def test_none_arises_after_the_return_and_one_that_had_arisen_stays() -> None:
    before, after = there(scope="same_city"), there(scope="same_city")
    before.returned("BJ02", "GZ01", at(4))
    after.returned("BJ02", "GZ01", at(5))
    assert before.findings(at(9)) == {}
    assert after.findings(at(9)).keys() == {"GB-01/GZ01"}


def test_exempt_days_of_whoever_holds_the_parcel_do_not_count() -> None:
    flood = ExemptionFact(exemption_id="F", sites=["BJ02"], from_=date(2026, 3, 1), to=date(2026, 3, 4))
    waybill = there(scope="same_city")
    facts = Facts(exemptions=[flood])
    assert waybill.decide(at(3), facts).next_review_at == at(7, "00:00"), "3 and 4 March do not count"
    assert waybill.findings(at(7), facts)["GB-01/GZ01"].exemptions == ["F"]


@pytest.mark.parametrize(
    ("ground", "collected", "accepted"),
    [
        ("force_majeure", {}, True),
        ("force_majeure", {"insured": True}, False),
        ("natural", {"insured": True}, True),
    ],
)
def test_exemption(ground: str, collected: dict[str, Any], accepted: bool) -> None:
    waybill = there(scope="same_city", **collected)
    waybill.evidence("exemption", at(3), ground=ground)
    found = waybill.findings(at(6))
    assert found.keys() == ({"GB-02/-/E1"} if accepted else {"GB-01/GZ01"})
    if accepted:
        assert (found["GB-02/-/E1"].site, found["GB-02/-/E1"].role) == (None, "other")


def test_exemption_without_audit_changes_nothing() -> None:
    waybill = there(scope="same_city")
    waybill.evidence("exemption", at(3), ground="natural", audited=False)
    assert waybill.findings(at(6)).keys() == {"GB-01/GZ01"}


def contact(waybill: Waybill, party: str, moment: datetime, number: str) -> None:
    waybill.evidence("contact_log", at(9), f"E{number}", site="BJ02", party=party, contacted_at=moment)


def test_failed_attempts_need_contacts() -> None:
    waybill = there()
    waybill.out("BJ02", at(2, "09:00"))
    waybill.problem("BJ02", at(2, "10:00"), "address_unclear")
    assert waybill.decide(at(2)).next_review_at == at(3, "10:00:01")
    assert waybill.findings(at(3, "10:00")) == {}
    assert waybill.findings(at(3, "10:00:01")).keys() == {"GB-03/BJ02"}
    contact(waybill, "recipient", at(3, "10:00"), "1")
    assert waybill.findings(at(8)) == {}
    waybill.problem("BJ02", at(4, "10:00"), "unreachable")
    contact(waybill, "recipient", at(4, "11:00"), "2")
    assert waybill.findings(at(8)) == {}
    assert [m["party"] for m in waybill.findings(at(9))["GB-03/BJ02"].calculation["missing"]] == ["sender"]
    contact(waybill, "sender", at(8, "23:59"), "3")
    assert waybill.findings(at(9)).keys() == {"GB-01/GZ01"}


def test_pick_up_in_two_hours_or_as_agreed() -> None:
    assert parcel(order_placed_at=at(1, "08:00")).findings(at(2)) == {}
    assert parcel(order_placed_at=at(1, "07:59")).findings(at(2)).keys() == {"GB-04/GZ01"}
    agreed = {"order_placed_at": at(1, "06:00"), "pickup_agreed_at": at(1, "10:00")}
    assert parcel(**agreed).findings(at(2)) == {}


def test_cash_on_delivery_within_a_month() -> None:
    waybill = there(cod_fen=8000)
    waybill.signed("BJ02", at(2))  # 3 March: until 3 April, day 33
    assert waybill.decide(at(3)).next_review_at == at(34, "00:00")
    assert waybill.findings(at(34, "00:00")).keys() == {"GB-05/BJ02"}
    waybill.add("cod.settled", "BJ02", at(33, "23:00"), site="BJ02", amount_fen=8000)
    assert waybill.findings(at(40)) == {}
    agreed = there(cod_fen=8000, cod_due_on="2026-03-10")
    agreed.signed("BJ02", at(2))
    assert agreed.findings(at(10)).keys() == {"GB-05/BJ02"}


@pytest.mark.parametrize(
    ("data", "alert"),
    [
        ({"consent": True, "proxy_identity": "family"}, False),
        ({"consent": True}, True),
        ({"proxy_identity": "family"}, True),
    ],
)
def test_proxy(data: dict[str, Any], alert: bool) -> None:
    waybill = there()
    waybill.signed("BJ02", at(2), signer="proxy", **data)
    assert ("GB-06/BJ02" in waybill.findings(at(3))) is alert


def test_redirects() -> None:
    waybill = there()
    waybill.add("redirect.requested", "GZ01", at(2, "07:00"), by="sender", new_address="elsewhere")
    waybill.signed("BJ02", at(2, "12:00"))
    assert waybill.findings(at(3)) == {}
    waybill.add("redirect.requested", "GZ01", at(2, "13:00"), by="sender", new_address="elsewhere")
    found = waybill.findings(at(3))["GB-07/GZ01"]
    assert (found.kind, found.role) == ("rejection", "reporter")
    abroad = there(scope="international")
    abroad.add("redirect.requested", "/desks/cs", at(2, "13:00"), by="sender")
    assert abroad.findings(at(3)).keys() == {"GB-07/-"}


def test_network_without_a_rulebook_is_judged_by_the_national_one() -> None:
    assert parcel().decide(at(2)).rulebook.id == "national"
