"""What a new version of a verdict gives cause to say, to whom, and until when an appeal is open. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from typing import Literal

from services.notify.domain.telling import Telling, Void, storable
from shared.events.outputs import Finding, VerdictData

Occasion = Literal["finding_issued", "finding_changed", "finding_revoked", "finding_frozen", "appeal_decided"]
OCCASIONS: tuple[Occasion, ...] = (
    "finding_issued",
    "finding_changed",
    "finding_revoked",
    "finding_frozen",
    "appeal_decided",
)

# Receivers of awards that are not sites and have no list of notices (contract.md §4).
NOT_SITES = frozenset({"hq", "sender", "recipient", "beneficiary"})
APPEALABLE_KINDS = frozenset({"fine", "compensation", "liability"})
LAST_SECOND = time(23, 59, 59)


@dataclass(frozen=True, slots=True)
class Stake:
    """What one site has to do with a finding: answers for it, receives `award_fen` of it, or both."""

    liable: bool
    award_fen: int


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """A finding as last told, and the moment of the version that issued it (again, after a revocation)."""

    finding: Finding
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest version of a waybill's verdict that notices were made for."""

    version: int = 0
    digest: str = ""
    findings: Mapping[str, KnownFinding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason to write to one site: what happened to a finding, seen from there.

    `stake` is the site's part now, or its former part where it has none any more. `before` and `stake_before` are
    what it was last told; None where it hears of the finding for the first time. `due_at` is the last second to
    appeal.
    """

    occasion: Occasion
    site: str
    finding: Finding
    before: Finding | None
    stake: Stake
    stake_before: Stake | None
    version: int
    due_at: datetime | None


def is_newer(seen: Seen, verdict: VerdictData) -> bool:
    """Whether `verdict` is a version above the one seen. Lower ones come late and are past (design.md §4.6)."""
    return verdict.version > seen.version


def contradicts(seen: Seen, verdict: VerdictData) -> bool:
    """Whether `verdict` is the version seen with other findings, which must never happen."""
    return verdict.version == seen.version and verdict.digest != seen.digest


def advance(seen: Seen, verdict: VerdictData, *, appeal_days: int, zone: tzinfo) -> tuple[Seen, list[Cause]]:
    """What is seen after a newer `verdict`, and the causes to write between the version seen and this one.

    Versions in between may never be seen: the difference is taken from the last one told. Each finding gives at
    most one cause for each site. `appeal_days` are calendar days in `zone`, the day of issue left out.
    """
    known: dict[str, KnownFinding] = {}
    causes: list[Cause] = []
    for finding in _with_vanished(seen, verdict.findings):
        told = seen.findings.get(finding.finding_id)
        before = told.finding if told else None
        alive_before = before is not None and before.state != "revoked"
        issued_at = told.issued_at if told and alive_before else verdict.decided_at
        known[finding.finding_id] = KnownFinding(finding, issued_at)
        if _same(before, finding):
            continue
        last_second = appeal_end(issued_at, appeal_days=appeal_days, zone=zone)
        causes += _causes(before, finding, verdict.version, last_second)
    return Seen(verdict.version, verdict.digest, known), causes


def appeal_end(issued_at: datetime, *, appeal_days: int, zone: tzinfo) -> datetime:
    """The last second to appeal: the end of day `appeal_days` after the local day of issue (rules.md §7)."""
    last_day = issued_at.astimezone(zone).date() + timedelta(days=appeal_days)
    return datetime.combine(last_day, LAST_SECOND, zone)


def stakes(finding: Finding | None) -> dict[str, Stake]:
    """The sites that a finding concerns: the one it is about, and those that receive money of it. Revoked: none."""
    if finding is None or finding.state == "revoked":
        return {}
    award_fen: dict[str, int] = {}
    for award in finding.awards:
        if award.to not in NOT_SITES and award.amount_fen > 0:
            award_fen[award.to] = award_fen.get(award.to, 0) + award.amount_fen
    sites = ([finding.site] if finding.site else []) + [site for site in award_fen if site != finding.site]
    return {site: Stake(site == finding.site, award_fen.get(site, 0)) for site in sites}


def telling_of(cause: Cause, network: str, waybill: str, partition: int | None) -> Telling:
    """What is told to a site because of `cause`: one notice for each (occasion, finding, version, site, channel)."""
    finding_id = cause.finding.finding_id
    return Telling(
        occasion=cause.occasion,
        network=network,
        site=cause.site,
        identity=(waybill, finding_id, cause.version),
        values={
            "finding": cause.finding,
            "before": cause.before,
            "stake": cause.stake,
            "stake_before": cause.stake_before,
        },
        waybill=waybill,
        finding_id=finding_id,
        version=cause.version,
        due_at=cause.due_at,
        about=_about(cause),
        partition=partition,
    )


def void_of(cause: Cause, network: str, waybill: str) -> Void | None:
    """What `cause` makes void of what was told to its site before, None where that still holds."""
    if cause.occasion in ("finding_changed", "finding_revoked", "appeal_decided"):
        return Void(network, waybill, _about(cause), cause.site)
    return None


def _about(cause: Cause) -> str:
    return f"finding/{storable(cause.finding.finding_id)}"


def changed_members(before: Finding, now: Finding) -> list[str]:
    """The names of a finding's members that differ, in the order of the contract; the order of lists is no difference."""
    old, new = _ordered(before), _ordered(now)
    return [name for name in new if old[name] != new[name]]


def _causes(before: Finding | None, now: Finding, version: int, appeal_until: datetime) -> Iterable[Cause]:
    was, has = stakes(before), stakes(now)
    for site in {**has, **was}:
        occasion = _occasion(before, now, had=site in was, has=site in has)
        stake = has.get(site) or was[site]
        due_at = appeal_until if _may_appeal(occasion, now, site, stake) else None
        told = before if site in was else None
        yield Cause(occasion, site, now, told, stake, was.get(site), version, due_at)


def _occasion(before: Finding | None, now: Finding, *, had: bool, has: bool) -> Occasion:
    if before is None or not had:
        return "finding_issued"
    # A frozen finding can also fall away because of a late event; only an officer's decision bears `ruling`.
    if before.state == "frozen" and now.state != "frozen" and (now.state != "revoked" or now.ruling):
        return "appeal_decided"
    if not has:
        return "finding_revoked"
    if now.state == "frozen" and before.state != "frozen":
        return "finding_frozen"
    return "finding_changed"


def _may_appeal(occasion: Occasion, now: Finding, site: str, stake: Stake) -> bool:
    open_occasion = occasion in ("finding_issued", "finding_changed")
    open_finding = now.kind in APPEALABLE_KINDS and now.state in ("active", "provisional")
    return open_occasion and open_finding and stake.liable and site == now.site


def _with_vanished(seen: Seen, findings: list[Finding]) -> list[Finding]:
    """The findings of a version; one that was told and is not among them counts as revoked."""
    present = {finding.finding_id for finding in findings}
    gone = (told.finding for finding_id, told in seen.findings.items() if finding_id not in present)
    return findings + [_revoked(finding) for finding in gone]


def _revoked(finding: Finding) -> Finding:
    fields = {name: getattr(finding, name) for name in finding.__struct_fields__}
    return Finding(**{**fields, "state": "revoked", "ruling": False})


def _same(before: Finding | None, now: Finding) -> bool:
    """Whether a site that was told `before` still knows what is right; the order of lists says nothing."""
    if before is None or before.state == "revoked":
        return now.state == "revoked"
    return before == now or _ordered(before) == _ordered(now)


def _ordered(finding: Finding) -> dict[str, object]:
    fields: dict[str, object] = {name: getattr(finding, name) for name in finding.__struct_fields__}
    fields["awards"] = sorted((award.to, award.amount_fen) for award in finding.awards)
    fields["evidence"] = sorted((item.source, item.id, item.late_recorded) for item in finding.evidence)
    fields["assumed"] = sorted(finding.assumed)
    fields["exemptions"] = sorted(finding.exemptions)
    return fields
