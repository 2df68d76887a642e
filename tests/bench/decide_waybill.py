"""What `distinct` and `decide` cost for a clean waybill of nine events, decoding left out: run as a script."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from statistics import median

from services.arbitration.domain import Facts, decide, distinct, load_rulebooks
from shared.events import Event, decode_members

ROUNDS = 5
WAYBILLS = 5_000
_START = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


def clean_waybill(number: int) -> list[Event]:
    """Nine events of a parcel that nobody is at fault for."""
    subject = f"tiantian/{560000000000 + number}"
    collected: dict[str, object] = {
        "scope": "inter_province",
        "destination_site": "BJ02",
        "destination_mark": "BJ02",
    }
    steps: list[tuple[float, str, str, dict[str, object]]] = [
        (0, "GZ01", "scan.collected", collected),
        (9, "GZ01", "scan.departed", {"next_site": "HGZ1"}),
        (11.5, "HGZ1", "scan.arrived", {"previous_site": "GZ01"}),
        (13.5, "HGZ1", "scan.departed", {"next_site": "HBJ1"}),
        (42, "HBJ1", "scan.arrived", {"previous_site": "HGZ1"}),
        (43.5, "HBJ1", "scan.departed", {"next_site": "BJ02"}),
        (45.5, "BJ02", "scan.arrived", {"previous_site": "HBJ1"}),
        (46.5, "BJ02", "scan.out_for_delivery", {}),
        (53, "BJ02", "signature.recorded", {"signer": "addressee"}),
    ]
    events = []
    for place, (hours, site, kind, data) in enumerate(steps):
        moment = (_START + timedelta(hours=hours, seconds=number % 1800)).isoformat()
        members = {"id": f"{number}-{place}", "source": f"/sites/{site}", "type": kind, "subject": subject}
        events.append(
            decode_members(
                {**members, "time": moment, "recordedtime": moment, "data": {"site": site, **data}}
            )
        )
    return events


def measure() -> float:
    """Microseconds of CPU per waybill, the median of some rounds."""
    books, facts, now = load_rulebooks(), Facts(), _START + timedelta(days=4)
    waybills = [clean_waybill(number) for number in range(WAYBILLS)]
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for events in waybills:
            known, _conflicts = distinct(events)
            decision = decide(known, facts, books, now, "tiantian")
            assert not decision.findings
        rounds.append((time.process_time() - start) / WAYBILLS * 1e6)
    return median(rounds)


if __name__ == "__main__":
    print(f"{measure():.1f} µs of CPU per clean waybill of 9 events")
