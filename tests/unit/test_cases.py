"""Every worked case is judged as it says: the public ones and the project's own (`tests/cases`)."""

from __future__ import annotations

import json
import os
import random
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.arbitration.domain import adjudicate, load_rulebooks

_ROOT = Path(__file__).resolve().parents[2]
PUBLIC = Path(os.environ.get("FAULTLINE_CASES") or _ROOT.parent / "shared" / "cases")
OWN = _ROOT / "tests" / "cases"
_BOOKS = load_rulebooks()
_TODAY = date(2026, 3, 1)
_COUNTED = ("fine", "compensation", "liability", "rejection")


def _files() -> list[Path]:
    return sorted(PUBLIC.glob("*.json")) + sorted(OWN.glob("*.json"))


def _matches(finding: dict[str, Any], wanted: dict[str, Any]) -> bool:
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


def _judge(case: dict[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
    members = ("network", "now", "facts", "rulebook")
    request: dict[str, Any] = {name: case[name] for name in members if name in case}
    document = adjudicate({**request, "events": events}, _BOOKS)
    return msgspec.json.decode(msgspec.json.encode(document))  # type: ignore[no-any-return]


def _pending(rule: str) -> bool:
    """Whether a case is about a rule that no rulebook has yet."""
    return not any(rule in _BOOKS.describe(book, _TODAY)["rules"] for book in _BOOKS.ids())


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@pytest.mark.parametrize("path", _files(), ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    expect = case["expect"]
    wanted_rules = [finding["rule"] for finding in expect.get("findings", [])]
    if any(_pending(rule) for rule in wanted_rules):
        pytest.skip(f"the rules of {wanted_rules} are not in a rulebook yet")
    document = _judge(case, case["events"])
    findings = [f for f in document["verdict"]["findings"] if f["state"] != "revoked"]
    left = list(findings)
    for wanted in expect.get("findings", []):
        found = next((finding for finding in left if _matches(finding, wanted)), None)
        assert found is not None, f"no finding matches {wanted}; there are {findings}"
        left.remove(found)
    if expect.get("only"):
        assert [f for f in left if f["kind"] in _COUNTED] == []
    for absent in expect.get("absent", []):
        assert not [finding for finding in findings if _matches(finding, absent)]
    if "next_review_at" in expect:
        assert _instant(document["next_review_at"]) == _instant(expect["next_review_at"])
    for finding in findings:
        if finding["kind"] in ("fine", "compensation"):
            assert sum(award["amount_fen"] for award in finding["awards"]) == finding["amount_fen"]
    shuffled = case["events"] + case["events"][::2]
    random.Random(path.stem).shuffle(shuffled)
    assert _judge(case, shuffled) == document, "the order of arrival and repetitions changed the verdict"


def test_there_are_public_cases() -> None:
    if not PUBLIC.is_dir():
        pytest.skip(f"no public cases at {PUBLIC}: set FAULTLINE_CASES")
    assert len(list(PUBLIC.glob("*.json"))) >= 12
