"""A waybill's events in a few words, for the tests of the decision core."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from services.arbitration.domain import Decision, Facts, decide, distinct, load_rulebooks
from services.arbitration.rules.case import Case
from services.arbitration.rules.localtime import seconds
from shared.events import Event, decode_members
from shared.events.outputs import Finding

BOOKS = load_rulebooks()
LOCAL = timezone(timedelta(hours=8))
DAY_1 = datetime(2026, 3, 2, tzinfo=LOCAL)
"""A Monday; day 1 of all tests that speak of day numbers."""


def at(day: int, clock: str = "12:00") -> datetime:
    """A local moment: the clock of a day, 1 being Monday 2 March 2026."""
    hours, minutes, *rest = (int(part) for part in clock.split(":"))
    return DAY_1 + timedelta(days=day - 1, hours=hours, minutes=minutes, seconds=rest[0] if rest else 0)


class Waybill:
    """Collects events; every call returns the id of the event it made."""

    def __init__(self, network: str = "tiantian", waybill: str = "560000000001") -> None:
        self.network = network
        self.subject = f"{network}/{waybill}"
        self.events: list[Event] = []

    def add(
        self,
        event_type: str,
        speaker: str,
        moment: datetime,
        /,
        *,
        recorded: datetime | None = None,
        event_id: str | None = None,
        **data: Any,
    ) -> str:
        """An event of any type; `speaker` is a site's code, or a source with its slashes."""
        event_id = event_id or f"e{len(self.events) + 1:02d}"
        self.events.append(
            decode_members(
                {
                    "id": event_id,
                    "source": speaker if speaker.startswith("/") else f"/sites/{speaker}",
                    "type": event_type,
                    "subject": self.subject,
                    "time": moment.isoformat(),
                    "recordedtime": (recorded or moment).isoformat(),
                    "data": {
                        name: v.isoformat() if isinstance(v, datetime) else v for name, v in data.items()
                    },
                }
            )
        )
        return event_id

    def collected(self, site: str, moment: datetime, **data: Any) -> str:
        return self.add("scan.collected", site, moment, site=site, **({"scope": "inter_province"} | data))

    def departed(self, site: str, to: str, moment: datetime, **data: Any) -> str:
        return self.add("scan.departed", site, moment, site=site, next_site=to, **data)

    def arrived(self, site: str, moment: datetime, **data: Any) -> str:
        return self.add("scan.arrived", site, moment, site=site, **data)

    def out(self, site: str, moment: datetime, **data: Any) -> str:
        return self.add("scan.out_for_delivery", site, moment, site=site, **data)

    def problem(self, site: str, moment: datetime, reason: str = "unreachable") -> str:
        return self.add("scan.problem", site, moment, site=site, reason=reason)

    def returned(self, site: str, to: str, moment: datetime) -> str:
        return self.add("scan.returned", site, moment, site=site, next_site=to)

    def signed(self, site: str, moment: datetime, **data: Any) -> str:
        return self.add("signature.recorded", site, moment, site=site, **({"signer": "addressee"} | data))

    def voided(self, site: str, signature_id: str, moment: datetime) -> str:
        return self.add(
            "signature.voided", site, moment, site=site, signature_id=signature_id, reason="by mistake"
        )

    def reported(self, site: str, kind: str, moment: datetime, report_id: str = "R1", **data: Any) -> str:
        return self.add("report.filed", site, moment, site=site, kind=kind, report_id=report_id, **data)

    def notice(
        self, site: str, to: str, kind: str, moment: datetime, notice_id: str = "N1", **data: Any
    ) -> str:
        return self.add(
            "notice.posted", site, moment, site=site, to_site=to, kind=kind, notice_id=notice_id, **data
        )

    def evidence(self, kind: str, moment: datetime, evidence_id: str = "E1", **data: Any) -> str:
        return self.add(
            "evidence.submitted",
            "/desks/arb1",
            moment,
            kind=kind,
            evidence_id=evidence_id,
            **({"audited": True} | data),
        )

    def complained(self, category: str, moment: datetime, complaint_id: str = "C1", **data: Any) -> str:
        given = {"channel": "phone", "claimant": "sender"} | data
        return self.add(
            "complaint.opened", "/desks/cs", moment, category=category, complaint_id=complaint_id, **given
        )

    def ruled(self, action: str, moment: datetime, **data: Any) -> str:
        given = {"ruling_id": "RUL1", "officer": "Officer Hu", "reason": "as heard"} | data
        return self.add("ruling.made", "/desks/arb1", moment, action=action, **given)

    def way(
        self, *, until: str = "signed", hubs: Iterable[str] = ("HGZ1", "HBJ1"), **collected: Any
    ) -> Waybill:
        """A clean way GZ01 → HGZ1 → HBJ1 → BJ02, up to a stage: collected, departed, hubs, arrived, out, signed."""
        stages = ("collected", "departed", "hubs", "arrived", "out", "signed")
        last = stages.index(until)
        first, second = hubs
        agreed = {"destination_site": "BJ02", "destination_mark": "BJ02"} | collected
        self.collected("GZ01", at(1, "10:00"), **agreed)
        if last >= 1:
            self.departed("GZ01", first, at(1, "19:00"))
        if last >= 2:
            self.arrived(first, at(1, "21:30"))
            self.departed(first, second, at(1, "23:30"))
            self.arrived(second, at(3, "04:00"))
            self.departed(second, "BJ02", at(3, "05:30"))
        if last >= 3:
            self.arrived("BJ02", at(3, "07:30"))
        if last >= 4:
            self.out("BJ02", at(3, "08:30"))
        if last >= 5:
            self.signed("BJ02", at(3, "15:00"))
        return self

    def case(self, now: datetime, facts: Facts | None = None) -> Case:
        """What rules would look at."""
        known, _ = distinct(self.events)
        return Case(known, facts or Facts(), BOOKS.of(self.network), seconds(now))

    def decide(self, now: datetime, facts: Facts | None = None) -> Decision:
        """The verdict at `now`."""
        known, _ = distinct(self.events)
        return decide(known, facts or Facts(), BOOKS, now, self.network)

    def findings(self, now: datetime, facts: Facts | None = None) -> dict[str, Finding]:
        """What stands at `now`, by finding id."""
        return {finding.finding_id: finding for finding in self.decide(now, facts).findings}
