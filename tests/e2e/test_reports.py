"""Weekly bulletins, monthly reports and lists of silent parcels on the whole line, with a clock that moves on by weeks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.notify.domain.timetable import Timetable
from services.notify.settings import NotifySettings
from tests.support.line import Line, event, findings, parcel, wait
from tests.support.stack import running_stack

pytestmark = pytest.mark.stack

NETWORK = "tiantian"
SITES = ("GZ01", "HGZ1", "HBJ1", "BJ02")
ZONE = ZoneInfo("Asia/Shanghai")
STATISTICS = "HQ-STATISTICS"
Notice = dict[str, Any]


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with running_stack() as stack:
        line = Line(stack)
        for site in (*SITES, STATISTICS):
            record = {"name": f"网点{site}", "kind": "hub" if site[0] == "H" else "outlet", "language": "zh"}
            line.put("intake", f"/v1/sites/{NETWORK}/{site}", record)
        yield line


def timetable() -> Timetable:
    given = NotifySettings()
    return Timetable(
        ZONE,
        given.bulletin_weekday,
        given.bulletin_time,
        given.monthly_report_working_day,
        given.monthly_report_time,
        given.silent_time,
    )


def move_to(line: Line, moment: datetime) -> None:
    line.stack.advance_clock(moment - line.stack.now())


def told(line: Line, occasion: str, at_least: int = 1) -> list[Notice]:
    """The notices of an occasion, oldest first, once there are so many and no report waits any more."""

    def done() -> list[Notice] | None:
        found = notices(line, occasion)
        waiting = line.get("notify", "/v1/jobs", network=NETWORK)["items"]
        return found if len(found) >= at_least and not waiting else None

    return wait(done, lambda: (notices(line, occasion), line.get("notify", "/v1/jobs")["items"]))


def notices(line: Line, occasion: str) -> list[Notice]:
    items = line.get("notify", "/v1/notices", network=NETWORK, limit=500)["items"]
    return [one for one in reversed(items) if one["occasion"] == occasion]


def test_reports_come_at_their_moments_each_once(line: Line) -> None:
    scheduled = timetable()
    # Thursday evening: the week's parcels are there, one of them silent for 15 hours.
    start = scheduled.next_after("weekly_bulletin", line.stack.now()) + timedelta(days=3, hours=10)
    move_to(line, start)
    delivered, unscanned, still = (f"{NETWORK}/A5600000010{number}" for number in range(3))
    tuesday = start - timedelta(hours=57)
    line.publish(parcel(delivered, tuesday))
    line.publish(parcel(unscanned, tuesday, unscanned="HBJ1"))
    line.publish(parcel(still, tuesday, signed=False)[:5])
    complaint = {"complaint_id": "C1", "channel": "phone", "category": "attitude", "claimant": "sender"}
    line.publish(
        [
            event(
                delivered,
                "/desks/cs",
                "complaint.opened",
                start,
                "c1",
                against_site="BJ02",
                text="private",
                **complaint,
            )
        ]
    )
    line.decided(delivered)
    line.decided(unscanned, lambda case: "TT-01/HBJ1" in findings(case))
    # What comes in late is looked at a little later.
    move_to(line, start + timedelta(hours=2))
    silences = {"network": NETWORK, "hours": 12}
    wait(lambda: line.get("arbitration", "/v1/silences", **silences)["items"] or None, lambda: still)

    # Silent parcels, the morning after, to the site that holds them.
    silent_at = scheduled.next_after("silent_parcels", start)
    move_to(line, silent_at - timedelta(seconds=10))
    assert notices(line, "silent_parcels") == [], "told before its moment"
    move_to(line, silent_at)
    [silent] = told(line, "silent_parcels")
    assert (silent["site"], "- A56000000102：已 29 小时" in silent["body"]) == ("HBJ1", True)

    # The bulletin of the week, on Monday at eight.
    monday = scheduled.next_after("weekly_bulletin", start)
    move_to(line, monday - timedelta(seconds=10))
    assert notices(line, "weekly_bulletin") == [], "told before its moment"
    move_to(line, monday)
    bulletins = {one["site"]: one["body"] for one in told(line, "weekly_bulletin", len(SITES))}
    assert set(bulletins) == set(SITES)
    assert "处理票数：3 票（0 票）" in bulletins["HBJ1"]
    assert "责任认定：1 项，10.00 元（0 项，0.00 元）" in bulletins["HBJ1"]
    assert "- TT-01：1 项，10.00 元" in bulletins["HBJ1"]
    assert "投诉：1 件，百万件投诉率 500000.00（—），全网 4 个网点中由低到高第 4 名" in bulletins["BJ02"]

    # Weeks later: of bulletins and lists only the newest, of the months every one.
    later = scheduled.next_after("monthly_report", monday)
    later = scheduled.next_after("monthly_report", later) + timedelta(hours=1)
    due = scheduled.rounds("monthly_report", scheduled.next_after("monthly_report", start), later)
    move_to(line, later)
    reports = {
        one["title"][: one["title"].index("月") + 1]: one for one in told(line, "monthly_report", len(due))
    }
    assert {f"{one.period[:4]}年{int(one.period[5:])}月" for one in due} <= set(reports)
    assert len(reports) == len(notices(line, "monthly_report")), "a month is told once"
    of_the_week = reports[f"{start.astimezone(ZONE):%Y}年{start.astimezone(ZONE).month}月"]
    assert of_the_week["site"] == STATISTICS
    assert "当月受理投诉 1 件" in of_the_week["body"]
    assert "- 服务态度：1 件" in of_the_week["body"]
    assert "- BJ02：处理 2 票，投诉 1 件，百万件投诉率 500000.00" in of_the_week["body"]
    assert "private" not in of_the_week["body"]
    assert sorted(one["site"] for one in notices(line, "weekly_bulletin")) == sorted(SITES)
