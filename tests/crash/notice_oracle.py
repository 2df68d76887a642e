"""The notices against the verdicts: each once, and every site told last what holds now."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.crash.snapshot import NOTICES, VERDICTS, Row, Snapshot

_NOT_SITES: Final = frozenset({"hq", "sender", "recipient", "beneficiary"})
_TOLD: Final = ("notice.queued", "notice.delivered")
Finding = dict[str, Any]
Told = dict[tuple[str, str, str], Row]
"""(subject, finding, site) → the last notice, by the verdict's version."""


def notice_violations(snapshot: Snapshot, verdicts: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """What is wrong with the notices. `verdicts`: the last version of each waybill as stored."""
    yield from _once(snapshot)
    yield from _last_word(snapshot, verdicts)
    yield from _published(snapshot)


def _once(snapshot: Snapshot) -> Iterator[str]:
    # Of a finding; the ids of the others say what they are about.
    about = Counter(
        (r["occasion"], r["network"], r["waybill"], r["finding_id"], r["version"], r["site"], r["channel"])
        for r in snapshot.notices
        if r["finding_id"] is not None
    )
    for key, count in sorted(about.items()):
        if count > 1:
            yield f"noticed {count} times: {key}"


def _last_word(snapshot: Snapshot, verdicts: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """The last notice of each site about each finding is of a version that said what the last version says."""
    told: Told = {}
    of_findings = (
        row for row in snapshot.notices if row["finding_id"] is not None and row["channel"] == "in_app"
    )
    for row in sorted(of_findings, key=lambda row: row["version"]):
        told[f"{row['network']}/{row['waybill']}", row["finding_id"], row["site"]] = row
    versions = _versions(snapshot)
    concerned: set[tuple[str, str, str]] = set()
    for subject, verdict in sorted(verdicts.items()):
        for finding in verdict["findings"]:
            for site in _sites(finding):
                place = (subject, finding["finding_id"], site)
                concerned.add(place)
                notice = told.get(place)
                if notice is None:
                    yield f"not noticed: {site} was never told of {place[1]} on {subject}"
                elif notice["occasion"] == "finding_revoked":
                    yield f"wrong notice: {site} was last told that {place[1]} on {subject} is revoked; it stands"
                elif not _same(versions[subject].get(notice["version"], {}).get(place[1]), finding):
                    yield (
                        f"stale notice: {site} was last told version {notice['version']} of {place[1]} on {subject}, "
                        f"which differs from version {verdict['version']}"
                    )
    for place, notice in sorted(told.items()):
        if place not in concerned and notice["occasion"] not in ("finding_revoked", "appeal_decided"):
            yield f"wrong notice: {place[2]} was last told that {place[1]} on {place[0]} stands; it does not"


def _versions(snapshot: Snapshot) -> dict[str, dict[int, dict[str, Finding]]]:
    """Subject → version → finding id → the finding as published."""
    found: dict[str, dict[int, dict[str, Finding]]] = defaultdict(dict)
    for read in snapshot.topics[VERDICTS]:
        event = json.loads(read.value)
        findings = {f["finding_id"]: f for f in event["data"]["findings"]}
        found[event["subject"]][event["data"]["version"]] = findings
    return found


def _sites(finding: Finding) -> set[str]:
    """Whom a finding concerns: the liable site and the sites that receive money."""
    if finding["state"] == "revoked":
        return set()
    paid = {a["to"] for a in finding["awards"] if a["amount_fen"] > 0} - _NOT_SITES
    return paid | ({finding["site"]} if finding["site"] else set())


def _same(told: Finding | None, now: Finding) -> bool:
    """Whether two findings say the same; the order of lists says nothing."""
    return told is not None and _ordered(told) == _ordered(now)


def _ordered(finding: Finding) -> Finding:
    return {
        name: sorted(value, key=json.dumps) if isinstance(value, list) else value
        for name, value in finding.items()
    }


def _published(snapshot: Snapshot) -> Iterator[str]:
    """Every notice is on the topic as queued and as delivered, always with the same bytes; a withdrawn one may be on it."""
    by_id: dict[str, bytes] = {}
    told: dict[str, set[str]] = defaultdict(set)
    for read in snapshot.topics[NOTICES]:
        event = json.loads(read.value)
        if by_id.setdefault(event["id"], read.value) != read.value:
            yield f"two notices: id {event['id']} is on the topic with different contents"
        told[event["data"]["notice_id"]].add(event["type"])
    stored = {str(row["notice_id"]): row["state"] for row in snapshot.notices}
    for notice_id in sorted(one for one, state in stored.items() if state != "withdrawn"):
        for event_type in _TOLD:
            if event_type not in told[notice_id]:
                yield f"unpublished: {event_type} of {notice_id} is not on the topic"
    for notice_id in sorted(told.keys() - stored.keys()):
        yield f"unstored: notice {notice_id} is on the topic and not stored"
