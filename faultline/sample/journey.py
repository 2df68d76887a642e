"""The ordinary way of a parcel: collected in the afternoon, sorted at night, delivered in the morning. Nobody at fault."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import pairwise
from random import Random

from faultline.sample.network import Network, Site, road_km, scope
from faultline.sample.parcel import ZONE, Parcel

_TRUCK_KMH = 72
_VAN_KMH = 48
_VAN_REACH_KM = 80
_GOODS = ("服装", "书籍", "手机配件", "茶叶", "化妆品", "文件", "食品", "玩具", "家居用品", "电子产品")
_SURNAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡林"
_GIVEN = ("伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "洋", "艳", "勇", "军", "杰", "娟", "涛", "超")


def set_out(
    network: Network, waybill: str, origin: Site, destination: Site, day: date, random: Random, now: datetime
) -> Parcel:
    """A parcel collected at `origin` on the local day `day`, with every scan to its signature."""
    parcel = Parcel(
        network, waybill, origin, network.hubs_between(origin, destination), destination, random, now
    )
    at = _collect(parcel, day)
    evening = _clock(day, 19 * 60, 21 * 60 + 15, random)
    at = _send(parcel, origin, parcel.hubs[0], evening, _speed_kmh(origin, parcel.hubs[0]))
    for hub, following in pairwise(parcel.hubs):
        left = at + timedelta(minutes=random.randint(90, 240))
        at = _send(parcel, hub, following, left, _TRUCK_KMH)
    left = _for_the_morning(at + timedelta(minutes=60), parcel.hubs[-1], destination, random)
    at = _send(parcel, parcel.hubs[-1], destination, left, _speed_kmh(parcel.hubs[-1], destination))
    _deliver(parcel, at)
    return parcel


def person(random: Random) -> str:
    """An invented name."""
    return random.choice(_SURNAMES) + random.choice(_GIVEN)


def _collect(parcel: Parcel, day: date) -> datetime:
    random, network = parcel.random, parcel.network
    afternoon = random.random() < 0.85
    at = _clock(day, *((13 * 60, 18 * 60 + 40) if afternoon else (9 * 60, 12 * 60 + 30)), random)
    declared_fen = random.choice((None, None, None, 20_000, 50_000, 120_000))
    insured = declared_fen is not None and random.random() < 0.5
    parcel.tell(
        "scan.collected",
        parcel.origin.code,
        at,
        tag="collected",
        site=parcel.origin.code,
        scope=scope(parcel.origin, parcel.destination),
        destination_site=parcel.destination.code,
        destination_mark=parcel.destination.code,
        product=random.choice(("standard", "standard", "standard", "economy", "next_day")),
        freight_fen=random.choice((800, 1000, 1200, 1500, 1800, 2200)),
        declared_value_fen=declared_fen,
        insured=insured,
        premium_fen=declared_fen * 4 // 100 if insured and declared_fen else None,
        fragile=random.random() < 0.04,
        goods=random.choice(_GOODS),
        packaging=random.choice(("own", "own", "customer")),
        inspected=True if network.code == "zto" else None,
        order_placed_at=at - timedelta(minutes=random.randint(15, 110)) if random.random() < 0.3 else None,
        operator=person(random) if random.random() < 0.5 else None,
    )
    return at


def _send(parcel: Parcel, sender: Site, receiver: Site, left: datetime, speed_kmh: int) -> datetime:
    """A departure and the arrival that follows it; returns the arrival."""
    random = parcel.random
    between_hubs = sender.kind == receiver.kind == "hub"
    bag = f"BAG-{random.randint(100_000, 999_999)}" if between_hubs or random.random() < 0.3 else None
    vehicle = f"V{random.randint(1000, 9999)}"
    parcel.tell(
        "scan.departed",
        sender.code,
        left,
        tag=f"departed:{sender.code}",
        site=sender.code,
        next_site=receiver.code,
        bag=bag,
        vehicle=vehicle,
    )
    hours = road_km(sender, receiver) / speed_kmh + random.uniform(0.3, 1.2)
    arrived = left + timedelta(seconds=int(hours * 3600))
    parcel.tell(
        "scan.arrived",
        receiver.code,
        arrived,
        tag=f"arrived:{receiver.code}",
        site=receiver.code,
        previous_site=sender.code,
        via="bag" if between_hubs and random.random() < 0.5 else "piece",
        bag=bag,
        vehicle=vehicle,
    )
    return arrived


def _deliver(parcel: Parcel, arrived: datetime) -> None:
    random, site = parcel.random, parcel.destination.code
    out = max(
        arrived + timedelta(minutes=random.randint(20, 60)),
        _clock(arrived.date(), 8 * 60, 9 * 60 + 45, random),
    )
    courier = person(random)
    parcel.tell("scan.out_for_delivery", site, out, tag="out", site=site, courier=courier)
    signed = out + timedelta(minutes=random.randint(25, 210))
    signer = random.choices(("addressee", "proxy", "locker", "station"), (60, 12, 14, 14))[0]
    proxy = signer == "proxy"
    parcel.tell(
        "signature.recorded",
        site,
        signed + timedelta(minutes=random.randint(1, 12)),
        tag="signed",
        site=site,
        signed_at=signed,
        signer=signer,
        signer_name=person(random) if signer in ("addressee", "proxy") else None,
        proxy_identity=random.choice(("concierge", "front_desk", "family", "colleague")) if proxy else None,
        consent=True if proxy else None,
        operator=courier,
    )


def _clock(day: date, least_minute: int, most_minute: int, random: Random) -> datetime:
    """A moment of the local day, between two minutes of it."""
    midnight = datetime.combine(day, time(0), ZONE)
    return midnight + timedelta(seconds=random.randint(least_minute * 60, most_minute * 60))


def _for_the_morning(earliest: datetime, hub: Site, outlet: Site, random: Random) -> datetime:
    """When the hub sends on, so that the outlet has the parcel by the beginning of its first tour."""
    on_the_road = timedelta(hours=road_km(hub, outlet) / _speed_kmh(hub, outlet) + 1)
    arrival = _clock(earliest.date(), 5 * 60 + 30, 7 * 60 + 30, random)
    while arrival - on_the_road < earliest:
        arrival += timedelta(days=1)
    return (arrival - on_the_road).replace(microsecond=0)


def _speed_kmh(one: Site, other: Site) -> int:
    """Vans near by, lorries beyond."""
    return _VAN_KMH if road_km(one, other) < _VAN_REACH_KM else _TRUCK_KMH
