"""One parcel of the sample: its way, and the events told about it. Faults are written as changes to this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, timezone
from random import Random
from typing import Any

import msgspec

from faultline.sample.network import Network, Site

ZONE = timezone(timedelta(hours=8))
"""The networks' zone, as an offset: it has no summer time."""

COMPLAINT_DESK = "/desks/complaints"
ARBITRATION_DESK = "/desks/arbitration"
POST_BUREAU = "/regulators/post-bureau"


@dataclass
class Draft:
    """An event in the making. `tag` names the ordinary scans, as `arrived:HGZ1`."""

    id: str
    source: str
    type: str
    time: datetime
    data: dict[str, Any]
    tag: str = ""
    recorded_after: timedelta = timedelta(0)

    @property
    def recorded(self) -> datetime:
        """When the system first knew."""
        return self.time + self.recorded_after

    @property
    def site(self) -> str:
        """The site that the event is about."""
        return str(self.data["site"])


@dataclass
class Parcel:
    """A parcel and its drafts. `random` is its own: what happens to one parcel changes no other."""

    network: Network
    waybill: str
    origin: Site
    hubs: list[Site]
    destination: Site
    random: Random
    now: datetime
    drafts: list[Draft] = field(default_factory=list)
    _serial: int = 0

    @property
    def subject(self) -> str:
        """`{network}/{waybill}`."""
        return f"{self.network.code}/{self.waybill}"

    @property
    def route(self) -> list[Site]:
        """The sites on its way, first to last."""
        return [self.origin, *self.hubs, self.destination]

    # telling

    def tell(self, type_: str, source: str, at: datetime, *, tag: str = "", **data: Any) -> Draft:
        """Add an event. `source` is a site's code, or a whole source. Members of `data` that are None are left out."""
        self._serial += 1
        draft = Draft(
            id=f"{self.waybill[-8:]}-{self._serial:02d}",
            source=source if source.startswith("/") else f"/sites/{source}",
            type=type_,
            time=at,
            data={name: value for name, value in data.items() if value is not None},
            tag=tag,
            recorded_after=timedelta(seconds=self.random.randint(1, 75)),
        )
        self.drafts.append(draft)
        return draft

    def reference(self, letter: str) -> str:
        """A fresh id of a report, complaint and the like."""
        self._serial += 1
        return f"{letter}{self.waybill[-8:]}-{self._serial}"

    # finding

    def scan(self, tag: str) -> Draft:
        """The ordinary scan of that tag: `collected`, `departed:…`, `arrived:…`, `out`, `signed`."""
        return next(draft for draft in self.drafts if draft.tag == tag)

    def has(self, tag: str) -> bool:
        """Whether there is such a scan."""
        return any(draft.tag == tag for draft in self.drafts)

    @property
    def collected(self) -> Draft:
        return self.scan("collected")

    @property
    def signed(self) -> Draft:
        return self.scan("signed")

    @property
    def last(self) -> Draft:
        """The latest event."""
        return max(self.drafts, key=lambda draft: draft.time)

    # changing

    def drop(self, *tags: str) -> None:
        """These scans were never made."""
        self.drafts = [draft for draft in self.drafts if draft.tag not in tags]

    def end_after(self, tag: str) -> Draft:
        """Nothing happened after this scan. Returns it."""
        end = self.scan(tag)
        self.drafts = [draft for draft in self.drafts if draft.time <= end.time]
        return end

    def hold_back(self, tag: str, days: int) -> None:
        """This scan and all after it happened so many days later, at the same time of day."""
        start = self.scan(tag).time
        for draft in self.drafts:
            if draft.time >= start:
                draft.time += timedelta(days=days)
                for name, value in draft.data.items():
                    if isinstance(value, datetime):
                        draft.data[name] = value + timedelta(days=days)

    # moments

    def office_hour(self, after: datetime, days: int) -> datetime:
        """A moment between 9 and 17 o'clock, so many days after another."""
        day = after.astimezone(ZONE).date() + timedelta(days=days)
        at = datetime.combine(day, time(9), ZONE)
        return at + timedelta(seconds=self.random.randint(0, 8 * 3600))

    def minutes_after(self, draft: Draft, least: int, most: int) -> datetime:
        """A moment so many minutes after an event."""
        return draft.time + timedelta(seconds=self.random.randint(least * 60, most * 60))

    # out

    def known_events(self) -> Iterator[tuple[datetime, bytes]]:
        """What is known by `now`, in the order in which it was recorded: (recorded, the event's JSON)."""
        for draft in sorted(self.drafts, key=lambda draft: (draft.recorded, draft.id)):
            if draft.recorded <= self.now:
                yield draft.recorded, _json(draft, self.subject)


def _json(draft: Draft, subject: str) -> bytes:
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": draft.id,
            "source": draft.source,
            "type": draft.type,
            "subject": subject,
            "time": draft.time,
            "recordedtime": draft.recorded,
            "data": draft.data,
        }
    )
