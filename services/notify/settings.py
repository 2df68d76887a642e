"""Settings of notify; the common ones are in `shared.settings`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.registry import SITE_PATTERN
from shared.settings import ServiceSettings


def _desk(entry: str, who: str) -> str:
    """A setting that names a desk's entry of the site registry: its language, addresses, preferences and list."""
    entry_of: str = Field(entry, pattern=SITE_PATTERN, description=f"entry of the site registry for {who}")
    return entry_of


class NotifySettings(ServiceSettings):
    """What notify can be told. Names in the environment are these with the prefix FAULTLINE_."""

    appeal_days: int = Field(
        7, ge=0, description="days to appeal after the day of the notice; assumed (rules.md §7)"
    )
    time_zone: str = Field("Asia/Shanghai", description="the networks' zone; days end at its midnight")
    notice_language: Literal["zh", "en"] = Field(
        "zh", description="language of a site that is not registered"
    )
    notice_evidence_max: int = Field(
        20, ge=1, description="pieces of evidence a notice lists; the rest is counted"
    )
    notice_slice: int = Field(100, ge=1, description="notices rendered before the event loop gets its turn")
    consumer_group: str = Field(
        "notify",
        min_length=1,
        description="another one replays into a database of its own, beside those that run",
    )
    batch_records_max: int = Field(2_000, ge=1, description="records a transaction takes at most")
    outbox_poll_ms: int = Field(200, ge=10, description="longest wait before the outbox is looked at")
    stream_poll_ms: int = Field(200, ge=10, description="how often the streams look for news")
    stream_page_rows: int = Field(500, ge=1, description="notices the streams read at once")
    stream_queue_max: int = Field(
        1_000, ge=1, description="notices a slow stream may be behind before it is ended"
    )
    stream_subscribers_max: int = Field(
        1_000, ge=1, description="streams open at once; more are answered 503"
    )
    stream_keepalive_s: float = Field(15.0, gt=0, description="silence after which a stream sends a comment")

    desk_manager: str = _desk("HQ-MANAGER", "the responsible manager: escalations and major complaints")
    desk_operations: str = _desk("HQ-OPERATIONS", "operations: major complaints, and desks without an entry")
    desk_deputy: str = _desk("HQ-DEPUTY", "the deputy general manager: major and flagged complaints")
    desk_insurer: str = _desk("HQ-INSURER", "the insurer desk: insured parcels that were damaged or lost")
    desk_statistics: str = _desk("HQ-STATISTICS", "statistics: the monthly report")
