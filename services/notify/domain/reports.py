"""What stands in bulletins, monthly reports, statements and lists of silent parcels, from the figures of others. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from services.notify.domain.timetable import days_of


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A row of arbitration's scorecards: of a site, or of a rule, which has findings and money only.

    Rates are None where no parcel was handled.
    """

    site: str | None = None
    rule: str | None = None
    parcels: int = 0
    findings: int = 0
    amount_fen: int = 0
    late_parcels: int = 0
    late_rate: float | None = None
    complaints: int = 0
    complaints_per_million: float | None = None
    silent_parcels: int = 0


class SiteWeek(msgspec.Struct, frozen=True, kw_only=True):
    """A site's week beside the week before, and its places among the sites that handled parcels in it (1 is best)."""

    score: Score
    week_before: Score
    late_rank: int | None
    complaints_rank: int | None
    ranked_sites: int


class SiteMonth(msgspec.Struct, frozen=True, kw_only=True):
    """A site's month in the ledger, in fen: what it owed before and after (negative: is owed), and the turnover."""

    site: str
    opening_fen: int
    opening_frozen_fen: int
    debits_fen: int
    credits_fen: int
    closing_fen: int
    closing_frozen_fen: int
    entries: int


class Kept(msgspec.Struct, frozen=True):
    """How many complaints kept a term, broke it, or still have time."""

    in_time: int
    late: int
    waiting: int


class Hours(msgspec.Struct, frozen=True):
    """How long complaints took to their first settlement, in hours."""

    settled: int
    median: float | None
    percentile_90: float | None


class ComplaintFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Arbitration's figures of the complaints that were opened in a month (SD-06)."""

    complaints: int
    by_category: dict[str, int]
    by_class: dict[str, int]
    by_channel: dict[str, int]
    major: int
    escalated: int
    reopened: int
    forwarded: Kept
    contacted: Kept
    settled: Kept
    followed_up: Kept
    hours_to_settlement: Hours


class SilentParcel(msgspec.Struct, frozen=True, kw_only=True):
    """A parcel on its way of which nothing was heard, and the site it is on its way to, if it has left."""

    waybill: str
    towards: str | None
    silent_hours: int


def site_weeks(
    scores: Sequence[Score], before: Sequence[Score], sites: Collection[str]
) -> dict[str, SiteWeek]:
    """The weeks of those of `sites` that anything happened at in either week; all with parcels are ranked."""
    now_of, before_of = _by_site(scores), _by_site(before)
    late, complaints = ranks(scores, lambda s: s.late_rate), ranks(scores, lambda s: s.complaints_per_million)
    return {
        site: SiteWeek(
            score=now_of.get(site, Score()),
            week_before=before_of.get(site, Score()),
            late_rank=late.get(site),
            complaints_rank=complaints.get(site),
            ranked_sites=len(late),
        )
        for site in sorted(sites)
        if _anything(now_of.get(site)) or _anything(before_of.get(site))
    }


def ranks(scores: Sequence[Score], rate: Callable[[Score], float | None]) -> dict[str, int]:
    """Each site's place by a rate, the lowest first; equal ones share a place. Sites without a rate have none."""
    rated = [(value, one.site) for one in scores if one.site and (value := rate(one)) is not None]
    return {site: 1 + sum(value < own for value, _ in rated) for own, site in rated}


def bulletin(week: str, site_week: SiteWeek, rules: Sequence[Score], rules_max: int) -> dict[str, object]:
    """What a site's weekly bulletin says; `rules` are its findings by rule."""
    first, last = days_of(week)
    return {
        "first_day": first.isoformat(),
        "last_day": last.isoformat(),
        **_members(site_week),
        **_bounded("rules", _dearest(rules), rules_max),
    }


def monthly_report(
    month: str,
    complaints: ComplaintFigures,
    sites: Sequence[Score],
    rules: Sequence[Score],
    *,
    sites_max: int,
    rules_max: int,
) -> dict[str, object]:
    """What headquarters' monthly report says; the sites with the most complaints per million come first."""
    worst = sorted(
        (one for one in sites if one.site),
        key=lambda one: (
            -(one.complaints_per_million or 0),
            -one.complaints,
            -one.amount_fen,
            one.site or "",
        ),
    )
    return {
        "month": month,
        "complaints": _members(complaints),
        # A parcel counts at every site that handled it: no base for a rate of the whole network.
        "handled": sum(one.parcels for one in sites),
        "findings": sum(one.findings for one in rules),
        "amount_fen": sum(one.amount_fen for one in rules),
        **_bounded("rules", _dearest(rules), rules_max),
        **_bounded("sites", worst, sites_max),
    }


def month_closed(
    period: str, debits_fen: int, credits_fen: int, sites: Sequence[SiteMonth]
) -> dict[str, object]:
    """What headquarters is told of a closed month: the books' turnover, and what sites owe and are owed after it."""
    return {
        "period": period,
        "debits_fen": debits_fen,
        "credits_fen": credits_fen,
        "sites": len(sites),
        "owing_fen": sum(one.closing_fen for one in sites if one.closing_fen > 0),
        "owed_fen": -sum(one.closing_fen for one in sites if one.closing_fen < 0),
        "frozen_fen": sum(one.closing_frozen_fen for one in sites),
    }


def statement_ready(period: str, month: SiteMonth, *, attached: bool) -> dict[str, object]:
    """What a site is told of its statement. `attached`: whether it goes with the e-mail as PDF."""
    return {"period": period, "attached": attached, "month": _members(month)}


def silent_parcels(day: str, hours: int, parcels: Sequence[SilentParcel], *, more: bool) -> dict[str, object]:
    """What a site is told of the parcels it holds and nothing is heard of. `more`: there are others yet."""
    return {"day": day, "hours": hours, "parcels": [_members(one) for one in parcels], "more": more}


def _by_site(scores: Sequence[Score]) -> Mapping[str, Score]:
    return {one.site: one for one in scores if one.site}


def _anything(score: Score | None) -> bool:
    return score is not None and bool(score.parcels or score.findings or score.complaints)


def _dearest(rules: Sequence[Score]) -> list[Score]:
    counted = (one for one in rules if one.rule and one.findings)
    return sorted(counted, key=lambda one: (-one.amount_fen, -one.findings, one.rule or ""))


def _bounded(name: str, rows: Sequence[Score], rows_max: int) -> dict[str, object]:
    """The first rows, and how many are left out."""
    shown = rows[:rows_max]
    return {name: [_members(one) for one in shown], f"more_{name}": len(rows) - len(shown)}


def _members(struct: msgspec.Struct) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(struct)
    return members
