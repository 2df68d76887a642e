"""Appeals of sites, and officers' rulings."""

from __future__ import annotations

from typing import Any

from faultline.sample.faults.common import report, ruling, value_proof
from faultline.sample.journey import person
from faultline.sample.parcel import ARBITRATION_DESK, Draft, Parcel
from faultline.sample.scenario import scenario

_PLEAS = (
    "当日扫描枪故障，维修单已上传，请予撤销",
    "该件随大包到件，包扫描记录可查，并非漏扫",
    "监控显示该件未进本中心，由上一站直发下一站",
    "停电两小时，已按预案手工登记，登记表附后",
)
"""What outlets write when a scan of theirs is missing."""


@scenario(age_days=(12, 42), weight=3)
def appeal_upheld(parcel: Parcel) -> None:
    """The hub shows that its scanner was being repaired: the missing scan is forgiven."""
    filed = _appeal(parcel, *_missing_arrival(parcel))
    _decide(parcel, filed, "upheld", "扫描设备维修期间有书面记录")


@scenario("TT-01", age_days=(12, 42), weight=3)
def appeal_dismissed(parcel: Parcel) -> None:
    """The appeal brings nothing new."""
    filed = _appeal(parcel, *_missing_arrival(parcel))
    _decide(parcel, filed, "dismissed", "申诉未提供新证据")


@scenario("TT-04", age_days=(14, 42), weight=3)
def appeal_changed(parcel: Parcel) -> None:
    """The officer takes a part of the delay off."""
    hub = parcel.hubs[0].code
    filed = _appeal(parcel, *_held_at(parcel, hub))
    _decide(parcel, filed, "changed", "首日延误因道路封闭予以扣除", amount_fen=5_000)


@scenario("TT-01", age_days=(5, 9), weight=8)
def appeal_waits(parcel: Parcel) -> None:
    """An appeal of the last days that no officer has looked at yet."""
    _appeal(parcel, *_missing_arrival(parcel), text=parcel.random.choice(_PLEAS))


@scenario("TT-04", age_days=(7, 9), weight=4)
def appeal_pending(parcel: Parcel) -> None:
    """An appeal that waits for its decision: the money is frozen."""
    hub = parcel.hubs[0].code
    parcel.hold_back(f"departed:{hub}", 2)
    arrived = parcel.scan(f"arrived:{parcel.destination.code}")
    filed = report(parcel, "delay", parcel.destination.code, parcel.minutes_after(arrived, 5, 40), hub)
    _appeal(parcel, filed, hub, f"TT-04/{hub}")


@scenario("TT-08", age_days=(10, 42), weight=2)
def ruling_adds(parcel: Parcel) -> None:
    """An officer finds a false notice that nobody reported."""
    hub = parcel.hubs[-1].code
    at = parcel.office_hour(parcel.signed.time, 3)
    ruling(parcel, "add", "TT-08", hub, at, amount_fen=500, reason="抽查发现随意通知有单无货")


@scenario("TT-07", age_days=(16, 42), weight=2)
def ruling_changes(parcel: Parcel) -> None:
    """An officer halves a compensation."""
    hub = parcel.hubs[-1].code
    left = parcel.end_after(f"departed:{hub}")
    filed = report(parcel, "loss", parcel.origin.code, parcel.office_hour(left.time, 4), hub)
    proof = value_proof(parcel, filed)
    ruling(
        parcel,
        "change",
        "TT-07",
        hub,
        parcel.office_hour(proof.time, 3),
        finding_id=f"TT-07/{hub}",
        amount_fen=proof.data["amount_fen"] // 4,
        reason="发件方包装不当，双方分担",
    )


@scenario(age_days=(12, 42), weight=2)
def ruling_removes(parcel: Parcel) -> None:
    """An officer removes a delay that a blocked road caused."""
    hub = parcel.hubs[0].code
    filed, _, finding_id = _held_at(parcel, hub)
    at = parcel.office_hour(filed.time, 4)
    ruling(parcel, "remove", "TT-04", hub, at, finding_id=finding_id, reason="道路封闭，有交警证明")


def _missing_arrival(parcel: Parcel) -> tuple[Draft, str, str]:
    hub = parcel.hubs[0].code
    parcel.drop(f"arrived:{hub}")
    return parcel.scan(f"departed:{hub}"), hub, f"TT-01/{hub}"


def _held_at(parcel: Parcel, hub: str) -> tuple[Draft, str, str]:
    parcel.hold_back(f"departed:{hub}", 3)
    at = parcel.minutes_after(parcel.scan(f"arrived:{parcel.destination.code}"), 60, 300)
    return report(parcel, "delay", parcel.destination.code, at, hub), hub, f"TT-04/{hub}"


def _appeal(parcel: Parcel, trigger: Draft, site: str, finding_id: str, *, text: str = "请求复核") -> Draft:
    return parcel.tell(
        "appeal.filed",
        site,
        parcel.office_hour(trigger.time, 1),
        appeal_id=parcel.reference("A"),
        site=site,
        finding_id=finding_id,
        text=text,
    )


def _decide(parcel: Parcel, filed: Draft, outcome: str, reason: str, **data: Any) -> None:
    parcel.tell(
        "appeal.decided",
        ARBITRATION_DESK,
        parcel.office_hour(filed.time, 3),
        appeal_id=filed.data["appeal_id"],
        outcome=outcome,
        officer=person(parcel.random),
        reason=reason,
        **data,
    )
