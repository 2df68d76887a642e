"""Every worked case is judged as it says: the public ones and the project's own (`tests/cases`)."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.arbitration.domain import adjudicate, load_rulebooks
from tests.support.cases import PUBLIC, case_files
from tests.support.expectation import unmet

_BOOKS = load_rulebooks()


def _judge(case: dict[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
    members = ("network", "now", "facts", "rulebook")
    request: dict[str, Any] = {name: case[name] for name in members if name in case}
    document = adjudicate({**request, "events": events}, _BOOKS)
    return msgspec.json.decode(msgspec.json.encode(document))  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", case_files(), ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    document = _judge(case, case["events"])
    assert unmet(case["expect"], document) == []
    ids = [f["finding_id"] for f in document["verdict"]["findings"]]
    assert len(ids) == len(set(ids))
    findings = [f for f in document["verdict"]["findings"] if f["state"] != "revoked"]
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
