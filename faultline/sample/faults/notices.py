"""False notices, and sites that do not help when urged."""

from __future__ import annotations

from faultline.sample.faults.common import notice, report, ruling
from faultline.sample.parcel import Parcel
from faultline.sample.scenario import scenario


@scenario("TT-08", weight=6)
def false_goods_missing(parcel: Parcel) -> None:
    """A hub says the goods are missing though it scanned the piece itself."""
    hub, origin = parcel.hubs[-1].code, parcel.origin.code
    arrived = parcel.scan(f"arrived:{hub}")
    arrived.data["via"] = "piece"
    posted = notice(parcel, "goods_missing", hub, origin, parcel.minutes_after(arrived, 20, 150))
    report(parcel, "false_notice", origin, parcel.office_hour(posted.time, 3), hub)


@scenario("TT-08", weight=3)
def goods_found_after_notice(parcel: Parcel) -> None:
    """The goods are found at the site that had said they were missing."""
    site, hub = parcel.destination.code, parcel.hubs[-1].code
    arrived = parcel.scan(f"arrived:{site}")
    posted = notice(parcel, "goods_missing", site, hub, parcel.minutes_after(arrived, 5, 15))
    parcel.tell(
        "goods.found",
        site,
        parcel.minutes_after(posted, 5, 10),
        site=site,
        notice_id=posted.data["notice_id"],
    )
    report(parcel, "false_notice", hub, parcel.office_hour(posted.time, 2), site)


@scenario("TT-05", age_days=(12, 42), weight=3)
def urged_in_vain(parcel: Parcel) -> None:
    """A site that does not answer when urged; headquarters rules on it."""
    hub, origin = parcel.hubs[-1].code, parcel.origin.code
    asked = notice(parcel, "urge", origin, hub, parcel.office_hour(parcel.signed.time, 1), text="请回复查询")
    at = parcel.office_hour(asked.time, 4)
    ruling(parcel, "add", "TT-05", hub, at, amount_fen=5_000, to=origin, reason="催办后仍不配合处理")
