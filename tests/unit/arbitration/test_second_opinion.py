"""Loss and delay worked out a second time, from the catalogue alone, on random ways of a parcel (rules.md §1.1, §1.2).

What is expected is reckoned here while the way is drawn, with dates, and with nothing of the program's.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.arbitration.build import Waybill, at

SITES = ("GZ01", "HGZ1", "HSH1", "HBJ1", "BJ02")
VALUE_FEN = 18_000
PER_DAY_FEN, CAP_FEN = 5_000, 500_000
LINE_HAUL_DAYS = {"same_city": 1, "intra_province": 1, "inter_province": 3, "international": 14}
_hours = st.sampled_from([1, 5, 11, 20, 40, 90])


def _day_after(moment: datetime, days: int) -> date:
    return moment.date() + timedelta(days=days)


class Notice(NamedTuple):
    """One notice that is drawn: what it says, to whom, and how long after the arrival."""

    kind: str
    after_s: int
    to: str
    channel: str
    filed: bool
    names: bool
    described: bool


_notices = st.builds(
    Notice,
    kind=st.sampled_from(["goods_missing", "waybill_missing", "goods_missing", "damage"]),
    after_s=st.sampled_from([10_800, 10_801, 3_600]),
    to=st.sampled_from(["origin", "previous", "origin", "previous", "somebody"]),
    channel=st.sampled_from(["system", "system", "system", "fax", "email"]),
    filed=st.booleans(),
    names=st.sampled_from([True, True, False]),
    described=st.sampled_from([True, True, False]),
)


def _excuses(notice: Notice, received: str) -> bool:
    """§0, TT-23, TT-25: whether the notice excuses a link that received in this way."""
    by_kind = (notice.kind == "goods_missing" and notice.names) or (
        notice.kind == "waybill_missing" and notice.described
    )
    heard = notice.to != "somebody" and (notice.channel == "system" or notice.filed)
    return received != "none" and by_kind and heard and notice.after_s <= 3 * 3_600


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_who_answers_for_a_loss(data: st.DataObject) -> None:
    waybill = Waybill()
    moment = at(1, "10:00")
    waybill.collected("GZ01", moment, destination_site="BJ02", destination_mark="BJ02")
    excused = [False]
    received = "collection"
    for place in range(1, data.draw(st.integers(1, len(SITES)))):
        moment += timedelta(hours=1)
        waybill.departed(SITES[place - 1], SITES[place], moment)
        moment += timedelta(hours=4)
        received = data.draw(st.sampled_from(["bag", "piece", "bag", "none"]))
        if received != "none":
            waybill.arrived(SITES[place], moment, via=received)
        posted = data.draw(st.lists(_notices, max_size=1))
        for number, notice in enumerate(posted):
            _post(waybill, place, number, notice, moment)
        excused.append(any(_excuses(notice, received) for notice in posted))
        moment += timedelta(hours=7)
    last = len(excused) - 1
    ends = ["gone", "there", "gone", "out"][: 1 if received == "none" else 2 if last == 0 else 4]
    end = data.draw(st.sampled_from(ends))
    moment += timedelta(hours=1)
    if end == "gone":
        waybill.departed(SITES[last], "TJ03", moment)
    elif end == "out":
        waybill.out(SITES[last], moment)
    waybill.reported("QD09", "loss", at(7))
    waybill.evidence("value_proof", at(7, "13:00"), amount_fen=VALUE_FEN)

    liable = last
    if end == "gone" or (end == "there" and received == "bag"):
        while liable and excused[liable]:
            liable -= 1
    found = [finding for finding in waybill.findings(at(8)).values() if finding.rule == "TT-07"]
    assert [(finding.site, finding.amount_fen) for finding in found] == [(SITES[liable], VALUE_FEN)]


def _post(waybill: Waybill, place: int, number: int, notice: Notice, arrived: datetime) -> None:
    to = {"origin": "GZ01", "previous": SITES[place - 1], "somebody": "XX01"}[notice.to]
    moment = arrived + timedelta(seconds=notice.after_s)
    described: dict[str, Any] = {"packaging": "carton", "shape": "box", "photo_published_at": moment}
    if notice.described:
        described["size"] = "30x20x10 cm"
    waybill.notice(
        SITES[place],
        to,
        notice.kind,
        moment,
        f"N{place}{number}",
        channel=notice.channel,
        filed_with_hq=notice.filed,
        names_waybill=notice.names,
        **described,
    )


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_how_late_each_link_was(data: st.DataObject) -> None:
    scope = data.draw(st.sampled_from(sorted(LINE_HAUL_DAYS)))
    hubs = data.draw(st.lists(st.sampled_from(SITES[1:4]), max_size=4))
    path = ["GZ01"]
    path += [hub for before, hub in zip(["GZ01", *hubs], hubs, strict=False) if hub != before]
    path.append("BJ02")
    waybill, moment, now = Waybill(), at(1, "10:00"), at(90)
    waybill.collected("GZ01", moment, scope=scope, destination_site="BJ02")
    days, unscanned = [0] * len(path), Counter[str]()
    started = moment
    for place, site in enumerate(path[:-1]):
        moment += timedelta(hours=data.draw(_hours))
        waybill.departed(site, path[place + 1], moment)
        days[place] += max(0, (moment.date() - _day_after(started, 1)).days)
        departed = moment
        moment += timedelta(hours=data.draw(_hours))
        if place + 1 == len(path) - 1 or data.draw(st.booleans()):
            waybill.arrived(path[place + 1], moment)
            days[place] += max(0, (moment.date() - _day_after(departed, LINE_HAUL_DAYS[scope])).days)
            started = moment
        else:
            unscanned[path[place + 1]] += 1
            started = departed
    due = _day_after(started, 0 if started.hour < 11 else 1)
    delivered = now.date()
    if data.draw(st.booleans()):
        moment += timedelta(hours=data.draw(_hours), seconds=data.draw(st.integers(0, 86_400)))
        waybill.signed("BJ02", moment)
        by_noon = moment.replace(hour=12, minute=0, second=0) >= moment
        delivered = max(due, _day_after(moment, -1 if by_noon else 0))
    days[-1] += max(0, (delivered - due).days)
    waybill.complained("delay", at(90, "11:00"))

    expected = Counter[str]()
    for site, late in zip(path, days, strict=True):
        expected[site] += min(CAP_FEN, PER_DAY_FEN * late)
    findings = waybill.findings(now).values()
    fined = {finding.site: finding.amount_fen for finding in findings if finding.rule == "TT-04"}
    assert fined == dict(+expected)
    missing = {finding.site: finding.amount_fen for finding in findings if finding.rule == "TT-01"}
    assert missing == {site: 1_000 * times for site, times in unscanned.items()}
