"""Asking for replays over HTTP, and parcels worth replaying."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from services.arbitration.store import reviews
from tests.support.arbitration import START, Arbitration, Json
from tests.support.bus import until
from tests.support.line import event, parcel

DOUBLED = {"TT-04": {"fine_per_day_fen": 10_000}}


def late(subject: str, days: int) -> list[Json]:
    """A parcel that HBJ1 sent on so many days too late, and GZ01's report of the delay."""
    events = parcel(subject, START)
    for one in events[5:]:
        moment = datetime.fromisoformat(one["time"]) + timedelta(days=days + 1)
        one["time"] = one["recordedtime"] = moment.isoformat()
    reported = START + timedelta(days=10)
    report = event(
        subject, "/sites/GZ01", "report.filed", reported, "r", site="GZ01", report_id="R", kind="delay"
    )
    return [*events, report]


def body(**changed: Any) -> Json:
    """All that was decided until now."""
    now = datetime.now(UTC)
    asked = {
        "network": "tiantian",
        "from": (now - timedelta(days=1)).isoformat(),
        "to": (now + timedelta(days=1)).isoformat(),
        "rulebook": DOUBLED,
    }
    return asked | changed


async def asked(hub: Arbitration, **changed: Any) -> str:
    """Ask for a replay; its id."""
    answer = await hub.http.post("/v1/replays", json=body(**changed))
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/replays/{answer.json()['id']}"
    return str(answer.json()["id"])


async def finished(hub: Arbitration, replay_id: str) -> Json:
    """The replay once it is done."""
    found: list[Json] = []

    async def done() -> bool:
        shown = await hub.get(f"/v1/replays/{replay_id}")
        assert shown["state"] in ("waiting", "running", "done"), shown
        found.append(shown)
        return bool(shown["state"] == "done")

    await until(done, f"replay {replay_id} is done")
    return found[-1]


async def forget_others(hub: Arbitration, subjects: list[str]) -> None:
    """Leave no case but these: the topics, and so their waybills, are common to all tests of a session."""
    # A look may be put off for a waybill whose sender's clock is ahead: nothing waits for that.
    waiting = "SELECT 1 FROM reviews WHERE priority <> :timed AND due_at <= :now LIMIT 1"

    async def settled() -> bool:
        lag = (await hub.get("/readyz"))["checks"]["consumer"]["values"]["lag"]
        return lag == 0 and not await hub.rows(waiting, timed=reviews.TIMED, now=hub.clock.now())

    await until(settled, "everything is decided")
    for table in ("reviews", "findings", "superseded", "cases"):
        await hub.execute(f"DELETE FROM {table} WHERE subject <> ALL(:subjects)", subjects=subjects)
