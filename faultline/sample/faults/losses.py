"""Parcels that are lost, and some that turn up again."""

from __future__ import annotations

from datetime import timedelta

from faultline.sample.faults.common import BOTH, notice, photo_taken, report, value_proof
from faultline.sample.parcel import ARBITRATION_DESK, Draft, Parcel
from faultline.sample.scenario import scenario


@scenario("TT-07", age_days=(10, 42), weight=5, two_hubs=True)
def lost_on_the_road(parcel: Parcel) -> None:
    """The last event is a departure: the departing hub is liable."""
    left = parcel.end_after(f"departed:{parcel.hubs[0].code}")
    filed = report(parcel, "loss", parcel.destination.code, parcel.office_hour(left.time, 4))
    value_proof(parcel, filed)


@scenario("TT-07", age_days=(9, 42), weight=5)
def lost_before_the_hub(parcel: Parcel) -> None:
    """Only the bag came; the hub told origin within three hours, so liability moves up to origin."""
    arrived = _only_the_bag_came(parcel)
    hub, origin = parcel.hubs[0].code, parcel.origin.code
    notice(parcel, "goods_missing", hub, origin, parcel.minutes_after(arrived, 20, 150))
    filed = report(parcel, "loss", hub, parcel.office_hour(arrived.time, 2), origin)
    value_proof(parcel, filed)


@scenario("TT-07", age_days=(9, 42), weight=3)
def lost_without_notice(parcel: Parcel) -> None:
    """Only the bag came, and the hub said so too late: it is liable."""
    arrived = _only_the_bag_came(parcel)
    hub, origin = parcel.hubs[0].code, parcel.origin.code
    notice(parcel, "goods_missing", hub, origin, parcel.minutes_after(arrived, 400, 900))
    filed = report(parcel, "loss", origin, parcel.office_hour(arrived.time, 3), hub)
    value_proof(parcel, filed)


@scenario("TT-07", age_days=(9, 42), weight=2)
def lost_notice_by_fax(parcel: Parcel) -> None:
    """The hub told origin in time, but by fax and without a copy to headquarters: that does not count (TT-25)."""
    arrived = _only_the_bag_came(parcel)
    hub, origin = parcel.hubs[0].code, parcel.origin.code
    at = parcel.minutes_after(arrived, 20, 150)
    notice(parcel, "goods_missing", hub, origin, at, channel="fax", filed_with_hq=False)
    value_proof(parcel, report(parcel, "loss", origin, parcel.office_hour(arrived.time, 3), hub))


@scenario("TT-07", age_days=(9, 42), weight=2)
def lost_label(parcel: Parcel) -> None:
    """Goods without a label, described so that others could recognise them (TT-23): the hub is excused."""
    arrived = _only_the_bag_came(parcel)
    hub, origin = parcel.hubs[0].code, parcel.origin.code
    at = parcel.minutes_after(arrived, 30, 150)
    notice(parcel, "waybill_missing", hub, origin, at, names_waybill=False, **photo_taken(parcel, at))
    value_proof(parcel, report(parcel, "loss", hub, parcel.office_hour(arrived.time, 2), origin))


@scenario("TT-07", "TT-02", age_days=(9, 42), weight=4)
def lost_with_the_courier(parcel: Parcel) -> None:
    """Out for delivery and never seen again."""
    parcel.drop("signed")
    out = parcel.scan("out")
    filed = report(parcel, "loss", parcel.origin.code, parcel.office_hour(out.time, 4))
    value_proof(parcel, filed)


@scenario("TT-07", age_days=(9, 42), weight=3)
def lost_without_proof(parcel: Parcel) -> None:
    """Liability is established, the value is not known yet."""
    left = parcel.end_after(f"departed:{parcel.hubs[-1].code}")
    report(parcel, "loss", parcel.destination.code, parcel.office_hour(left.time, 4))


@scenario("TT-04", age_days=(16, 42), weight=3)
def lost_and_found(parcel: Parcel) -> None:
    """Reported lost, then scanned again: the loss falls away, the report counts as one of delay."""
    parcel.hold_back(f"arrived:{parcel.destination.code}", 7)
    left = parcel.scan(f"departed:{parcel.hubs[-1].code}")
    filed = report(parcel, "loss", parcel.destination.code, parcel.office_hour(left.time, 3))
    value_proof(parcel, filed)


@scenario("TT-07", age_days=(12, 42), weight=2)
def lost_and_settled_privately(parcel: Parcel) -> None:
    """The sites settle between themselves: the money side is closed, the finding stays."""
    left = parcel.end_after(f"departed:{parcel.hubs[-1].code}")
    hub, origin = parcel.hubs[-1].code, parcel.origin.code
    filed = report(parcel, "loss", origin, parcel.office_hour(left.time, 4), hub)
    proof = value_proof(parcel, filed)
    parcel.tell(
        "compensation.settled_privately",
        hub,
        parcel.office_hour(proof.time, 2),
        site=hub,
        with_site=origin,
        amount_fen=proof.data["amount_fen"] // 2,
    )


@scenario("TT-14", age_days=(36, 44), weight=3)
def loss_reported_too_late(parcel: Parcel) -> None:
    """Reported after day 30."""
    left = parcel.end_after(f"departed:{parcel.hubs[0].code}")
    report(parcel, "loss", parcel.origin.code, parcel.office_hour(left.time, 33))


@scenario("TT-17", weight=2)
def loss_after_normal_signature(parcel: Parcel) -> None:
    """Reported lost though it was signed for normally."""
    report(parcel, "loss", parcel.origin.code, parcel.office_hour(parcel.signed.time, 2))


@scenario("GB-02", networks=BOTH, age_days=(12, 42), weight=3)
def lost_by_force_majeure(parcel: Parcel) -> None:
    """A lorry burnt out in a landslide: no compensation is due."""
    parcel.collected.data.update(insured=False)
    parcel.collected.data.pop("premium_fen", None)
    left = parcel.end_after(f"departed:{parcel.hubs[0].code}")
    filed = report(parcel, "loss", parcel.destination.code, parcel.office_hour(left.time, 4))
    value_proof(parcel, filed)
    parcel.tell(
        "evidence.submitted",
        ARBITRATION_DESK,
        parcel.office_hour(filed.time, 3),
        evidence_id=parcel.reference("E"),
        site=parcel.hubs[0].code,
        kind="exemption",
        ground="force_majeure",
        audited=True,
    )


def _only_the_bag_came(parcel: Parcel) -> Draft:
    """The bag with the parcel in it is scanned at the hub; the piece never is."""
    departed = parcel.scan(f"departed:{parcel.origin.code}")
    bag = departed.data.setdefault("bag", f"BAG-{parcel.random.randint(100_000, 999_999)}")
    arrived = parcel.end_after(f"arrived:{parcel.hubs[0].code}")
    arrived.data.update(via="bag", bag=bag)
    arrived.recorded_after = min(arrived.recorded_after, timedelta(minutes=1))
    return arrived
