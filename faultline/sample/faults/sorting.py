"""Parcels that went the wrong way."""

from __future__ import annotations

from datetime import timedelta

from faultline.sample.faults.common import report
from faultline.sample.network import Site
from faultline.sample.parcel import Parcel
from faultline.sample.scenario import scenario


@scenario("TT-21", age_days=(9, 42), weight=3)
def sent_to_the_wrong_hub(parcel: Parcel) -> None:
    """A hub sorts the parcel wrongly; the hub where it came says so."""
    wrong = _detour(parcel)
    bag = parcel.scan(f"departed:{parcel.hubs[0].code}").data["bag"]
    at = parcel.office_hour(parcel.scan("detour").time, 1)
    report(parcel, "mistransit", wrong.code, at, parcel.hubs[0].code, bag=bag)


@scenario("TT-21", age_days=(9, 42), weight=3)
def mark_written_wrongly(parcel: Parcel) -> None:
    """Origin wrote another destination mark than the label's: origin answers."""
    wrong = _detour(parcel)
    outlets = [site.code for site in parcel.network.outlets if site is not parcel.destination]
    parcel.collected.data["destination_mark"] = parcel.random.choice(outlets)
    bag = parcel.scan(f"departed:{parcel.hubs[0].code}").data["bag"]
    at = parcel.office_hour(parcel.scan("detour").time, 1)
    report(parcel, "mistransit", wrong.code, at, parcel.origin.code, bag=bag)


@scenario("TT-21", age_days=(9, 42), weight=2)
def mistransit_without_bag(parcel: Parcel) -> None:
    """The departure was bagged and the report names no bag: not accepted."""
    wrong = _detour(parcel)
    at = parcel.office_hour(parcel.scan("detour").time, 1)
    report(parcel, "mistransit", wrong.code, at, parcel.hubs[0].code)


@scenario("TT-27", age_days=(9, 42), weight=2)
def mistransit_with_old_label(parcel: Parcel) -> None:
    """An old label and no copy of it in evidence: not accepted."""
    parcel.collected.data["label_version"] = "old"
    wrong = _detour(parcel)
    bag = parcel.scan(f"departed:{parcel.hubs[0].code}").data["bag"]
    at = parcel.office_hour(parcel.scan("detour").time, 1)
    report(parcel, "mistransit", wrong.code, at, parcel.hubs[0].code, bag=bag)


def _detour(parcel: Parcel) -> Site:
    """The first hub sends the parcel to a hub that is not on its way; a day later it is on its way again."""
    hub = parcel.hubs[0].code
    departed = parcel.scan(f"departed:{hub}")
    wrong = parcel.random.choice([site for site in parcel.network.hubs if site not in parcel.hubs])
    right = departed.data["next_site"]
    bag = f"BAG-{parcel.random.randint(100_000, 999_999)}"
    departed.data.update(next_site=wrong.code, bag=bag)
    later = [draft for draft in parcel.drafts if draft.time > departed.time]
    for draft in later:
        draft.time += timedelta(days=2)
        if "signed_at" in draft.data:
            draft.data["signed_at"] += timedelta(days=2)
    arrived = parcel.tell(
        "scan.arrived",
        wrong.code,
        parcel.minutes_after(departed, 15 * 60, 22 * 60),
        tag="detour",
        site=wrong.code,
        previous_site=hub,
        via="bag",
        bag=bag,
    )
    problem = parcel.tell(
        "scan.problem",
        wrong.code,
        parcel.minutes_after(arrived, 20, 60),
        site=wrong.code,
        reason="missorted",
    )
    parcel.tell(
        "scan.departed", wrong.code, parcel.minutes_after(problem, 60, 180), site=wrong.code, next_site=right
    )
    parcel.scan(f"arrived:{right}").data["previous_site"] = wrong.code
    return wrong
