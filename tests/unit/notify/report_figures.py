"""Figures as arbitration and penalties give them, and what the reports make of them, for the tests."""

from __future__ import annotations

from services.notify.domain import reports
from services.notify.domain.reports import (
    ComplaintFigures,
    Hours,
    Kept,
    Score,
    SilentParcel,
    SiteMonth,
    site_weeks,
)

MONTH = SiteMonth(
    site="BJ02",
    opening_fen=-1_000,
    opening_frozen_fen=0,
    debits_fen=25_000,
    credits_fen=3_000,
    closing_fen=21_000,
    closing_frozen_fen=5_000,
    entries=12,
)
RULES = [
    Score(rule="TT-01", findings=1, amount_fen=1_000),
    Score(rule="TT-04", findings=3, amount_fen=15_000),
    Score(rule="TT-02", findings=2, amount_fen=10_000),
    Score(rule="SD-02"),
]


def score(
    site: str, parcels: int, late: int = 0, complaints: int = 0, findings: int = 0, amount_fen: int = 0
) -> Score:
    """A site's row as arbitration shows it."""
    return Score(
        site=site,
        parcels=parcels,
        findings=findings,
        amount_fen=amount_fen,
        late_parcels=late,
        late_rate=round(late / parcels, 6) if parcels else None,
        complaints=complaints,
        complaints_per_million=round(complaints * 1_000_000 / parcels, 2) if parcels else None,
    )


THIS_WEEK = [
    score("BJ02", 400, 8, 2, 5, 26_000),
    score("GZ01", 100),
    score("SH03", 200, 4, 4),
    score("XA04", 0, findings=1),
]
WEEK_BEFORE = [score("BJ02", 500, 5, 1, 2, 10_000), score("NJ05", 10)]
COMPLAINTS = ComplaintFigures(
    complaints=6,
    by_category={"delay": 5, "loss": 1},
    by_class={"operations": 4, "service_quality": 1, "unclassified": 1},
    by_channel={"phone": 6},
    major=1,
    escalated=2,
    reopened=3,
    forwarded=Kept(6, 0, 0),
    contacted=Kept(4, 1, 1),
    settled=Kept(3, 2, 1),
    followed_up=Kept(2, 1, 3),
    hours_to_settlement=Hours(5, 12.5, 40.0),
)
SILENT = [
    SilentParcel(waybill="560000000001", towards="GZ01", silent_hours=31),
    SilentParcel(waybill="560000000002", towards=None, silent_hours=25),
]

VALUES = {
    "statement_ready": reports.statement_ready("2026-10", MONTH, attached=True),
    "month_closed": reports.month_closed("2026-10", 25_000, 25_000, [MONTH]),
    "weekly_bulletin": reports.bulletin(
        "2026-W47", site_weeks(THIS_WEEK, WEEK_BEFORE, ["BJ02"])["BJ02"], RULES, 2
    ),
    "monthly_report": reports.monthly_report(
        "2026-10", COMPLAINTS, THIS_WEEK, RULES, sites_max=2, rules_max=2
    ),
    "silent_parcels": reports.silent_parcels("2026-11-23", 24, SILENT, more=True),
}
"""What the template of each occasion is given."""
