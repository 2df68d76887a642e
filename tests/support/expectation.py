"""What a worked case expects of a case document, as the cases' README defines it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

COUNTED = ("fine", "compensation", "liability", "rejection")


def unmet(expect: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """What of `expect` the document does not fulfil, in sentences; empty where all is as it should be."""
    findings = [f for f in (document["verdict"] or {"findings": []})["findings"] if f["state"] != "revoked"]
    left, wrong = list(findings), []
    for wanted in expect.get("findings", []):
        found = next((finding for finding in left if matches(finding, wanted)), None)
        if found is None:
            wrong.append(f"no finding matches {wanted}; there are {findings}")
        else:
            left.remove(found)
    if expect.get("only"):
        wrong += [f"unexpected: {finding}" for finding in left if finding["kind"] in COUNTED]
    for absent in expect.get("absent", []):
        wrong += [f"must not be there: {finding}" for finding in findings if matches(finding, absent)]
    if "next_review_at" in expect and _instant(document["next_review_at"]) != _instant(
        expect["next_review_at"]
    ):
        wrong.append(f"next_review_at is {document['next_review_at']}, not {expect['next_review_at']}")
    return wrong


def matches(finding: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a finding has every member that is given; awards are compared as a set, inner objects by their members."""
    for name, value in wanted.items():
        if name == "awards":
            if sorted(map(_award, finding["awards"])) != sorted(map(_award, value)):
                return False
        elif isinstance(value, dict):
            if any(finding[name].get(key) != inner for key, inner in value.items()):
                return False
        elif finding[name] != value:
            return False
    return True


def _award(award: dict[str, Any]) -> tuple[str, int]:
    return award["to"], award["amount_fen"]


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
