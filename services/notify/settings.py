"""Settings of notify; the common ones are in `shared.settings`."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from pydantic import Field

from services.notify.delivery.settings import DeliverySettings
from shared.events.duties import DutyKind
from shared.registry import SITE_PATTERN


def _desk(entry: str, who: str) -> str:
    """A setting that names a desk's entry of the site registry: its language, addresses, preferences and list."""
    entry_of: str = Field(entry, pattern=SITE_PATTERN, description=f"entry of the site registry for {who}")
    return entry_of


class NotifySettings(DeliverySettings):
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
    notice_slice: int = Field(
        100, ge=1, description="notices or lists of duties worked on before the event loop gets its turn"
    )
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
    remind_hours: dict[DutyKind, Annotated[float, Field(gt=0)]] = Field(
        {},
        description='hours before the end of a term that its reminder is said, by kind of duty, as {"contact": 2}; '
        "kinds not named keep the usual ones (docs/how-to/notices.md)",
    )
    appeal_reminder_hours: int = Field(
        24, ge=1, description="hours before the end of the time to appeal that the site is reminded"
    )
    escalate_within_hours: int = Field(
        72, ge=1, description="hours after which what began or ended is old news: neither told nor escalated"
    )
    reminder_bundle_minutes: int = Field(
        15, ge=1, description="warnings to one site whose moments lie this close are one notice"
    )
    reminder_bundle_rows: int = Field(5_000, ge=1, description="parcels one such notice speaks of at most")
    reminder_listed_max: int = Field(50, ge=1, description="parcels it lists; the rest is counted")
    reminder_poll_ms: int = Field(1_000, ge=10, description="how often due reminders are looked for")
    reminder_rows: int = Field(500, ge=1, description="reminders a transaction says at most")
    digest_minutes: int = Field(
        5, ge=0, description="minutes over which e-mails about findings are gathered; 0: each by itself"
    )

    peer_key: str | None = Field(
        None,
        description="key of scope `read` to ask arbitration and penalties with; the operator's where unset",
    )
    bulletin_weekday: int = Field(1, ge=1, le=7, description="day of the weekly bulletin; 1 is Monday")
    bulletin_time: time = Field(
        time(8), description="time of day of the weekly bulletin, in the networks' zone"
    )
    monthly_report_working_day: int = Field(
        1, ge=1, le=15, description="which working day of the month brings the report of the month before"
    )
    monthly_report_time: time = Field(time(8), description="time of day of the monthly report")
    silent_time: time = Field(time(8), description="time of day of the daily lists of silent parcels")
    silent_hours: int = Field(
        24,
        ge=1,
        description="hours without any event after which a parcel is silent; arbitration has a least number",
    )
    silent_listed_max: int = Field(50, ge=1, le=500, description="parcels that a list of silent ones shows")
    report_rules_max: int = Field(20, ge=1, description="rules that a report lists; the rest is counted")
    report_sites_max: int = Field(
        50, ge=1, description="sites that the monthly report lists; the rest is counted"
    )
    statement_lines_attached_max: int = Field(
        10_000,
        ge=0,
        description="lines of a statement that is attached to an e-mail; longer ones are only told of",
    )
    statement_bytes_max: int = Field(
        5 * 1024 * 1024, ge=1, description="bytes of a statement that is attached to an e-mail"
    )
    jobs_at_once: int = Field(4, ge=1, description="reports that a copy works on at the same time")
    job_poll_ms: int = Field(1_000, ge=10, description="how often it is looked for reports that fell due")
    job_lease_s: float = Field(
        120.0,
        gt=0,
        description="seconds after which a report is taken from a worker that has died; renewed while it works",
    )
    job_retry_s: float = Field(
        5.0, gt=0, description="seconds before a report that failed is tried again; doubles"
    )
    job_retry_max_s: float = Field(600.0, gt=0, description="longest wait between two attempts at a report")
